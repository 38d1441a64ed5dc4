import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { stepArbitrary } from './steps.js'
import { World } from './world.js'

/** `npm run test:campaign:tree` for 20,000; `PEERFOLD_SEED` to repeat one. */
const RUNS = Number(process.env.PEERFOLD_RUNS ?? 2000)
const SEED = Number(process.env.PEERFOLD_SEED ?? 20_260_000 + RUNS)

describe('the merged tree, whatever devices do and in whatever order they hear of it', () => {
  test(`${RUNS} histories converge, lose nothing, revive nothing, and the index equals the fold at every step`, {
    timeout: 0,
  }, async () => {
    console.log(`tree model: ${RUNS} runs, seed ${SEED}`)
    const steps = fc.array(stepArbitrary, { minLength: 4, maxLength: 16, size: 'max' })
    await fc.assert(
      fc.asyncProperty(steps, fc.integer({ min: 0, max: 3 }), async (history, alone) => {
        const world = await World.open()
        if (alone > 0) await world.share()
        await world.run(history)
        await world.settle()
      }),
      { numRuns: RUNS, seed: SEED },
    )
    console.log('steps that met', World.met)
    // A few histories meet nothing rare; then the test would say less than it seems.
    if (RUNS >= 500) for (const count of Object.values(World.met)) expect(count).toBeGreaterThan(0)
  })
})
