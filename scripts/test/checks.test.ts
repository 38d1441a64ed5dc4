import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { compareExports } from '../checks/exports.mjs'
import { summary } from '../checks/run.mjs'
import { countReport, countVitest, skippedTests } from '../checks/vitest.mjs'

const report = (over: object = {}) => ({
  numPassedTests: 3,
  numFailedTests: 0,
  numPendingTests: 0,
  numTodoTests: 0,
  testResults: [{ status: 'passed', assertionResults: [{ status: 'passed' }] }],
  ...over,
})

describe('the count of tests', () => {
  test('passes through what vitest says', () => {
    const counted = countReport(report({ numFailedTests: 2, numPendingTests: 1, numTodoTests: 1 }), 1)
    expect(counted).toEqual({ passed: 3, failed: 2, skipped: 2 })
  })

  test('counts a file that could not be loaded', () => {
    const broken = { status: 'failed', assertionResults: [] }
    expect(countReport(report({ testResults: [broken] }), 1)).toEqual({ passed: 3, failed: 1, skipped: 0 })
  })

  test('does not count a failed test twice', () => {
    const file = { status: 'failed', assertionResults: [{ status: 'failed' }] }
    expect(countReport(report({ numFailedTests: 1, testResults: [file] }), 1).failed).toBe(1)
  })

  test('counts an exit code that no failed test explains', () =>
    expect(countReport(report(), 1)).toEqual({ passed: 3, failed: 1, skipped: 0 }))

  test('goes with the names of what was skipped', () => {
    const assertionResults = ['passed', 'skipped', 'pending', 'todo', 'failed'].map((status) => ({
      status,
      fullName: `${status} (why)`,
    }))
    const names = skippedTests(report({ testResults: [{ status: 'passed', assertionResults }] }))
    expect(names).toEqual(['skipped (why)', 'pending (why)', 'todo (why)'])
  })

  test('refuses a run without a report', async () =>
    expect(countVitest('/no/such/report.json', async () => 0)).rejects.toThrow('no report'))
})

describe('the last line', () => {
  test('has no skipped when none was', () =>
    expect(summary({ passed: 5, failed: 1, skipped: 0 })).toBe('5 passed, 1 failed'))
  test('counts the skipped', () =>
    expect(summary({ passed: 5, failed: 0, skipped: 2 })).toBe('5 passed, 0 failed, 2 skipped'))
})

describe('compareExports', () => {
  let directory: string
  const manifest = { name: 'sample', version: '1.0.0', exports: { '.': {} } }
  const problems = (js: string, dts: string) => {
    const at = join(directory, 'node_modules', 'sample')
    mkdirSync(at, { recursive: true })
    const exports = { '.': { types: './index.d.ts', default: './index.js' } }
    writeFileSync(join(at, 'package.json'), JSON.stringify({ ...manifest, type: 'module', exports }))
    writeFileSync(join(at, 'index.js'), js)
    writeFileSync(join(at, 'index.d.ts'), dts)
    return compareExports(manifest, directory).flatMap((item) => item.problems)
  }
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'peerfold-exports-'))
  })
  afterEach(() => rmSync(directory, { recursive: true, force: true }))

  test('accepts equal names, and types that are types only', () => {
    const dts =
      'export declare const a: number\nexport interface B {}\ndeclare class C {}\nexport type { C }\n'
    expect(problems('export const a = 1\n', dts)).toEqual([])
  })

  test('finds what is declared and lacking', () =>
    expect(problems('export const a = 1\n', 'export declare const a: number, b: number\n')).toEqual([
      'sample declares b, which it lacks',
    ]))

  test('finds what is there and undeclared', () =>
    expect(problems('export const a = 1, b = 2\n', 'export declare const a: number\n')).toEqual([
      'sample has b, undeclared',
    ]))

  test('finds a dependency that nobody declared', () => {
    const found = problems(
      "import 'not-a-dependency'\nexport const a = 1\n",
      'export declare const a: number\n',
    )
    expect(found.join()).toContain('not-a-dependency')
  })
})
