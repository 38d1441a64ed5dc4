import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { removeLeftovers } from './leftovers.mjs'
import { withLock } from './lock.mjs'

/** The repository's root. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)))

/**
 * @typedef {{ version?: string, link?: boolean, optional?: boolean, peer?: boolean }} LockedPackage
 * @typedef {{ packages?: Record<string, LockedPackage> }} Lockfile
 */

/**
 * The packages of `wanted` (package-lock.json) that `installed` (node_modules/.package-lock.json, which npm writes
 * when an installation is complete) lacks or has in another version. Optional ones belong to other platforms.
 *
 * @param {Lockfile} wanted
 * @param {Lockfile} installed
 */
export function missingPackages(wanted, installed) {
  const have = installed.packages ?? {}
  return Object.entries(wanted.packages ?? {})
    .filter(([path, entry]) => path.startsWith('node_modules/') && !entry.optional && !entry.peer)
    .filter(([path, entry]) => have[path] === undefined || have[path].version !== entry.version)
    .map(([path]) => path.slice('node_modules/'.length))
}

/** @param {string} path @returns {Lockfile} */
function readLockfile(path) {
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : {}
}

/** Whether node_modules is what package-lock.json says. */
export function isInstalled(directory = root) {
  const wanted = readLockfile(join(directory, 'package-lock.json'))
  const installed = readLockfile(join(directory, 'node_modules', '.package-lock.json'))
  return missingPackages(wanted, installed).length === 0
}

/**
 * Runs a command to its end, or throws. What it prints is shown only when it fails.
 *
 * @param {string} what shown when it fails
 * @param {string} command
 * @param {string[]} args
 * @param {Record<string, string>} [env]
 */
function mustRun(what, command, args, env = {}) {
  const { status, signal, error, stdout, stderr } = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
    maxBuffer: 64 * 1024 * 1024,
  })
  if (status === 0) return
  process.stderr.write(`${stdout ?? ''}${stderr ?? ''}`)
  throw new Error(`${what} failed: ${error?.message ?? signal ?? `exit code ${status}`}`)
}

/** The command and first arguments that run the npm that runs us, or else the one in the path. */
export function npmCommand() {
  const npm = process.env.npm_execpath ?? ''
  if (basename(npm) === 'npm-cli.js') return { command: process.execPath, args: [npm] }
  return { command: process.platform === 'win32' ? 'npm.cmd' : 'npm', args: [] }
}

function install() {
  console.log('installing packages…')
  const { command, args } = npmCommand()
  mustRun('npm ci', command, [...args, 'ci', '--include=dev', '--no-fund', '--no-audit', '--loglevel=error'])
}

/** Settings for every turbo call: nothing is sent anywhere, and output is plain lines. */
export const turboEnv = { TURBO_TELEMETRY_DISABLED: '1', DO_NOT_TRACK: '1', TURBO_NO_UPDATE_NOTIFIER: '1' }

/** The arguments after `node` that run turbo. @param {string[]} args */
export function turboCommand(args) {
  return [join(root, 'node_modules', 'turbo', 'bin', 'turbo'), ...args]
}

/** @param {readonly string[] | undefined} only */
function build(only) {
  console.log('building what changed…')
  const packages = join(root, 'packages')
  for (const name of readdirSync(packages)) removeLeftovers(join(packages, name))
  const args = turboCommand(['run', 'build', '--output-logs=errors-only', '--log-prefix=none', '--ui=stream'])
  // Three dots: with what it depends on.
  const filter = only?.map((name) => `--filter=${name}...`) ?? []
  mustRun('The build', process.execPath, [...args, ...filter], turboEnv)
}

/** @param {() => void} step */
function seconds(step) {
  const start = performance.now()
  step()
  return (performance.now() - start) / 1000
}

/**
 * Brings a clone to where its programs run: installs what is missing, builds what changed. Quick when nothing is to do.
 * One process at a time; others wait.
 *
 * @param {{ only?: readonly string[] }} [options] `only`: the packages to build, with those that they depend on. Default: all
 */
export async function bootstrap({ only } = {}) {
  /** @type {string[]} */
  const spent = []
  const total = performance.now()
  await withLock(join(root, '.cache', 'bootstrap.lock'), () => {
    if (!isInstalled()) spent.push(`install ${seconds(install).toFixed(1)} s`)
    spent.push(`build ${seconds(() => build(only)).toFixed(1)} s`)
  })
  console.log(`ready in ${((performance.now() - total) / 1000).toFixed(1)} s (${spent.join(', ')})`)
}
