import { existsSync, readFileSync, rmSync } from 'node:fs'

/**
 * @typedef {{ status: string, assertionResults: { status: string, fullName?: string }[] }} FileResult
 * @typedef {{ numPassedTests: number, numFailedTests: number, numPendingTests: number, numTodoTests: number,
 *   testResults: FileResult[] }} Report
 */

/**
 * What a report of vitest's JSON reporter says. A file that failed without a failed test in it (it could not be loaded)
 * counts as one failure, and so does an exit code that no failure explains (an unhandled rejection).
 *
 * @param {Report} report
 * @param {number} exitCode
 * @returns {import('./run.mjs').Counts}
 */
export function countReport(report, exitCode) {
  const broken = report.testResults.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((result) => result.status === 'failed'),
  ).length
  const failed = report.numFailedTests + broken
  return {
    passed: report.numPassedTests,
    failed: failed === 0 && exitCode !== 0 ? 1 : failed,
    skipped: report.numPendingTests + report.numTodoTests,
  }
}

const SKIPPED = new Set(['skipped', 'pending', 'todo'])

/**
 * Names of what was not run: a test that may be skipped has the reason in its name.
 *
 * @param {Report} report
 */
export function skippedTests({ testResults }) {
  return testResults
    .flatMap((file) => file.assertionResults)
    .filter(({ status }) => SKIPPED.has(status))
    .map(({ fullName }) => fullName)
}

/**
 * Runs vitest, counts its report and names what was skipped. No report means that it failed.
 *
 * @param {string} output where the JSON reporter writes
 * @param {() => Promise<number>} run resolves with the exit code
 * @returns {Promise<import('./run.mjs').Counts>}
 */
export async function countVitest(output, run) {
  rmSync(output, { force: true })
  const exitCode = await run()
  if (!existsSync(output)) throw new Error(`vitest wrote no report and exited ${exitCode}.`)
  const report = JSON.parse(readFileSync(output, 'utf8'))
  for (const name of skippedTests(report)) console.log(`  skipped: ${name}`)
  return countReport(report, exitCode)
}
