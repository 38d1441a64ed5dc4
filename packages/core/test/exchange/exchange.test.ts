import { afterEach, describe, expect, test } from 'vitest'
import { MAX_BLOCK } from '../../src/exchange/limits.js'
import { assertAborts, assertCode, assertRejects } from '../../src/testing/assert.js'
import { createManualClock } from '../../src/testing/manual-clock.js'
import {
  CountingStore,
  cidsOf,
  connect,
  createBlocks,
  createWorld,
  driven,
  HANDLE,
  holdsAll,
  OTHER_HANDLE,
  type Peer,
  type World,
} from './world.js'

let worlds: World[] = []
afterEach(async () => {
  for (const world of worlds) await world.close()
  worlds = []
})

async function world(...args: Parameters<typeof createWorld>): Promise<[World, Peer, Peer, Peer, Peer]> {
  const created = await createWorld(...args)
  worlds.push(created)
  // A test names no more peers than it asked for.
  return [created, ...created.peers] as unknown as [World, Peer, Peer, Peer, Peer]
}

describe('fetch', () => {
  test('brings blocks of every size into the store, and tells how far it is', async () => {
    const [, a, b] = await world(2)
    const blocks = [4, 1000, 256 * 1024, MAX_BLOCK].flatMap((size, i) => createBlocks(3, size, i))
    await b.store.put(blocks)
    let bytes = 0
    await a.exchange.fetch(HANDLE, cidsOf(blocks), { onProgress: (more) => (bytes += more) })
    expect(await holdsAll(a.store, blocks)).toBe(true)
    expect(bytes).toBe(blocks.reduce((sum, block) => sum + block.bytes.length, 0))
  })

  test('asks nobody for what is there, and once for what is named twice', async () => {
    const [, a, b] = await world(2)
    const [here, there] = createBlocks(2)
    await a.store.put([here!])
    await b.store.put([here!, there!])
    await a.exchange.fetch(HANDLE, [here!.cid])
    expect(b.store.gets).toEqual([])
    await Promise.all([
      a.exchange.fetch(HANDLE, [there!.cid, there!.cid, here!.cid]),
      a.exchange.fetch(HANDLE, [there!.cid]),
    ])
    expect(b.store.gets).toEqual([there!.cid.toString()])
  })

  test('takes from several peers at once, each block once', async () => {
    const [, a, b, c, d] = await world(4)
    const blocks = createBlocks(400)
    for (const peer of [b, c, d]) {
      await peer!.store.put(blocks)
      peer!.store.beforeGet = () => new Promise((resolve) => setTimeout(resolve, 1))
    }
    await a!.exchange.fetch(HANDLE, cidsOf(blocks))
    const served = [b, c, d].map((peer) => peer!.store.gets.length)
    expect(served.every((count) => count > 40)).toBe(true)
    expect(new Set(a!.store.puts).size).toBe(400)
    expect(a!.store.puts.length).toBe(400)
  })

  test('puts together what is scattered over peers', async () => {
    const [, a, ...others] = await world(5)
    const blocks = createBlocks(200)
    for (const [i, block] of blocks.entries()) await others[i % others.length]!.store.put([block])
    await a!.exchange.fetch(HANDLE, cidsOf(blocks))
    expect(await holdsAll(a!.store, blocks)).toBe(true)
  })

  test('serves a small fetch while a large one runs', async () => {
    const [, a, b] = await world(2, { limits: { maxOutstanding: 32 } })
    const large = createBlocks(600, 100, 'large')
    const small = createBlocks(3, 100, 'small')
    await b.store.put([...large, ...small])
    const done = a.exchange.fetch(HANDLE, cidsOf(large))
    await a.exchange.fetch(HANDLE, cidsOf(small))
    expect(a.store.puts.length).toBeLessThan(200)
    await done
  })

  test('does not let small fetches starve a large one', async () => {
    const [, a, b] = await world(2, { limits: { maxOutstanding: 16 } })
    const large = createBlocks(200, 100, 'large')
    const smalls = createBlocks(600, 100, 'small')
    await b.store.put([...large, ...smalls])
    const crowd = smalls.map((block) => a.exchange.fetch(HANDLE, [block.cid]))
    await a.exchange.fetch(HANDLE, cidsOf(large))
    expect(a.store.puts.length).toBeLessThan(500)
    await Promise.all(crowd)
  })

  test('fails with what the store says when the disk is full, and can be tried again', async () => {
    const [, a, b] = await world(2)
    const blocks = createBlocks(50)
    await b.store.put(blocks)
    const small = new CountingStore({ capacity: 10_000 })
    a.exchange.attach(HANDLE, small)
    await assertCode(a.exchange.fetch(HANDLE, cidsOf(blocks)), 'STORE_FULL')
    a.exchange.attach(HANDLE, a.store)
    await a.exchange.fetch(HANDLE, cidsOf(blocks))
    expect(await holdsAll(a.store, blocks)).toBe(true)
  })

  test('ends with the reason of its signal, and takes nothing from others that want the same', async () => {
    const [, a, b] = await world(2)
    const [block] = createBlocks(1)
    await assertAborts((signal) => a.exchange.fetch(HANDLE, [block!.cid], { signal }))
    const abort = new AbortController()
    const reason = new Error('no patience')
    const impatient = assertRejects(a.exchange.fetch(HANDLE, [block!.cid], { signal: abort.signal }))
    const patient = a.exchange.fetch(HANDLE, [block!.cid])
    abort.abort(reason)
    expect(await impatient).toBe(reason)
    await b.store.put([block!])
    b.exchange.authorize(a.network.peer, new Set([HANDLE]))
    a.exchange.authorize(b.network.peer, new Set([HANDLE]))
    await patient
  })

  test('is refused for workspaces that are not attached, and ends when one is detached or all is closed', async () => {
    const [, a] = await world(1)
    const cids = cidsOf(createBlocks(1))
    await assertCode(a!.exchange.fetch(OTHER_HANDLE, cids), 'INVALID_ARGUMENT')
    const detached = assertCode(a!.exchange.fetch(HANDLE, cids), 'CLOSED')
    await Promise.resolve()
    a!.exchange.detach(HANDLE)
    await detached
    a!.exchange.attach(HANDLE, a!.store)
    const closed = assertCode(a!.exchange.fetch(HANDLE, cids), 'CLOSED')
    await a!.exchange.close()
    await a!.exchange.close()
    await closed
    await assertCode(a!.exchange.fetch(HANDLE, cids), 'CLOSED')
  })
})

describe('peers that lack blocks', () => {
  test('are passed over for others', async () => {
    const [, a, b, c] = await world(3)
    const blocks = createBlocks(300)
    await c!.store.put(blocks)
    await b!.store.put(blocks.slice(0, 10))
    await a!.exchange.fetch(HANDLE, cidsOf(blocks))
    expect(await holdsAll(a!.store, blocks)).toBe(true)
  })

  test('tell when they have fetched them: a block travels along a chain', async () => {
    const [, a, b, c] = await world(3, { connected: false })
    await connect(a!, b!)
    await connect(b!, c!)
    const blocks = createBlocks(100)
    const far = a!.exchange.fetch(HANDLE, cidsOf(blocks))
    await expect.poll(() => b!.store.gets.length).toBe(100)
    await c!.store.put(blocks)
    await b!.exchange.fetch(HANDLE, cidsOf(blocks))
    await far
    expect(await holdsAll(a!.store, blocks)).toBe(true)
  })

  test('are asked again after a while, and tell of blocks written on the spot', async () => {
    const clock = createManualClock()
    const [, a, b] = await world(2, { clock })
    const [block] = createBlocks(1)
    const fetch = a.exchange.fetch(HANDLE, [block!.cid])
    await clock.advance(3_000)
    expect(b.store.gets.length).toBe(1)
    expect(a.exchange.holders(HANDLE, block!.cid)).toEqual([])
    await b.store.put([block!])
    await clock.advance(6_000)
    await fetch
    expect(b.store.gets.length).toBe(2)
  })

  test('are no reason to wait once the block comes by another way', async () => {
    const clock = createManualClock()
    const [, a] = await world(2, { clock })
    const [block] = createBlocks(1)
    const fetch = a!.exchange.fetch(HANDLE, [block!.cid])
    await clock.advance(1_000)
    await a!.store.put([block!])
    await clock.advance(31_000)
    await fetch
  })
})

describe('peers that come and go', () => {
  test('a fetch waits for the first, and goes on where it was after a disconnect', async () => {
    const [w, a, b] = await world(2, { connected: false, limits: { maxOutstanding: 16, firstPause: 1 } })
    const blocks = createBlocks(500)
    await b.store.put(blocks)
    const fetch = a.exchange.fetch(HANDLE, cidsOf(blocks))
    let cuts = 0
    a.store.beforePut = async () => {
      if (a.store.puts.length < 100 * (cuts + 1)) return
      cuts++
      w.hub.cut(a.network.peer, b.network.peer)
      setTimeout(() => void connect(a, b), 1)
    }
    await connect(a, b)
    await fetch
    expect(cuts).toBeGreaterThan(2)
    expect(b.store.gets.length).toBeLessThan(500 + 20 * (cuts + 1))
  })

  test('what a peer has promised goes to others when it is gone', async () => {
    const [w, a, b, c] = await world(3)
    const blocks = createBlocks(100)
    for (const peer of [b!, c!]) await peer.store.put(blocks)
    b!.store.beforeGet = () => new Promise(() => {})
    const fetch = a!.exchange.fetch(HANDLE, cidsOf(blocks))
    await expect.poll(() => b!.store.gets.length).toBeGreaterThan(0)
    w.hub.cut(a!.network.peer, b!.network.peer)
    await fetch
  })

  test('a peer that stalls loses its wants, without being hung up on', async () => {
    const clock = createManualClock()
    const [, a, b, c] = await world(3, { clock })
    const blocks = createBlocks(64)
    for (const peer of [b!, c!]) await peer.store.put(blocks)
    b!.store.beforeGet = () => new Promise(() => {})
    await driven(clock, a!.exchange.fetch(HANDLE, cidsOf(blocks)))
    expect(clock.monotonic()).toBeLessThan(60_000)
    expect(a!.network.connections().length).toBe(2)
    expect(a!.faults).toEqual([])
  })

  test('an idle peer takes over from a slow one', async () => {
    const clock = createManualClock()
    const [, a, b, c] = await world(3, { clock })
    const blocks = createBlocks(64, 100_000)
    for (const peer of [b!, c!]) await peer.store.put(blocks)
    b!.store.beforeGet = () => clock.sleep(5_000)
    c!.store.beforeGet = () => clock.sleep(10)
    await driven(clock, a!.exchange.fetch(HANDLE, cidsOf(blocks)))
    expect(clock.monotonic()).toBeLessThan(20_000)
    expect(c!.store.gets.length).toBeGreaterThan(b!.store.gets.length)
    expect(a!.store.puts.length).toBeLessThan(80)
    expect(a!.faults).toEqual([])
  })
})

describe('flow control', () => {
  test('a slow disk holds the sender back: no more than the window is under way', async () => {
    const [, a, b] = await world(2)
    const blocks = createBlocks(40, 256 * 1024)
    await b.store.put(blocks)
    let most = 0
    a.store.beforePut = async () => {
      await new Promise((resolve) => setTimeout(resolve, 5))
      most = Math.max(most, b.store.gets.length - a.store.puts.length)
    }
    await a.exchange.fetch(HANDLE, cidsOf(blocks))
    // 2 MiB window of 256 KiB blocks, and eight read ahead at most.
    expect(most).toBeLessThanOrEqual(8 + 8)
  })

  test('the window grows to what a long link needs', async () => {
    const run = async (maxWindow: number) => {
      const clock = createManualClock()
      const [, a, b] = await world(2, {
        clock,
        latency: { least: 25, jitter: 0 },
        capacity: 64 * 1024 * 1024,
        pieceSize: 1024 * 1024,
        limits: { maxWindow },
      })
      const blocks = createBlocks(64, 256 * 1024)
      await b.store.put(blocks)
      const start = clock.monotonic()
      await driven(clock, a.exchange.fetch(HANDLE, cidsOf(blocks)))
      return clock.monotonic() - start
    }
    const fixed = await run(2 * 1024 * 1024)
    const grown = await run(16 * 1024 * 1024)
    // 16 MiB at 50 ms round trip: 8 windows of 2 MiB, or 2, 4, 8 and a rest.
    expect(fixed).toBeGreaterThan(400)
    expect(grown).toBeLessThan(fixed / 1.5)
  })
})

describe('authority', () => {
  test('blocks of one workspace are not served to who shares only another', async () => {
    const [, a, b] = await world(2, { connected: false, limits: { firstPause: 1 } })
    const [block] = createBlocks(1)
    await b.store.put([block!])
    await connect(a, b)
    b.exchange.authorize(a.network.peer, new Set([OTHER_HANDLE]))
    const fetch = a.exchange.fetch(HANDLE, [block!.cid])
    const early = await Promise.race([
      fetch.then(() => 'served'),
      new Promise((r) => setTimeout(r, 50, 'waits')),
    ])
    expect(early).toBe('waits')
    expect(b.store.gets).toEqual([])
    b.exchange.authorize(a.network.peer, new Set([HANDLE]))
    await fetch
  })

  test('ends with revoke, at once', async () => {
    const [, a, b] = await world(2)
    const blocks = createBlocks(2)
    await b.store.put(blocks)
    await a.exchange.fetch(HANDLE, [blocks[0]!.cid])
    b.exchange.revoke(a.network.peer)
    const abort = new AbortController()
    const fetch = assertRejects(a.exchange.fetch(HANDLE, cidsOf(blocks), { signal: abort.signal }))
    await new Promise((resolve) => setTimeout(resolve, 50))
    abort.abort()
    await fetch
    expect(b.store.gets.length).toBe(1)
  })
})
