import { describe, expect, test } from 'vitest'
import { toUtf8 } from '../../src/encoding/bytes.js'
import type { NetworkStream } from '../../src/ports/network.js'
import { assertCode } from '../../src/testing/assert.js'
import { createManualClock, type ManualClock } from '../../src/testing/manual-clock.js'
import { createMemoryHub, createMemoryNetwork, type MemoryHubInit } from '../../src/testing/memory-network.js'
import { networkSuite } from '../../src/testing/network-suite.js'

describe('memory network', () => {
  let seed = 0
  networkSuite({ describe, test }, async () => {
    const hub = createMemoryHub({ seed: seed++ })
    return [createMemoryNetwork(hub), createMemoryNetwork(hub)]
  })
})

describe('the hub', () => {
  const PROTOCOL = '/test/1'

  async function connectedPair(init: MemoryHubInit = {}) {
    const hub = createMemoryHub(init)
    const [a, b] = [createMemoryNetwork(hub), createMemoryNetwork(hub)]
    const dialled = a.dial({ addresses: b.addresses() })
    while (a.connections().length === 0) await (init.clock as ManualClock | undefined)?.step()
    await dialled
    return { hub, a, b }
  }

  test('gives the same peers and the same pieces under the same seed', async () => {
    const run = async (seed: number) => {
      const { a, b } = await connectedPair({ seed })
      const lengths: number[] = []
      b.handle(PROTOCOL, async (stream) => {
        for await (const data of stream.source) lengths.push(data.byteLength)
      })
      const stream = await a.open(b.peer, PROTOCOL)
      await stream.send(new Uint8Array(1_000_000))
      return [a.peer, b.peer, ...lengths]
    }
    expect(await run(1)).toEqual(await run(1))
    expect(await run(1)).not.toEqual(await run(2))
  })

  test('loses connections across a partition and refuses dials until it heals', async () => {
    const { hub, a, b } = await connectedPair()
    const gone: string[] = []
    a.on('disconnect', (peer) => gone.push(peer))
    hub.partition([[a.peer], [b.peer]])
    expect(gone).toEqual([b.peer])
    await assertCode(a.dial({ addresses: b.addresses() }), 'DIAL_FAILED')
    hub.heal()
    expect((await a.dial({ addresses: b.addresses() })).peer).toBe(b.peer)
  })

  test('holds everything back behind a silent partition, and delivers it after', async () => {
    const { hub, a, b } = await connectedPair()
    const heard: number[] = []
    b.handle(PROTOCOL, async (stream) => {
      for await (const data of stream.source) heard.push(data.byteLength)
    })
    const stream = await a.open(b.peer, PROTOCOL)
    hub.partition([[a.peer], [b.peer]], { silent: true })
    await stream.send(new Uint8Array(100))
    const dial = a.open(b.peer, PROTOCOL)
    await new Promise((resolve) => setTimeout(resolve, 5))
    expect(heard).toEqual([])
    expect(a.connections()).toHaveLength(1)
    hub.heal()
    await dial
    await expect.poll(() => heard.reduce((sum, n) => sum + n, 0)).toBe(100)
  })

  test('takes the time that latency and bandwidth say, on its clock', async () => {
    const clock = createManualClock()
    const { a, b } = await connectedPair({ clock, latency: { least: 50, jitter: 0 }, bandwidth: 1_000_000 })
    const start = clock.monotonic()
    let done = 0
    b.handle(PROTOCOL, async (stream) => {
      for await (const _ of stream.source);
      done = clock.monotonic()
    })
    const opening = a.open(b.peer, PROTOCOL)
    while (clock.sleepers > 0) await clock.step()
    const stream = await opening
    await stream.send(new Uint8Array(200_000))
    await stream.close()
    while (done === 0) await clock.step()
    expect(done - start).toBeCloseTo(50 + 200 + 50, 5)
  })

  test('lets streams overtake each other, never bytes of one stream', async () => {
    const orders = new Set<string>()
    for (let seed = 0; seed < 20; seed++) {
      const clock = createManualClock()
      const { a, b } = await connectedPair({ seed, clock, latency: { least: 1, jitter: 100 } })
      const arrived: string[] = []
      b.handle(PROTOCOL, async (stream) => {
        for await (const data of stream.source) arrived.push(...String.fromCharCode(...data.subarray()))
      })
      const opening = [a.open(b.peer, PROTOCOL), a.open(b.peer, PROTOCOL)]
      while (clock.sleepers > 0) await clock.step()
      const [one, two] = (await Promise.all(opening)) as [NetworkStream, NetworkStream]
      for (const [stream, text] of [
        [one, 'ab'],
        [two, 'xy'],
      ] as const) {
        for (const letter of text) await stream.send(toUtf8(letter))
      }
      while (arrived.length < 4) await clock.step()
      expect(arrived.filter((letter) => 'ab'.includes(letter))).toEqual(['a', 'b'])
      expect(arrived.filter((letter) => 'xy'.includes(letter))).toEqual(['x', 'y'])
      orders.add(arrived.join(''))
    }
    expect(orders.size).toBeGreaterThan(2)
  })

  test('tells peers of each other when discovery is on', async () => {
    const hub = createMemoryHub({ discovery: true })
    const found: string[] = []
    const [a, b] = [createMemoryNetwork(hub), createMemoryNetwork(hub)]
    a.on('discover', (peer, addresses) => found.push(peer, ...addresses))
    await expect.poll(() => found.slice(0, 2)).toEqual([b.peer, ...b.addresses()])
  })
})
