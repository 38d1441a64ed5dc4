import { test } from 'vitest'
import { createSeededRandom } from '../../src/testing/seeded-random.js'

/** One seed, so that a push is judged by the same histories each time; campaigns choose others. */
const SEED = Number(process.env.PEERFOLD_SEED ?? 1)
/** Runs of all campaigns together: 5,000 unless a script asks for more. */
const SCALE = Number(process.env.PEERFOLD_RUNS ?? 5_000) / 5_000
const MAX_FAILURES = 20
const TIMEOUT_MS = 6 * 3600_000

/** Many histories, each named by a number of its own, with which it can be run again. */
export function campaign(what: string, share: number, run: (seed: number) => Promise<void>): void {
  const runs = Math.ceil(share * SCALE)
  test(`${what}, in ${runs} runs (seed ${SEED})`, { timeout: TIMEOUT_MS }, async () => {
    // Calls that fail are many, and where they were made tells nothing.
    Error.stackTraceLimit = 0
    const seeds = createSeededRandom(SEED)
    const failed: string[] = []
    for (let n = 0; n < runs && failed.length < MAX_FAILURES; n++) {
      const seed = seeds.integer(2 ** 31)
      await run(seed).catch((error: unknown) => failed.push(`history ${seed}: ${describe(error)}`))
    }
    if (failed.length > 0) throw new Error(failed.join('\n\n'))
  })
}

function describe(error: unknown): string {
  const { message, actual, expected } = error as Error & { actual?: unknown; expected?: unknown }
  if (actual === undefined) return (error as Error).stack ?? message
  return `${message}\n  is ${JSON.stringify(actual)}\n  should be ${JSON.stringify(expected)}`
}
