import * as lengthPrefixed from 'it-length-prefixed'
import { pipe } from 'it-pipe'
import type { Uint8ArrayList } from 'uint8arraylist'
import { withDeadline } from '../async/deadline.js'
import { concatBytes, fromUtf8, toUtf8 } from '../encoding/bytes.js'
import { isPeerfoldError } from '../errors.js'
import { systemClock } from '../platform/system-clock.js'
import type { Network, NetworkStream, PeerId } from '../ports/network.js'
import { assertAborts, assertCode, assertEqual, assertRejects, assertTrue, collect } from './assert.js'
import type { SuiteRunner } from './runner.js'

const PROTOCOL = '/peerfold/suite/1'
const MIB = 1024 * 1024
/** What a sender may get rid of while nobody reads: windows and buffers of a real transport. */
const MOST_IN_FLIGHT = 24 * MIB

export interface NetworkSuiteOptions {
  /** Whether `find` sees what the other peer announced when just these two exist. @default true */
  rendezvous?: boolean
}

/**
 * What every `Network` must do. `createPair` gives two peers that are up, reachable by their addresses, and not connected; both are closed
 * by the suite.
 */
export function networkSuite(
  { describe, test }: SuiteRunner,
  createPair: () => Promise<[Network, Network]>,
  options: NetworkSuiteOptions = {},
): void {
  const withPair = (body: (a: Network, b: Network) => Promise<void>) => async () => {
    const [a, b] = await createPair()
    try {
      await body(a, b)
    } finally {
      await Promise.all([a.close(), b.close()])
    }
  }
  const connected = (body: (a: Network, b: Network) => Promise<void>) =>
    withPair(async (a, b) => {
      await a.dial({ peer: b.peer, addresses: b.addresses() })
      await eventually('b sees the connection', () => b.connections().length === 1)
      await body(a, b)
    })

  describe('dialling', () => {
    test(
      'connects both sides, once, and tells them',
      withPair(async (a, b) => {
        const seen: string[] = []
        a.on('connect', (connection) => seen.push(`a ${connection.peer} ${connection.direction}`))
        b.on('connect', (connection) => seen.push(`b ${connection.peer} ${connection.direction}`))
        const connection = await a.dial({ peer: b.peer, addresses: b.addresses() })
        await a.dial({ peer: b.peer, addresses: b.addresses() })
        await eventually('both know', () => seen.length >= 2)
        assertEqual(seen.sort(), [`a ${b.peer} outbound`, `b ${a.peer} inbound`])
        assertEqual(connection.peer, b.peer)
        assertEqual(
          a.connections().map((c) => c.peer),
          [b.peer],
        )
        assertEqual(
          b.connections().map((c) => c.peer),
          [a.peer],
        )
        assertEqual([a.connection(b.peer), a.connection(a.peer)], [...a.connections(), undefined])
      }),
    )
    test(
      'works by address alone, and own addresses name the own peer',
      withPair(async (a, b) => {
        assertTrue(
          b.addresses().every((address) => address.endsWith(`/p2p/${b.peer}`)),
          'addresses end in /p2p/',
        )
        assertEqual((await a.dial({ addresses: b.addresses() })).peer, b.peer)
      }),
    )
    test(
      'refuses another key at the address',
      withPair(async (a, b) => {
        const addresses = b.addresses().map((address) => address.replace(/\/p2p\/.*$/, ''))
        const error = await assertCode(a.dial({ peer: a.peer, addresses }), 'DIAL_FAILED')
        assertEqual(Object.keys(error.details.reasons as object), addresses)
        assertEqual(a.connections(), [])
      }),
    )
    test(
      'says for each address why nobody answered, and tries them all',
      withPair(async (a, b) => {
        const gone = b.addresses()
        await b.close()
        const error = await assertCode(a.dial({ addresses: [...gone, 'not an address'] }), 'DIAL_FAILED')
        assertEqual(Object.keys(error.details.reasons as object), [...gone, 'not an address'])
        assertTrue(error.retryable, 'may be tried again')
        await assertCode(a.dial({ addresses: [] }), 'DIAL_FAILED')
      }),
    )
    test(
      'goes on to the next address',
      withPair(async (a, b) => {
        const connection = await a.dial({ addresses: ['not an address', ...b.addresses()] })
        assertEqual(connection.peer, b.peer)
      }),
    )
  })

  describe('streams', () => {
    test(
      'carry bytes both ways',
      connected(async (a, b) => {
        b.handle(PROTOCOL, echo)
        a.handle(`${PROTOCOL}/back`, echo)
        const there = await a.open(b.peer, PROTOCOL)
        const back = await b.open(a.peer, `${PROTOCOL}/back`)
        assertEqual([there.peer, there.protocol], [b.peer, PROTOCOL])
        assertEqual(await ask(there, 'over there'), 'over there')
        assertEqual(await ask(back, 'and back'), 'and back')
      }),
    )
    test(
      'work with it-pipe and it-length-prefixed',
      connected(async (a, b) => {
        b.handle(PROTOCOL, async (stream) => {
          const replies = pipe(
            stream.source,
            (source) => lengthPrefixed.decode(source),
            (source) => lengthPrefixed.encode(source),
          )
          for await (const reply of replies) await stream.send(reply)
          await stream.close()
        })
        const stream = await a.open(b.peer, PROTOCOL)
        const messages = ['first', '', 'third'.repeat(1000)]
        for (const part of lengthPrefixed.encode(messages.map(toUtf8))) await stream.send(part)
        await stream.close()
        const replies = await collect(lengthPrefixed.decode(stream.source))
        assertEqual(
          replies.map((reply) => fromUtf8(reply.subarray())),
          messages,
        )
      }),
    )
    test(
      'do not disturb each other: one that nobody reads, forty that are served',
      connected(async (a, b) => {
        b.handle(`${PROTOCOL}/stuck`, () => {})
        b.handle(PROTOCOL, echo)
        const stuck = await a.open(b.peer, `${PROTOCOL}/stuck`)
        void fill(stuck, new Progress()).catch(() => {})
        for (let round = 0; round < 2; round++) {
          const texts = Array.from({ length: 20 }, (_, i) => `stream ${round} ${i}`)
          const replies = texts.map(async (text) => ask(await a.open(b.peer, PROTOCOL), text))
          assertEqual(await Promise.all(replies), texts)
        }
        stuck.abort(new Error('enough'))
      }),
    )
    test(
      'hold the sender back while nobody reads, then lose nothing',
      connected(async (a, b) => {
        const total = 40 * MIB
        const streams: NetworkStream[] = []
        b.handle(PROTOCOL, (stream) => void streams.push(stream))
        const progress = new Progress()
        const filled = fill(await a.open(b.peer, PROTOCOL), progress, total)
        await progress.stalled()
        assertTrue(progress.sent < MOST_IN_FLIGHT, `held back after ${MOST_IN_FLIGHT}, not ${progress.sent}`)
        const [stream] = streams
        assertTrue(stream !== undefined, 'the handler was called')
        const received = await countPattern(stream)
        await filled
        assertEqual(received, total)
      }),
    )
    test(
      'deliver what was sent before close, however late it is read',
      connected(async (a, b) => {
        const streams: NetworkStream[] = []
        b.handle(PROTOCOL, (stream) => void streams.push(stream))
        const stream = await a.open(b.peer, PROTOCOL)
        const filled = fill(stream, new Progress(), 3 * MIB)
        await eventually('the stream arrives', () => streams.length === 1)
        const received = countPattern(streams[0] as NetworkStream, 2)
        await filled
        assertEqual(await received, 3 * MIB)
      }),
    )
    test(
      'close one side at a time',
      connected(async (a, b) => {
        b.handle(PROTOCOL, async (stream) => {
          const heard = await readText(stream)
          await stream.send(toUtf8(`heard ${heard}`))
          await stream.close()
        })
        const stream = await a.open(b.peer, PROTOCOL)
        await stream.send(toUtf8('all of it'))
        await stream.close()
        await stream.close()
        await assertCode(stream.send(toUtf8('more')), 'CLOSED')
        assertEqual(await readText(stream), 'heard all of it')
      }),
    )
    test(
      'go on sending after the reader lost interest in what comes',
      connected(async (a, b) => {
        b.handle(PROTOCOL, async (stream) => {
          for await (const _ of stream.source) break
          await stream.send(toUtf8('enough'))
          await stream.close()
        })
        const stream = await a.open(b.peer, PROTOCOL)
        const filled = fill(stream, new Progress(), 12 * MIB)
        assertEqual(await readText(stream), 'enough')
        await filled
      }),
    )
    test(
      'tell the other side of a reset, whatever it waits for',
      connected(async (a, b) => {
        const reason = new Error('the test resets')
        const outcomes: Promise<unknown>[] = []
        b.handle(PROTOCOL, (stream) => {
          outcomes.push(assertRejects(readText(stream)), assertRejects(fill(stream, new Progress())))
        })
        const stream = await a.open(b.peer, PROTOCOL)
        await stream.send(toUtf8('hello'))
        await eventually('the stream arrives', () => outcomes.length === 2)
        stream.abort(reason)
        stream.abort(new Error('a second time does nothing'))
        for (const outcome of outcomes) {
          assertTrue(isPeerfoldError(await outcome, 'NOT_CONNECTED'), `NOT_CONNECTED, got ${await outcome}`)
        }
        assertTrue((await assertRejects(readText(stream))) === reason, 'own reads fail with the reason')
        assertTrue((await assertRejects(stream.send(toUtf8('x')))) === reason, 'own sends as well')
      }),
    )
    test(
      'of an unknown protocol or an unknown peer are refused',
      connected(async (a, b) => {
        await assertCode(a.open(b.peer, '/nobody/speaks/this'), 'PROTOCOL_UNSUPPORTED')
        b.handle(PROTOCOL, echo)
        b.unhandle(PROTOCOL)
        await assertCode(a.open(b.peer, PROTOCOL), 'PROTOCOL_UNSUPPORTED')
        await assertCode(a.open(a.peer, PROTOCOL), 'NOT_CONNECTED')
        await b.disconnect(a.peer)
        await eventually('a notices', () => a.connections().length === 0)
        await assertCode(a.open(b.peer, PROTOCOL), 'NOT_CONNECTED')
      }),
    )
  })

  describe('handlers', () => {
    test(
      'are one for each protocol',
      withPair(async (a) => {
        a.handle(PROTOCOL, () => {})
        const error = await assertRejects((async () => a.handle(PROTOCOL, () => {}))())
        assertTrue(isPeerfoldError(error, 'PROTOCOL_TAKEN'), 'a second one is refused')
        a.unhandle(PROTOCOL)
        a.handle(PROTOCOL, () => {})
      }),
    )
    test(
      'that throw lose their stream and nothing else',
      connected(async (a, b) => {
        let calls = 0
        b.handle(PROTOCOL, (stream) => {
          calls++
          if (calls === 1) throw new Error('thrown by the handler')
          if (calls === 2) return Promise.reject(new Error('rejected by the handler'))
          return echo(stream)
        })
        for (let i = 0; i < 2; i++) {
          const stream = await a.open(b.peer, PROTOCOL)
          await assertRejects(readText(stream), 'a stream without handler is reset')
        }
        assertEqual(await ask(await a.open(b.peer, PROTOCOL), 'third'), 'third')
      }),
    )
  })

  describe('disconnecting', () => {
    test(
      'ends streams on both sides and tells both',
      connected(async (a, b) => {
        const gone: string[] = []
        a.on('disconnect', (peer) => gone.push(`a ${peer}`))
        b.on('disconnect', (peer) => gone.push(`b ${peer}`))
        const streams: NetworkStream[] = []
        b.handle(PROTOCOL, (stream) => void streams.push(stream))
        const stream = await a.open(b.peer, PROTOCOL)
        await stream.send(toUtf8('hello'))
        await eventually('the stream arrives', () => streams.length === 1)
        const reads = [assertRejects(readText(stream)), assertRejects(readText(streams[0] as NetworkStream))]
        await a.disconnect(b.peer)
        await eventually('both know', () => gone.length >= 2)
        assertEqual(gone.sort(), [`a ${b.peer}`, `b ${a.peer}`])
        for (const read of reads) {
          assertTrue(isPeerfoldError(await read, 'NOT_CONNECTED'), `NOT_CONNECTED, got ${await read}`)
        }
        await a.disconnect(b.peer)
        await a.dial({ addresses: b.addresses() })
      }),
    )
    test(
      'happens at close, which can be called twice and ends everything',
      connected(async (a, b) => {
        const addresses = b.addresses()
        await b.close()
        await b.close()
        await eventually('a notices', () => a.connections().length === 0)
        await assertCode(b.dial({ addresses: a.addresses() }), 'CLOSED')
        await assertCode(b.open(a.peer, PROTOCOL), 'CLOSED')
        await assertCode(a.dial({ addresses }), 'DIAL_FAILED')
      }),
    )
    test(
      'is not told to listeners that were removed',
      connected(async (a, b) => {
        const calls: PeerId[] = []
        const remove = a.on('disconnect', (peer) => calls.push(peer))
        remove()
        await b.disconnect(a.peer)
        await eventually('a notices', () => a.connections().length === 0)
        assertEqual(calls, [])
      }),
    )
  })

  describe('signals', () => {
    test(
      'already aborted stop every call',
      connected(async (a, b) => {
        b.handle(PROTOCOL, echo)
        const key = new Uint8Array(32)
        const stream = await a.open(b.peer, PROTOCOL)
        await assertAborts((signal) => a.dial({ addresses: b.addresses() }, { signal }))
        await assertAborts((signal) => a.open(b.peer, PROTOCOL, { signal }))
        await assertAborts((signal) => a.announce(key, { signal }))
        await assertAborts((signal) => collect(a.find(key, { signal })))
        await assertAborts((signal) => stream.send(toUtf8('not sent'), { signal }))
        await assertAborts((signal) => stream.close({ signal }))
        assertEqual(await ask(stream, 'unharmed'), 'unharmed')
      }),
    )
    test(
      'end a send that waits',
      connected(async (a, b) => {
        b.handle(PROTOCOL, () => {})
        const stream = await a.open(b.peer, PROTOCOL)
        const abort = new AbortController()
        const progress = new Progress()
        const filled = assertRejects(fill(stream, progress, Number.POSITIVE_INFINITY, abort.signal))
        await progress.stalled()
        const reason = new Error('no more patience')
        abort.abort(reason)
        assertTrue((await filled) === reason, 'rejects with the reason')
        stream.abort(reason)
      }),
    )
  })

  if (options.rendezvous === false) return
  describe('rendezvous', () => {
    test(
      'finds who announced a key, and nobody under another',
      connected(async (a, b) => {
        const [key, other] = [new Uint8Array(32).fill(7), new Uint8Array(32).fill(8)]
        await eventually('b is found', async () => {
          await b.announce(key)
          return (await collect(a.find(key))).some(({ peer }) => peer === b.peer)
        })
        assertEqual(await collect(a.find(other)), [])
      }),
    )
  })
}

/** Waits for a condition, at most twenty seconds. */
async function eventually(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  await withDeadline(systemClock, 20_000, what, async (signal) => {
    while (!(await condition())) await systemClock.sleep(5, { signal })
  })
}

/** How far a sender got. */
class Progress {
  sent = 0

  /** Resolves when nothing has moved for a while. */
  async stalled(): Promise<void> {
    let [before, quiet] = [-1, 0]
    await eventually('the sender is held back', async () => {
      quiet = this.sent === before && this.sent > 0 ? quiet + 1 : 0
      before = this.sent
      await systemClock.sleep(20)
      return quiet >= 10
    })
  }
}

/** Sends a pattern, `total` bytes, then closes. */
async function fill(
  stream: NetworkStream,
  progress: Progress,
  total = Number.POSITIVE_INFINITY,
  signal?: AbortSignal,
): Promise<void> {
  const size = 64 * 1024
  while (progress.sent < total) {
    await stream.send(pattern(progress.sent, Math.min(size, total - progress.sent)), { signal })
    progress.sent += size
  }
  await stream.close()
}

function pattern(start: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let i = 0; i < length; i++) bytes[i] = (start + i) % 251
  return bytes
}

/** Reads all, checking the pattern, with a pause of `pauseMs` for each MiB. */
async function countPattern(stream: NetworkStream, pauseMs = 0): Promise<number> {
  let count = 0
  for await (const data of stream.source) {
    for (const byte of flat(data)) {
      if (byte !== count % 251) throw new Error(`byte ${count} is ${byte}, not ${count % 251}`)
      count++
    }
    if (pauseMs > 0) await systemClock.sleep(pauseMs)
  }
  return count
}

async function echo(stream: NetworkStream): Promise<void> {
  try {
    for await (const data of stream.source) await stream.send(data)
    await stream.close()
  } catch (error) {
    stream.abort(error as Error)
  }
}

async function ask(stream: NetworkStream, text: string): Promise<string> {
  await stream.send(toUtf8(text))
  await stream.close()
  return readText(stream)
}

async function readText(stream: NetworkStream): Promise<string> {
  const parts: Uint8Array[] = []
  for await (const data of stream.source) parts.push(flat(data))
  return fromUtf8(concatBytes(...parts))
}

function flat(data: Uint8Array | Uint8ArrayList): Uint8Array {
  return data instanceof Uint8Array ? data : data.subarray()
}
