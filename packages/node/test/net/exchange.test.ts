import type { Network } from '@peerfold/core'
import { createExchange } from '@peerfold/core/exchange'
import { systemClock } from '@peerfold/core/platform'
import { afterEach, describe, expect, test } from 'vitest'
import { CheckingStore, MadeBlocks } from '../../src/bench/exchange-blocks.js'
import { createLibp2pNetwork } from '../../src/net/create-libp2p-network.js'
import { testSeed } from './test-seed.js'

const HANDLE = 'ab'.repeat(32)
const PROTOCOL = '/peerfold/blocks/1'

const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function create(): Promise<Network> {
  const network = await createLibp2pNetwork({
    peerSeed: testSeed(),
    listen: ['/ip4/127.0.0.1/tcp/0'],
    mdns: false,
    dht: false,
  })
  closing.push(() => network.close())
  return network
}

function exchangeOver(network: Network, faults: string[] = []) {
  const onFault = (peer: string) => void faults.push(peer)
  const exchange = createExchange({ network, clock: systemClock, onFault, limits: { firstPause: 10 } })
  closing.push(() => exchange.close())
  return exchange
}

describe('block exchange over libp2p', () => {
  test('fetches from two peers, one of which goes away in between', async () => {
    const blocks = new MadeBlocks(300, 50_000)
    const [a, b, c] = await Promise.all([create(), create(), create()])
    const fetching = exchangeOver(a)
    const store = new CheckingStore()
    fetching.attach(HANDLE, store)
    for (const server of [b, c]) {
      const serving = exchangeOver(server)
      serving.attach(HANDLE, blocks)
      serving.authorize(a.peer, new Set([HANDLE]))
      fetching.authorize(server.peer, new Set([HANDLE]))
      await a.dial({ addresses: server.addresses() })
    }
    let seen = 0
    const onProgress = (bytes: number) => {
      seen += bytes
      if (seen > 3_000_000) void b.close()
    }
    await fetching.fetch(HANDLE, blocks.cids, { onProgress })
    expect(store.bytes).toBeGreaterThanOrEqual(300 * 50_000)
  })

  test('resumes when the peer is connected again', async () => {
    const blocks = new MadeBlocks(400, 50_000)
    const [a, b] = await Promise.all([create(), create()])
    const [fetching, serving] = [exchangeOver(a), exchangeOver(b)]
    const store = new CheckingStore()
    fetching.attach(HANDLE, store)
    serving.attach(HANDLE, blocks)
    fetching.authorize(b.peer, new Set([HANDLE]))
    serving.authorize(a.peer, new Set([HANDLE]))
    a.on('disconnect', () => void a.dial({ addresses: b.addresses() }))
    await a.dial({ addresses: b.addresses() })
    let cuts = 0
    let seen = 0
    const onProgress = (bytes: number) => {
      seen += bytes
      if (seen < 5_000_000 * (cuts + 1)) return
      cuts++
      void b.disconnect(a.peer)
    }
    await fetching.fetch(HANDLE, blocks.cids, { onProgress })
    expect(cuts).toBeGreaterThan(1)
    expect(seen).toBe(400 * 50_000)
  })

  test('hangs up on a peer that sends garbage, and takes the blocks from another', async () => {
    const blocks = new MadeBlocks(20, 1000)
    const [victim, honest, mallory] = await Promise.all([create(), create(), create()])
    const faults: string[] = []
    const [fetching, serving] = [exchangeOver(victim, faults), exchangeOver(honest)]
    mallory.handle(PROTOCOL, async (stream) => {
      for await (const _ of stream.source) await stream.send(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 1, 2, 3))
    })
    fetching.attach(HANDLE, new CheckingStore())
    serving.attach(HANDLE, blocks)
    serving.authorize(victim.peer, new Set([HANDLE]))
    for (const peer of [mallory, honest]) {
      fetching.authorize(peer.peer, new Set([HANDLE]))
      await victim.dial({ addresses: peer.addresses() })
    }
    await fetching.fetch(HANDLE, blocks.cids)
    await expect.poll(() => faults).toEqual([mallory.peer])
    await expect.poll(() => victim.connections().map(({ peer }) => peer)).toEqual([honest.peer])
  })
})
