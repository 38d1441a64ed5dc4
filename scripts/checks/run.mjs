import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { root, turboCommand, turboEnv } from '../bootstrap.mjs'
import { needChromium } from '../chromium.mjs'
import { checkPackages } from './packages.mjs'
import { countVitest } from './vitest.mjs'

/**
 * @typedef {{ passed: number, failed: number, skipped: number }} Counts
 * @typedef {{ name: string, run: () => Promise<Counts> }} Check
 */

/**
 * Runs a Node program in the foreground and resolves with its exit code.
 *
 * @param {string[]} args
 * @param {Record<string, string>} [env]
 * @returns {Promise<number>}
 */
function runNode(args, env = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, {
      cwd: root,
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, ...env },
    })
    child.once('error', reject)
    child.once('exit', (code) => resolve(code ?? 1))
  })
}

/** A task of turbo.json, skipped by its cache when none of its inputs changed. @param {string} task @returns {Check} */
function turboTask(task) {
  const args = turboCommand(['run', task, '--output-logs=new-only', '--log-prefix=none', '--ui=stream'])
  return { name: task, run: async () => counts((await runNode(args, turboEnv)) === 0) }
}

/** One item that passed or failed. @param {boolean} ok @returns {Counts} */
function counts(ok) {
  return { passed: ok ? 1 : 0, failed: ok ? 0 : 1, skipped: 0 }
}

/** @param {string[]} filters @returns {Check} */
function vitest(filters) {
  const output = join(root, '.cache', 'vitest.json')
  const program = join(root, 'node_modules', 'vitest', 'vitest.mjs')
  const args = [
    program,
    'run',
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${output}`,
    ...filters,
  ]
  return {
    name: 'tests',
    run: async () => {
      const chromium = await needChromium()
      return countVitest(output, () => runNode(args, { PEERFOLD_CHROMIUM: chromium }))
    },
  }
}

/** @type {Check} */
const packages = {
  name: 'packages',
  run: async () => {
    const problems = await checkPackages(join(root, '.cache', 'packed'))
    for (const problem of problems.flatMap((item) => item.problems)) console.error(`  ✗ ${problem}`)
    const failed = problems.filter((item) => item.problems.length > 0).length
    return { passed: problems.length - failed, failed, skipped: 0 }
  },
}

/** A check that throws has failed, and says why. @param {Check} check @returns {Promise<Counts>} */
async function attempt(check) {
  console.log(`\n— ${check.name}`)
  try {
    return await check.run()
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    return counts(false)
  }
}

/**
 * Runs all checks, or only those tests whose paths are given, prints the sum as the last line, and returns the exit code.
 *
 * @param {string[]} filters
 */
export async function runChecks(filters) {
  const all = [
    turboTask('lint'),
    turboTask('check:types'),
    vitest(filters),
    packages,
    turboTask('check:unused'),
  ]
  const chosen = filters.length > 0 ? [vitest(filters)] : all
  const start = performance.now()
  const sum = { passed: 0, failed: 0, skipped: 0 }
  for (const check of chosen) {
    const result = await attempt(check)
    sum.passed += result.passed
    sum.failed += result.failed
    sum.skipped += result.skipped
    if (result.failed > 0) console.error(`✗ ${check.name} failed`)
  }
  console.log(`\nchecked in ${((performance.now() - start) / 1000).toFixed(1)} s`)
  console.log(summary(sum))
  return sum.failed === 0 && sum.passed > 0 ? 0 : 1
}

/** @param {Counts} sum */
export function summary({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`
}
