import { afterEach, describe, expect, test } from 'vitest'
import { concatBytes } from '../../src/encoding/bytes.js'
import { PeerfoldError } from '../../src/errors.js'
import { MAX_BLOCK, MAX_HTTP_BLOCKS } from '../../src/exchange/limits.js'
import { assertRejects } from '../../src/testing/assert.js'
import { createManualClock, type ManualClock } from '../../src/testing/manual-clock.js'
import { lengthOf, ScriptedHttp } from './scripted-http.js'
import {
  cidsOf,
  createBlocks,
  createWorld,
  driven,
  HANDLE,
  holdsAll,
  type Peer,
  type World,
} from './world.js'

const MIB = 2 ** 20

let created: World | undefined
afterEach(async () => {
  await created?.close()
  created = undefined
})

/** A device, a relay whose blocks can be had over HTTP too, and another device without any blocks yet. */
async function setUp(init: { clock?: ManualClock; limits?: object; rates?: [{ down: number }] } = {}) {
  created = await createWorld(3, init)
  const [device, relay, other] = created.peers as [Peer, Peer, Peer]
  const http = new ScriptedHttp()
  device.exchange.route(relay.network.peer, http.route(relay, init.clock))
  return { device, relay, other, http }
}

describe('blocks over HTTP', () => {
  test('come into the store, of every size, without the stream', async () => {
    const { device, relay, http } = await setUp()
    const blocks = [1, 1000, 256 * 1024, MAX_BLOCK].flatMap((size, i) => createBlocks(3, size, i))
    http.add(blocks)
    await relay.store.put(blocks)
    let bytes = 0
    await device.exchange.fetch(HANDLE, cidsOf(blocks), { onProgress: (more) => (bytes += more) })
    expect(await holdsAll(device.store, blocks)).toBe(true)
    expect(bytes).toBe(blocks.reduce((sum, block) => sum + block.bytes.length, 0))
    expect(relay.store.gets).toEqual([])
  })

  test('are asked for once each, many in one request, one token for all', async () => {
    const { device, other, http } = await setUp()
    device.exchange.revoke(other.network.peer)
    const blocks = createBlocks(600, 2000)
    http.add(blocks)
    await device.exchange.fetch(HANDLE, cidsOf(blocks))
    const asked = http.requests.flatMap(({ cids }) => cids)
    expect(new Set(asked).size).toBe(600)
    expect(asked.length).toBe(600)
    expect(http.requests.length).toBeLessThan(60)
    expect(http.requests.every(({ cids }) => cids.length <= MAX_HTTP_BLOCKS)).toBe(true)
    expect([http.tries, http.tickets]).toEqual([1, 1])
  })

  test('are no more in memory than the window, while the store is slow', async () => {
    const { device, http } = await setUp()
    const blocks = createBlocks(40, 256 * 1024)
    http.add(blocks)
    let release = () => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    device.store.beforePut = () => held
    const done = device.exchange.fetch(HANDLE, cidsOf(blocks))
    await expect.poll(() => http.read).toBeGreaterThan(1.5 * MIB)
    await new Promise((resolve) => setTimeout(resolve, 50))
    // The window, and a piece of each of two answers.
    expect(http.read).toBeLessThan(2 * MIB + 2 * 1004)
    release()
    await done
    expect(await holdsAll(device.store, blocks)).toBe(true)
  })

  test('end when they are wanted no more, and can be wanted again', async () => {
    const { device, http } = await setUp()
    const blocks = createBlocks(40, 256 * 1024)
    http.add(blocks)
    device.store.beforePut = () => new Promise((resolve) => setTimeout(resolve, 20))
    const stop = new AbortController()
    const reason = new Error('no patience')
    const fetching = device.exchange.fetch(HANDLE, cidsOf(blocks), { signal: stop.signal })
    await expect.poll(() => device.store.puts.length).toBeGreaterThan(2)
    stop.abort(reason)
    expect(await assertRejects(fetching)).toBe(reason)
    await expect.poll(() => http.open).toBe(0)
    await device.exchange.fetch(HANDLE, cidsOf(blocks))
    expect(await holdsAll(device.store, blocks)).toBe(true)
    expect(device.faults).toEqual([])
  })

  test('that the relay lacks come from others', async () => {
    const { device, other, http } = await setUp()
    const blocks = createBlocks(30)
    http.add(blocks.slice(0, 20))
    await other.store.put(blocks.slice(20))
    await device.exchange.fetch(HANDLE, cidsOf(blocks))
    expect(await holdsAll(device.store, blocks)).toBe(true)
    expect(device.faults).toEqual([])
  })

  test('keep to the rate that the user set', async () => {
    const clock = createManualClock()
    const { device, http } = await setUp({ clock, rates: [{ down: 64 * 1024 }] })
    const blocks = createBlocks(4, 128 * 1024)
    http.add(blocks)
    const begun = clock.monotonic()
    await driven(clock, device.exchange.fetch(HANDLE, cidsOf(blocks)))
    expect(clock.monotonic() - begun).toBeGreaterThan(7_000)
    expect(device.faults).toEqual([])
  })
})

describe('the token', () => {
  test('is renewed when the relay takes it no more', async () => {
    const { device, relay, http } = await setUp()
    const [first, ...blocks] = createBlocks(20)
    http.add([first!, ...blocks])
    await device.exchange.fetch(HANDLE, [first!.cid])
    http.good = (token) => token === 'token 2'
    await device.exchange.fetch(HANDLE, cidsOf(blocks))
    expect(http.tickets).toBe(2)
    expect(relay.store.gets).toEqual([])
  })

  test('is renewed before it runs out', async () => {
    const clock = createManualClock()
    const { device, http } = await setUp({ clock })
    const [first, second] = createBlocks(2)
    http.add([first!, second!])
    await driven(clock, device.exchange.fetch(HANDLE, [first!.cid]))
    await clock.advance(14.6 * 60_000)
    await driven(clock, device.exchange.fetch(HANDLE, [second!.cid]))
    expect(http.requests.map(({ token }) => token)).toEqual(['token 1', 'token 2'])
  })

  test('that is never taken leaves the stream', async () => {
    const { device, relay, http } = await setUp()
    const blocks = createBlocks(20)
    await relay.store.put(blocks)
    http.good = () => false
    await device.exchange.fetch(HANDLE, cidsOf(blocks))
    expect(new Set(relay.store.gets).size).toBe(20)
    expect(http.tickets).toBe(2)
  })
})

describe('a relay that is busy', () => {
  test('is not asked before it said, and others are meanwhile', async () => {
    const clock = createManualClock()
    const { device, other, http } = await setUp({ clock })
    const [mine, ...blocks] = createBlocks(20)
    http.add([mine!, ...blocks])
    await other.store.put(blocks)
    const asked: number[] = []
    http.before = ({ cids }) => {
      if (cids.length === 0) return
      asked.push(clock.monotonic())
      if (asked.length === 1) throw new PeerfoldError('BUSY', '429', { details: { retryAfter: 7_000 } })
    }
    await driven(clock, device.exchange.fetch(HANDLE, cidsOf([mine!, ...blocks])))
    expect(await holdsAll(device.store, blocks)).toBe(true)
    expect(other.store.gets.length).toBeGreaterThan(10)
    expect(asked[1]! - asked[0]!).toBeGreaterThanOrEqual(7_000)
    expect(asked[1]! - asked[0]!).toBeLessThan(20_000)
  })
})

describe('HTTP that does not work', () => {
  const unreachable = () => {
    throw new PeerfoldError('DIAL_FAILED', 'mixed content')
  }

  test('leaves the stream, and is tried again later', async () => {
    const clock = createManualClock()
    const { device, relay, http } = await setUp({ clock })
    const blocks = createBlocks(60, 1000)
    await relay.store.put(blocks.slice(0, 50))
    http.add(blocks)
    http.before = unreachable
    await driven(clock, device.exchange.fetch(HANDLE, cidsOf(blocks.slice(0, 20))))
    expect(new Set(relay.store.gets).size).toBe(20)
    expect(http.tries).toBe(1)
    http.before = () => {}
    // The last ones are nowhere else.
    await driven(clock, device.exchange.fetch(HANDLE, cidsOf(blocks.slice(20))))
    expect(await holdsAll(device.store, blocks)).toBe(true)
    expect(http.tries).toBe(2)
    expect(clock.monotonic()).toBeGreaterThanOrEqual(5_000)
  })

  test('is tried less and less often', async () => {
    const clock = createManualClock()
    const { device, http } = await setUp({ clock })
    const [nowhere] = createBlocks(1)
    const times: number[] = []
    http.before = () => {
      times.push(clock.monotonic())
      unreachable()
    }
    const stop = new AbortController()
    device.exchange.fetch(HANDLE, [nowhere!.cid], { signal: stop.signal }).catch(() => {})
    while (clock.monotonic() < 400_000) await clock.step()
    stop.abort()
    const gaps = times.slice(1).map((time, i) => time - times[i]!)
    expect(gaps.length).toBeGreaterThan(3)
    for (const [i, gap] of gaps.slice(1).entries()) expect(gap).toBeGreaterThan(gaps[i]!)
  })

  test('in that nothing answers keeps nobody waiting', async () => {
    const { device, relay, http } = await setUp()
    const blocks = createBlocks(20)
    await relay.store.put(blocks)
    http.before = (_, signal) =>
      new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)))
    await device.exchange.fetch(HANDLE, cidsOf(blocks), { signal: AbortSignal.timeout(10_000) })
    expect(new Set(relay.store.gets).size).toBe(20)
  })

  test('any more, after some of an answer, leaves the stream for the rest', async () => {
    const { device, relay, http } = await setUp()
    const blocks = createBlocks(20, 10_000)
    await relay.store.put(blocks)
    http.add(blocks)
    http.body = async function* (request) {
      let sent = 0
      for await (const piece of http.pieces(request)) {
        sent += piece.length
        if (sent > 55_000) throw new PeerfoldError('DIAL_FAILED', 'connection reset')
        yield piece
      }
    }
    await device.exchange.fetch(HANDLE, cidsOf(blocks))
    expect(await holdsAll(device.store, blocks)).toBe(true)
    expect(new Set(relay.store.gets).size).toBeLessThan(16)
    expect(device.faults).toEqual([])
  })

  test('because nothing comes any more leaves the stream', async () => {
    const clock = createManualClock()
    const { device, relay, http } = await setUp({ clock })
    const blocks = createBlocks(20)
    await relay.store.put(blocks)
    http.body = async function* (_, signal) {
      yield lengthOf(1000)
      await clock.sleep(10 ** 9, { signal })
    }
    await driven(clock, device.exchange.fetch(HANDLE, cidsOf(blocks)))
    expect(new Set(relay.store.gets).size).toBe(20)
    expect(device.faults).toEqual([])
  })
})

describe('a hostile relay', () => {
  const answers: Record<string, (bytes: Uint8Array) => Uint8Array> = {
    'bytes that do not match their name': (bytes) =>
      concatBytes(lengthOf(bytes.length), bytes.with(0, 1 ^ bytes[0]!)),
    'a block above the limit': () => lengthOf(MAX_BLOCK + 1),
    'a length of four gibibytes': () => lengthOf(2 ** 32 - 1),
    // The first of them is what was asked for.
    'more blocks than it was asked for': (bytes) =>
      concatBytes(lengthOf(bytes.length), bytes, lengthOf(bytes.length), bytes),
  }

  for (const [what, answer] of Object.entries(answers)) {
    test(`is shunned for ${what}, while others serve`, async () => {
      const { device, relay, other, http } = await setUp()
      const [decoy, ...blocks] = createBlocks(20)
      http.add([decoy!])
      http.body = async function* ({ cids }) {
        for (const cid of cids) yield answer(http.blocks.get(cid)!)
      }
      const stop = new AbortController()
      const { signal } = stop
      const fetching = device.exchange.fetch(HANDLE, [decoy!.cid], { signal }).catch(() => {})
      await expect.poll(() => device.faults.length).toBe(1)
      expect(device.faults[0]).toContain(relay.network.peer)
      for (const peer of [relay, other]) await peer.store.put(blocks)
      await device.exchange.fetch(HANDLE, cidsOf(blocks))
      stop.abort()
      await fetching
      expect(relay.store.gets).toEqual([])
      expect(await holdsAll(device.store, blocks)).toBe(true)
    })
  }
})
