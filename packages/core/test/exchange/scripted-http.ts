import { concatBytes } from '../../src/encoding/bytes.js'
import { PeerfoldError } from '../../src/errors.js'
import type { BlocksRequest, FetchBlocks } from '../../src/exchange/fetch-blocks.js'
import { HttpRoute } from '../../src/exchange/http-route.js'
import { systemClock } from '../../src/platform/system-clock.js'
import type { Block } from '../../src/ports/block-store.js'
import type { Clock } from '../../src/ports/clock.js'
import { HANDLE, type Peer } from './world.js'

/** The HTTP side of a relay (PROTOCOL.md §10.8) whose parts a test can change. */
export class ScriptedHttp {
  readonly blocks = new Map<string, Uint8Array>()
  /** Requests that came, the empty ones that only ask whether it works aside. */
  readonly requests: BlocksRequest[] = []
  tries = 0
  tickets = 0
  /** Bytes that were read from all bodies. */
  read = 0
  /** Bodies that are being read, or could be. */
  open = 0
  /** Tokens that are good. */
  good = (token: string) => token === `token ${this.tickets}`
  /** Awaited before each answer: may throw. */
  before: (request: BlocksRequest, signal: AbortSignal | undefined) => Promise<void> | void = () => {}
  /** What is sent for a request. */
  body: (request: BlocksRequest, signal: AbortSignal | undefined) => AsyncIterable<Uint8Array> = (request) =>
    this.pieces(request)

  add(blocks: readonly Block[]): void {
    for (const { cid, bytes } of blocks) this.blocks.set(cid.toString(), bytes)
  }

  readonly fetchBlocks: FetchBlocks = async (request, { signal }) => {
    if (request.cids.length === 0) this.tries++
    await this.before(request, signal)
    signal?.throwIfAborted()
    if (!this.good(request.token)) throw new PeerfoldError('UNAUTHORIZED', '401')
    if (request.cids.length > 0) this.requests.push(request)
    return this.#count(this.body(request, signal), signal)
  }

  /** Pieces of 1000 bytes, so that frames are cut anywhere. */
  async *pieces({ cids }: BlocksRequest): AsyncGenerator<Uint8Array> {
    for (const cid of cids) {
      const bytes = this.blocks.get(cid) ?? new Uint8Array()
      const framed = concatBytes(lengthOf(bytes.length), bytes)
      for (let at = 0; at < framed.length; at += 1000) yield framed.subarray(at, at + 1000)
    }
  }

  route(peer: Peer, clock: Clock = systemClock): HttpRoute {
    return new HttpRoute({
      peer: peer.network.peer,
      clock,
      fetchBlocks: this.fetchBlocks,
      ticket: async () => {
        this.tickets++
        return {
          token: `token ${this.tickets}`,
          urls: ['https://relay.test'],
          expires: clock.now() + 900_000,
        }
      },
      handle: () => HANDLE,
    })
  }

  async *#count(body: AsyncIterable<Uint8Array>, signal: AbortSignal | undefined) {
    this.open++
    const ended = () => {
      this.open--
      signal?.removeEventListener('abort', ended)
    }
    signal?.addEventListener('abort', ended)
    for await (const piece of body) {
      signal?.throwIfAborted()
      this.read += piece.length
      yield piece
    }
    ended()
  }
}

export function lengthOf(size: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, size)
  return bytes
}
