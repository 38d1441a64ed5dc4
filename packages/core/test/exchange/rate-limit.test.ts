import { describe, expect, test } from 'vitest'
import { LEAST_LIMIT, RateLimit } from '../../src/exchange/rate-limit.js'
import { createManualClock } from '../../src/testing/manual-clock.js'
import { cidsOf, createBlocks, createWorld, driven, HANDLE, holdsAll } from './world.js'

const RATE = 100_000

describe('a rate limit', () => {
  test('lets no more pass, in any stretch of time, than its rate and a tenth of a second', async () => {
    const clock = createManualClock()
    const limit = new RateLimit({ clock, rate: RATE })
    const passed: Array<{ at: number; bytes: number }> = []
    const sender = async (bytes: number) => {
      for (let i = 0; i < 40; i++) {
        await limit.pass(bytes)
        passed.push({ at: clock.monotonic(), bytes })
        if (i === 20) await clock.sleep(5000)
      }
    }
    await driven(clock, Promise.all([sender(1000), sender(4000), sender(16_000)]))
    const most = (ms: number) => RATE * (ms / 1000 + 0.1) + 16_001
    for (const [i, first] of passed.entries()) {
      let bytes = 0
      for (const each of passed.slice(i)) {
        bytes += each.bytes
        expect(bytes).toBeLessThanOrEqual(most(each.at - first.at))
      }
    }
  })

  test('gives equal turns to all who wait', async () => {
    const clock = createManualClock()
    const limit = new RateLimit({ clock, rate: RATE })
    const turns: string[] = []
    const sender = async (name: string) => {
      for (let i = 0; i < 10; i++) {
        await limit.pass(10_000)
        turns.push(name)
      }
    }
    await driven(clock, Promise.all([sender('a'), sender('b'), sender('c')]))
    for (let i = 3; i < turns.length; i += 3) expect(turns.slice(i, i + 3).sort()).toEqual(['a', 'b', 'c'])
  })

  test('is left at once by whoever is told to, and others go on', async () => {
    const clock = createManualClock()
    const limit = new RateLimit({ clock, rate: RATE })
    await limit.pass(RATE)
    const stop = new AbortController()
    const left = limit.pass(1000, { signal: stop.signal })
    const next = limit.pass(1000)
    stop.abort(new Error('left'))
    await expect(left).rejects.toThrow('left')
    await driven(clock, next)
    expect(clock.monotonic()).toBeGreaterThanOrEqual(900)
    await expect(limit.pass(1, { signal: stop.signal })).rejects.toThrow('left')
  })

  test('is not so low that peers give up', () => {
    const clock = createManualClock()
    for (const rate of [0, -1, Number.NaN, LEAST_LIMIT - 1])
      expect(() => new RateLimit({ clock, rate })).toThrow(
        expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
      )
  })
})

describe('an exchange with a limit', () => {
  test.each([
    ['upload', [{ up: RATE }, {}, {}]],
    ['download', [{}, { down: RATE }, { down: RATE }]],
  ])('on %s moves blocks at that rate, and whole', async (direction, rates) => {
    const clock = createManualClock()
    const world = await createWorld(3, {
      clock,
      rates,
      latency: { least: 5, jitter: 10 },
      bandwidth: 10_000_000,
    })
    const [from, ...others] = world.peers
    const blocks = createBlocks(10, 100_000)
    await from!.store.put(blocks)
    const start = clock.monotonic()
    // Asked for what is not there, too: answers travel between the pieces of blocks.
    const absent = new AbortController()
    const fetches = others.map((peer, i) => {
      peer.exchange
        .fetch(HANDLE, cidsOf(createBlocks(50, 10, i + 1)), { signal: absent.signal })
        .catch(() => {})
      return peer.exchange.fetch(HANDLE, cidsOf(blocks))
    })
    await driven(clock, Promise.all(fetches))
    absent.abort()
    for (const peer of others) expect(await holdsAll(peer.store, blocks)).toBe(true)
    for (const peer of world.peers) expect(peer.faults).toEqual([])
    // A megabyte to each of the two, who also help one another.
    const seconds = (clock.monotonic() - start) / 1000
    const [least, most] = direction === 'upload' ? [9, 25] : [9, 13]
    expect(seconds).toBeGreaterThan(least)
    expect(seconds).toBeLessThan(most)
    await world.close()
  })
})
