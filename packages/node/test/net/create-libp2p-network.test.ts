import { createManualClock, createMemoryHub, createMemoryNetwork } from '@peerfold/core/testing'
import { describe, expect, test } from 'vitest'
import { keepConnected } from '../../src/net/bootstrap.js'
import { createLibp2pNetwork } from '../../src/net/create-libp2p-network.js'
import { testSeed } from './test-seed.js'

describe('createLibp2pNetwork', () => {
  test('has the same PeerId for the same seed, and any free ports', async () => {
    const peerSeed = testSeed()
    const listen = ['/ip4/127.0.0.1/tcp/0', '/ip4/127.0.0.1/tcp/0/ws']
    const [a, b] = await Promise.all([1, 2].map(() => createLibp2pNetwork({ peerSeed, listen, mdns: false })))
    expect(a!.peer).toBe(b!.peer)
    expect(a!.addresses().length).toBe(2)
    expect(new Set([...a!.addresses(), ...b!.addresses()]).size).toBe(4)
    await Promise.all([a!.close(), b!.close()])
  })

  test('refuses addresses that are none, or that it cannot listen on', async () => {
    for (const listen of [['nonsense'], ['/ip4/192.0.2.1/tcp/0'], ['/ip4/127.0.0.1/udp/1/quic-v1']]) {
      const created = createLibp2pNetwork({ peerSeed: testSeed(), listen, mdns: false })
      await expect(created, listen[0]).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    }
    const short = createLibp2pNetwork({ peerSeed: new Uint8Array(31), listen: [], mdns: false })
    await expect(short).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })
})

describe('bootstrap', () => {
  test('dials until it is answered, and again when the peer has gone', async () => {
    const clock = createManualClock()
    const hub = createMemoryHub()
    const [a, b] = [createMemoryNetwork(hub), createMemoryNetwork(hub)]
    hub.partition([[a.peer], [b.peer]])
    keepConnected(a, b.addresses(), clock)
    await clock.advance(10_000)
    expect(a.connections()).toEqual([])
    hub.heal()
    await clock.advance(60_000)
    expect(a.connections().map(({ peer }) => peer)).toEqual([b.peer])
    await b.disconnect(a.peer)
    await clock.advance(60_000)
    expect(a.connections().length).toBe(1)
    await a.close()
    await clock.advance(0)
    expect(clock.sleepers).toBe(0)
  })
})
