/**
 * What a conformance suite needs from a test runner. vitest, mocha, jest and node:test all fit: pass `{ describe, test }`.
 *
 * @example
 * ```ts
 * import { describe, test } from 'vitest'
 * blockStoreSuite({ describe, test }, async () => createMemoryBlockStore())
 * ```
 */
export interface SuiteRunner {
  describe(name: string, body: () => void): void
  test(name: string, body: () => Promise<void> | void): void
}
