import { describe, expect, test } from 'vitest'
import { createManualClock } from '../../src/testing/manual-clock.js'
import { createSeededRandom } from '../../src/testing/seeded-random.js'
import { cidsOf, connect, createBlocks, createWorld, driven, holdsAll } from './world.js'

const SEEDS = Number(process.env.PEERFOLD_RUNS ?? 12)

describe('a world of peers', () => {
  for (let seed = 0; seed < SEEDS; seed++) {
    test(`ends with every block everywhere, whatever breaks on the way (seed ${seed})`, async () => {
      const random = createSeededRandom(seed)
      const clock = createManualClock()
      const count = 2 + random.integer(4)
      const world = await createWorld(count, {
        seed,
        clock,
        latency: { least: 1, jitter: random.integer(100) },
        bandwidth: 1_000_000,
        limits: { maxOutstanding: 16 + random.integer(64) },
      })
      const blocks = createBlocks(20 + random.integer(80), 1 + random.integer(20_000), seed)
      for (const block of blocks) await random.pick(world.peers).store.put([block])
      const fetched = world.peers.map((peer) => peer.exchange.fetch('ab'.repeat(32), cidsOf(blocks)))
      const trouble = (async () => {
        for (let i = 0; i < 5; i++) {
          await clock.sleep(random.integer(2_000))
          const [a, b] = [random.pick(world.peers), random.pick(world.peers)]
          if (a === b) continue
          if (random.integer(2) === 0) world.hub.cut(a.network.peer, b.network.peer)
          else {
            world.hub.partition([[a.network.peer], [b.network.peer]], { silent: random.integer(2) === 0 })
            await clock.sleep(random.integer(30_000))
            world.hub.heal()
          }
          for (const x of world.peers) {
            for (const y of world.peers) if (x !== y) await connect(x, y).catch(() => {})
          }
        }
      })()
      await driven(clock, Promise.all([...fetched, trouble]))
      for (const peer of world.peers) {
        expect(await holdsAll(peer.store, blocks)).toBe(true)
        expect(peer.faults).toEqual([])
      }
      await world.close()
    })
  }
})
