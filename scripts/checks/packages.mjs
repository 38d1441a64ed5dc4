import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { npmCommand, root } from '../bootstrap.mjs'
import { leftovers } from '../leftovers.mjs'
import { compareExports } from './exports.mjs'

/**
 * @typedef {{ name: string, version: string, private?: boolean, bin?: Record<string, string>,
 *   exports: Record<string, unknown>, dependencies?: Record<string, string> }} Manifest
 * @typedef {{ directory: string, manifest: Manifest, tarball: string, unpacked: string }} Packed
 * @typedef {{ name: string, problems: string[] }} Item one thing that was checked
 */

/** @returns {{ directory: string, manifest: Manifest }[]} */
function publishablePackages() {
  return readdirSync(join(root, 'packages'))
    .map((name) => join(root, 'packages', name))
    .filter((directory) => existsSync(join(directory, 'package.json')))
    .map((directory) => ({
      directory,
      manifest: JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')),
    }))
    .filter(({ manifest }) => !manifest.private)
}

/** @param {{ directory: string, manifest: Manifest }} source @param {string} into @returns {Packed} */
function pack({ directory, manifest }, into) {
  const npm = npmCommand()
  const args = [
    ...npm.args,
    'pack',
    '--json',
    '--ignore-scripts',
    '--loglevel=error',
    '--pack-destination',
    into,
  ]
  const output = execFileSync(npm.command, args, { cwd: directory, encoding: 'utf8' })
  const tarball = join(into, JSON.parse(output)[0].filename)
  const unpacked = join(into, 'node_modules', manifest.name)
  mkdirSync(unpacked, { recursive: true })
  execFileSync('tar', ['-xzf', tarball, '-C', unpacked, '--strip-components=1'])
  return { directory, manifest, tarball, unpacked }
}

/**
 * Gives an unpacked package the dependencies that it declares and no others, so that an import of anything else fails
 * as it would for whoever installs it.
 *
 * @param {Packed} packed
 * @param {Packed[]} siblings
 */
function linkDependencies(packed, siblings) {
  for (const name of Object.keys(packed.manifest.dependencies ?? {})) {
    const sibling = siblings.find((other) => other.manifest.name === name)
    const link = join(packed.unpacked, 'node_modules', name)
    const own = join(packed.directory, 'node_modules', name)
    mkdirSync(dirname(link), { recursive: true })
    symlinkSync(
      sibling?.unpacked ?? (existsSync(own) ? own : join(root, 'node_modules', name)),
      link,
      'junction',
    )
  }
}

/** @param {Packed} packed @returns {Promise<Item>} */
async function runPublint({ manifest, unpacked }) {
  const { messages, pkg } = await publint({ pkgDir: unpacked, pack: false, strict: true })
  const problems = messages.filter((message) => message.type !== 'suggestion')
  return {
    name: `${manifest.name}: publint`,
    problems: problems.map((message) => `${manifest.name}: publint: ${formatMessage(message, pkg)}`),
  }
}

/** The packages are ESM only, so `require` and the resolution of Node 10 are no promise of theirs. */
const NOT_PROMISED = new Set(['node10', 'node16-cjs'])

/** @param {Packed} packed @returns {Promise<Item>} */
async function runAttw({ manifest, tarball }) {
  const result = await checkPackage(createPackageFromTarballData(readFileSync(tarball)))
  const problems = result.types
    ? result.problems.filter(
        (problem) => !('resolutionKind' in problem && NOT_PROMISED.has(problem.resolutionKind)),
      )
    : [{ kind: 'has no types' }]
  return {
    name: `${manifest.name}: types`,
    problems: problems.map((problem) => `${manifest.name}: are the types wrong: ${JSON.stringify(problem)}`),
  }
}

/** @param {Packed} packed @returns {Item} */
function checkNoLeftovers({ manifest, unpacked }) {
  const problems = leftovers(unpacked).map((file) => `${manifest.name}: ${file} has no source`)
  return { name: `${manifest.name}: files`, problems }
}

/** @param {Packed} packed @returns {Item[]} */
function checkCommands({ manifest, unpacked }) {
  return Object.entries(manifest.bin ?? {}).map(([command, path]) => {
    const name = `${manifest.name}: command ${command}`
    try {
      const args = [join(unpacked, path), '--version']
      const output = execFileSync(process.execPath, args, {
        encoding: 'utf8',
        timeout: 30_000,
        stdio: 'pipe',
      })
      if (output.trim() === manifest.version) return { name, problems: [] }
      return { name, problems: [`${command} --version says ${output.trim()}, not ${manifest.version}`] }
    } catch (error) {
      return { name, problems: [`${command} --version: ${/** @type {Error} */ (error).message}`] }
    }
  })
}

/**
 * Packs each publishable package as npm would publish it, and checks the tarballs: what the manifest promises, the
 * types, the names that each export has, and that commands run.
 *
 * @param {string} into an own directory; emptied first
 * @returns {Promise<Item[]>}
 */
export async function checkPackages(into) {
  rmSync(into, { recursive: true, force: true })
  mkdirSync(into, { recursive: true })
  const all = publishablePackages().map((source) => pack(source, into))
  for (const packed of all) linkDependencies(packed, all)
  /** @type {Item[]} */
  const items = []
  for (const packed of all) {
    items.push(await runPublint(packed), await runAttw(packed), checkNoLeftovers(packed))
    items.push(...compareExports(packed.manifest, into), ...checkCommands(packed))
  }
  return items
}
