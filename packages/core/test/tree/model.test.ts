import fc from 'fast-check'
import { describe, test } from 'vitest'
import { stepArbitrary, World } from './world.js'

/** `PEERFOLD_RUNS=20000 npm run test:campaign:tree` for a campaign; `PEERFOLD_SEED` to repeat one. */
const RUNS = Number(process.env.PEERFOLD_RUNS ?? 2000)
const SEED = Number(process.env.PEERFOLD_SEED ?? 20_260_000 + RUNS)

describe('the merged tree, whatever devices do and in whatever order they hear of it', () => {
  test(`${RUNS} histories converge, lose nothing, revive nothing, and the index equals the fold at every step`, {
    timeout: 0,
  }, async () => {
    console.log(`tree model: ${RUNS} runs, seed ${SEED}`)
    const steps = fc.array(stepArbitrary, { minLength: 4, maxLength: 24, size: 'max' })
    await fc.assert(
      fc.asyncProperty(steps, async (history) => {
        const world = await World.open()
        await world.run(history)
        await world.settle()
      }),
      { numRuns: RUNS, seed: SEED },
    )
  })
})
