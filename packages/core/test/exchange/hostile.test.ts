import { afterEach, describe, expect, test } from 'vitest'
import { concatBytes } from '../../src/encoding/bytes.js'
import { FrameReader } from '../../src/exchange/frame-reader.js'
import { MAX_BLOCK, MAX_CREDIT, MAX_REQUEST_FRAME, PROTOCOL } from '../../src/exchange/limits.js'
import {
  decodeRequest,
  decodeResponse,
  encodeRequest,
  encodeResponse,
  MAX_RESPONSE_FRAME,
  type Request,
  type Response,
} from '../../src/exchange/messages.js'
import type { Block } from '../../src/ports/block-store.js'
import type { Network, NetworkStream } from '../../src/ports/network.js'
import { createManualClock, type ManualClock } from '../../src/testing/manual-clock.js'
import { createMemoryNetwork } from '../../src/testing/memory-network.js'
import {
  cidsOf,
  connect,
  createBlock,
  createBlocks,
  createWorld,
  digestOf,
  driven,
  HANDLE,
  OTHER_HANDLE,
  type Peer,
  type World,
} from './world.js'

/** Peers that speak raw frames: each of these tests has a harmless twin in exchange.test.ts, where the same frames are welcome. */

let created: World | undefined
afterEach(() => created?.close())

/** A victim, an honest peer with all blocks, and a hostile peer that is authorised and connected. */
async function setUp(init: { clock?: ManualClock; limits?: object } = {}) {
  created = await createWorld(2, init)
  const [victim, honest] = created.peers as [Peer, Peer]
  const mallory = createMemoryNetwork(created.hub)
  victim.exchange.authorize(mallory.peer, new Set([HANDLE]))
  const blocks = createBlocks(40, 1000)
  await honest.store.put(blocks)
  return { hub: created.hub, victim, honest, mallory, blocks }
}

/** A hostile server: `answer` gets each request and the stream. */
function serve(mallory: Network, answer: (request: Request, stream: NetworkStream) => void | Promise<void>) {
  mallory.handle(PROTOCOL, async (stream) => {
    const reader = new FrameReader(MAX_REQUEST_FRAME)
    for await (const data of stream.source) {
      reader.push(data)
      for (let frame = reader.next(); frame !== undefined; frame = reader.next()) {
        await answer(decodeRequest(frame), stream)
      }
    }
  })
}

async function join(mallory: Network, victim: Peer): Promise<void> {
  await mallory.dial({ addresses: victim.network.addresses() })
}

const blockFrame = (block: Block, bytes = block.bytes) =>
  encodeResponse({ type: 'block', handle: HANDLE, digest: digestOf(block), bytes })

describe('a hostile server', () => {
  const cases: Record<string, (request: Request, stream: NetworkStream, asked: Block[]) => Promise<void>> = {
    'an oversized frame': async (_, stream) => stream.send(Uint8Array.of(0xff, 0xff, 0xff, 0xff)),
    'a frame just above the limit': async (_, stream) => {
      const head = new Uint8Array(4)
      new DataView(head.buffer).setUint32(0, MAX_RESPONSE_FRAME + 1)
      await stream.send(head)
    },
    'an empty frame': async (_, stream) => stream.send(new Uint8Array(4)),
    'an unknown type': async (_, stream) => stream.send(Uint8Array.of(0, 0, 0, 1, 99)),
    'a request in place of an answer': async (_, stream) =>
      stream.send(encodeRequest({ type: 'credit', bytes: 1 })),
    garbage: async (_, stream) => stream.send(Uint8Array.from({ length: 100 }, (_, i) => (i * 37) % 256)),
    'a block nobody asked for': async (_, stream) => stream.send(blockFrame(createBlocks(1, 10, 'x')[0]!)),
    'the same block twice': async (_, stream, asked) => {
      await stream.send(blockFrame(asked[0]!))
      await stream.send(blockFrame(asked[0]!))
    },
    'a block of another workspace': async (_, stream, asked) =>
      stream.send(
        encodeResponse({
          type: 'block',
          handle: OTHER_HANDLE,
          digest: digestOf(asked[0]!),
          bytes: asked[0]!.bytes,
        }),
      ),
    'bytes that do not match their name': async (_, stream, asked) =>
      stream.send(blockFrame(asked[0]!, new Uint8Array(1000))),
    'an answer about a block nobody asked for': async (_, stream) =>
      stream.send(encodeResponse({ type: 'missing', handle: HANDLE, digests: ['00'.repeat(32)] })),
    'a block without bytes': async (_, stream) => {
      const frame = blockFrame(createBlock(new Uint8Array(1)))
      new DataView(frame.buffer).setUint32(0, 65)
      await stream.send(frame.subarray(0, 69))
    },
  }

  for (const [what, attack] of Object.entries(cases)) {
    test(`is disconnected and shunned for ${what}, while others serve`, async () => {
      const { victim, mallory, blocks } = await setUp()
      const known = new Map(blocks.map((block) => [digestOf(block), block]))
      let streams = 0
      serve(mallory, async (request, stream) => {
        if (request.type !== 'want') return
        streams++
        await attack(
          request,
          stream,
          request.digests.map((digest) => known.get(digest)!),
        )
      })
      await join(mallory, victim)
      await victim.exchange.fetch(HANDLE, cidsOf(blocks))
      await expect.poll(() => victim.faults.length).toBe(1)
      expect(victim.faults[0]).toContain(mallory.peer)
      expect(victim.network.connections().map(({ peer }) => peer)).not.toContain(mallory.peer)
      const asked = streams
      await join(mallory, victim)
      const more = createBlocks(3, 100, 'more')
      await (created!.peers[1] as Peer).store.put(more)
      await victim.exchange.fetch(HANDLE, cidsOf(more))
      expect(streams).toBe(asked)
    })
  }

  test('that sends more than its credit is disconnected', async () => {
    const { victim, mallory } = await setUp()
    const large = createBlocks(12, MAX_BLOCK, 'large')
    victim.exchange.revoke((created!.peers[1] as Peer).network.peer)
    const known = new Map(large.map((block) => [digestOf(block), block]))
    serve(mallory, async (request, stream) => {
      if (request.type !== 'want') return
      for (const digest of request.digests) await stream.send(blockFrame(known.get(digest)!))
    })
    victim.store.beforePut = () => new Promise(() => {})
    await join(mallory, victim)
    const fetch = victim.exchange.fetch(HANDLE, cidsOf(large)).catch(() => {})
    await expect.poll(() => victim.faults.join()).toContain('more bytes than the credit')
    await victim.exchange.close()
    await fetch
  })

  test('that drips a byte now and then loses its wants to others', async () => {
    const clock = createManualClock()
    const { victim, mallory, honest } = await setUp({ clock })
    const blocks = createBlocks(20, 100_000, 'slow')
    const known = new Map(blocks.map((block) => [digestOf(block), block]))
    await honest.store.put(blocks)
    serve(mallory, async (request, stream) => {
      if (request.type !== 'want') return
      const frame = blockFrame(known.get(request.digests[0]!)!)
      for (const byte of frame) {
        await stream.send(Uint8Array.of(byte))
        await clock.sleep(1_000)
      }
    })
    await join(mallory, victim)
    await driven(clock, victim.exchange.fetch(HANDLE, cidsOf(blocks)))
    expect(clock.monotonic()).toBeLessThan(60_000)
  })

  test('that says it lacks everything delays nobody', async () => {
    const { victim, mallory, blocks } = await setUp()
    serve(mallory, async (request, stream) => {
      if (request.type === 'want') await stream.send(encodeResponse({ ...request, type: 'missing' }))
    })
    await join(mallory, victim)
    await victim.exchange.fetch(HANDLE, cidsOf(blocks))
    expect(victim.faults).toEqual([])
  })
})

/** A hostile requester's stream, and what comes back on it. */
async function ask(mallory: Network, victim: Peer) {
  await join(mallory, victim)
  const stream = await mallory.open(victim.network.peer, PROTOCOL)
  const responses: Response[] = []
  const ended = (async () => {
    const reader = new FrameReader(MAX_RESPONSE_FRAME)
    for await (const data of stream.source) {
      reader.push(data)
      for (let frame = reader.next(); frame !== undefined; frame = reader.next()) {
        responses.push(decodeResponse(frame))
      }
    }
  })().catch(() => {})
  return { stream, responses, ended }
}

describe('a hostile requester', () => {
  const wants = (blocks: Block[], handle = HANDLE) =>
    encodeRequest({ type: 'want', handle, digests: blocks.map(digestOf) })

  const cases: Record<string, Uint8Array[]> = {
    'an oversized frame': [Uint8Array.of(0x7f, 0xff, 0xff, 0xff)],
    'an empty frame': [new Uint8Array(4)],
    'an unknown type': [Uint8Array.of(0, 0, 0, 1, 200)],
    'an answer in place of a request': [blockFrame(createBlocks(1)[0]!)],
    'a want of nothing': [concatBytes(Uint8Array.of(0, 0, 0, 33, 1), new Uint8Array(32))],
    'half a digest': [concatBytes(Uint8Array.of(0, 0, 0, 49, 1), new Uint8Array(48))],
    'no credit at all': [Uint8Array.of(0, 0, 0, 5, 2, 0, 0, 0, 0)],
    'a single credit above all windows': [Uint8Array.of(0, 0, 0, 5, 2, 0xff, 0xff, 0xff, 0xff)],
    'credits that overflow together': [
      encodeRequest({ type: 'credit', bytes: MAX_CREDIT }),
      encodeRequest({ type: 'credit', bytes: MAX_CREDIT }),
    ],
    'endless wants for what it may not read': Array.from({ length: 300 }, () =>
      wants(createBlocks(1), OTHER_HANDLE),
    ),
  }

  for (const [what, frames] of Object.entries(cases)) {
    test(`is disconnected for ${what}`, async () => {
      const { victim, mallory } = await setUp()
      const { stream, ended } = await ask(mallory, victim)
      for (const frame of frames) await stream.send(frame).catch(() => {})
      await ended
      expect(victim.faults.length).toBe(1)
      expect(victim.network.connections().map(({ peer }) => peer)).not.toContain(mallory.peer)
    })
  }

  test('gets nothing of a workspace that it does not share', async () => {
    const { victim, mallory, blocks } = await setUp()
    victim.exchange.attach(OTHER_HANDLE, victim.store)
    await victim.store.put(blocks)
    const { stream, responses } = await ask(mallory, victim)
    await stream.send(encodeRequest({ type: 'credit', bytes: 1_000_000 }))
    await stream.send(wants(blocks, OTHER_HANDLE))
    await expect.poll(() => responses).toEqual([{ type: 'refused', handle: OTHER_HANDLE }])
    expect(victim.store.gets).toEqual([])
  })

  test('gets nothing without being authorised for anything, and loses its stream', async () => {
    const clock = createManualClock()
    const { victim, mallory, blocks } = await setUp({ clock })
    await victim.store.put(blocks)
    victim.exchange.revoke(mallory.peer)
    const { stream, responses, ended } = await ask(mallory, victim)
    await stream.send(wants(blocks))
    await clock.advance(120_000)
    await ended
    expect(responses).toEqual([{ type: 'refused', handle: HANDLE }])
    expect(victim.store.gets).toEqual([])
  })

  test('that wants without end is answered BUSY beyond the bound, and others are served', async () => {
    const { victim, mallory, honest, blocks } = await setUp({ limits: { maxQueued: 100 } })
    await victim.store.put(createBlocks(1000, 10, 'many'))
    const { stream, responses } = await ask(mallory, victim)
    for (let i = 0; i < 20; i++) await stream.send(wants(createBlocks(50, 10, `unknown ${i}`)))
    await expect.poll(() => responses.filter(({ type }) => type === 'busy').length).toBe(18)
    await victim.store.put(blocks)
    const more = createBlocks(20, 10, 'more')
    await victim.store.put(more)
    await honest.exchange.fetch(HANDLE, cidsOf(more))
  })

  test('that gives no credit, or hardly any, makes nobody hold blocks for it', async () => {
    const { victim, mallory, honest } = await setUp()
    const blocks = createBlocks(30, 200_000, 'large')
    await victim.store.put(blocks)
    const { stream, responses } = await ask(mallory, victim)
    await stream.send(wants(blocks))
    for (let i = 0; i < 20; i++) await stream.send(encodeRequest({ type: 'credit', bytes: 1 }))
    await honest.exchange.fetch(HANDLE, cidsOf(blocks))
    expect(responses).toEqual([])
    const read = victim.store.gets.length - blocks.length
    expect(read).toBeLessThanOrEqual(1)
  })

  test('is forgotten with all it wanted when it hangs up', async () => {
    const { hub, victim, mallory, blocks } = await setUp()
    await victim.store.put(blocks)
    const { stream } = await ask(mallory, victim)
    await stream.send(wants(blocks))
    hub.cut(mallory.peer, victim.network.peer)
    await join(mallory, victim)
    const again = await ask(mallory, victim)
    await again.stream.send(encodeRequest({ type: 'credit', bytes: 1_000_000 }))
    await again.stream.send(wants(blocks.slice(0, 3)))
    await expect.poll(() => again.responses.length).toBe(3)
  })

  test('that keeps an unfinished frame open costs no more than the frame', async () => {
    const { victim, mallory, honest, blocks } = await setUp()
    const { stream } = await ask(mallory, victim)
    await stream.send(concatBytes(Uint8Array.of(0, 0, 0xff, 0xff), new Uint8Array(60_000)))
    await victim.store.put(blocks)
    await connect(honest, victim)
    await honest.exchange.fetch(HANDLE, cidsOf(blocks))
    stream.abort(new Error('enough'))
  })
})
