import { createHash } from 'node:crypto'
import type { Network, PeerId } from '@peerfold/core'
import { createExchange } from '@peerfold/core/exchange'
import { systemClock } from '@peerfold/core/platform'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
// The built program: a child process cannot run the sources. `npm test` builds first.
import { startPeer } from '../../dist/bench/exchange.js'
import { CheckingStore, MadeBlocks } from '../../src/bench/exchange-blocks.js'
import { BENCH_HANDLE, ECHO_PROTOCOL, RAW_PROTOCOL } from '../../src/bench/exchange-peer.js'
import { createLibp2pNetwork } from '../../src/net/create-libp2p-network.js'
import { testSeed } from './test-seed.js'

let other: Awaited<ReturnType<typeof startPeer>>
let network: Network
let peer: PeerId

beforeAll(async () => {
  other = await startPeer({ count: 200, size: 100_000, listen: '/ip4/127.0.0.1/tcp/0' })
  network = await createLibp2pNetwork({ peerSeed: testSeed(), listen: [], mdns: false, dht: false })
  peer = (await network.dial({ addresses: other.addresses })).peer
}, 60_000)
afterAll(async () => {
  await network.close()
  await other.stop()
})

describe('two processes', () => {
  test('echo what a stream carries, whole and in order', async () => {
    const stream = await network.open(peer, ECHO_PROTOCOL)
    const sent = createHash('sha256')
    const received = createHash('sha256')
    const sending = (async () => {
      for (let i = 0; i < 200; i++) {
        const bytes = new Uint8Array(100_000).fill(i)
        sent.update(bytes)
        await stream.send(bytes)
      }
      await stream.close()
    })()
    for await (const data of stream.source) received.update(data.subarray())
    await sending
    expect(received.digest('hex')).toBe(sent.digest('hex'))
  })

  test('send no faster than is read, and lose nothing', async () => {
    const total = 48 * 1024 * 1024
    const stream = await network.open(peer, RAW_PROTOCOL)
    const request = new Uint8Array(4)
    new DataView(request.buffer).setUint32(0, total)
    await stream.send(request)
    await stream.close()
    let received = 0
    for await (const data of stream.source) {
      if (received === 0) await new Promise((resolve) => setTimeout(resolve, 200))
      received += data.byteLength
    }
    expect(received).toBe(total)
  })

  test('exchange blocks', async () => {
    const blocks = new MadeBlocks(200, 100_000)
    const store = new CheckingStore()
    const exchange = createExchange({ network, clock: systemClock })
    exchange.attach(BENCH_HANDLE, store)
    exchange.authorize(peer, new Set([BENCH_HANDLE]))
    await exchange.fetch(BENCH_HANDLE, blocks.cids)
    await exchange.close()
    expect(store.bytes).toBe(200 * 100_000)
  })

  // The last test: it ends the other process.
  test('notice when one of them is killed: reads fail, and it is told', async () => {
    const gone = new Promise<string>((resolve) => network.on('disconnect', resolve))
    const stream = await network.open(peer, ECHO_PROTOCOL)
    await stream.send(Uint8Array.of(1))
    const reading = (async () => {
      for await (const _ of stream.source) other.child.kill('SIGKILL')
    })()
    await expect(reading).rejects.toMatchObject({ code: 'NOT_CONNECTED' })
    expect(await gone).toBe(peer)
  })
})
