import type { Uint8ArrayList } from 'uint8arraylist'
import { Wakeup } from '../async/wakeup.js'
import { blockCid } from '../content/block-cid.js'
import { fromHex } from '../encoding/bytes.js'
import { isPeerfoldError, PeerfoldError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'
import type { Clock } from '../ports/clock.js'
import type { WorkspaceHandle } from '../ports/ids.js'
import type { NetworkStream, PeerId } from '../ports/network.js'
import { BodyReader } from './body-reader.js'
import { FrameReader } from './frame-reader.js'
import { MAX_BLOCK, MAX_HTTP_BLOCKS, MAX_REQUEST_FRAME, PROTOCOL } from './limits.js'
import {
  type BlockDigest,
  blockCost,
  type DigestsMessage,
  decodeRequest,
  encodeBlockHeader,
  encodeResponse,
  type Request,
} from './messages.js'
import { wantKey } from './wants.js'

export interface HttpStreamInit {
  peer: PeerId
  clock: Clock
  /** As `FetchBlocks`, with the token that is good now. */
  request: (
    wanted: { handle: WorkspaceHandle; cids: readonly string[] },
    options: AbortOptions,
  ) => Promise<AsyncIterable<Uint8Array>>
  /** A request was answered to the end. */
  onAnswered: () => void
  /** HTTP does not work any more. */
  onFail: () => void
}

/** One request under way: blocks come in the order of `digests`. */
interface Batch {
  handle: WorkspaceHandle
  digests: readonly BlockDigest[]
  /** Digests that are still to come, and not cancelled. */
  wanted: Set<BlockDigest>
  /** How many have not come yet. */
  left: number
  /** A block has come in part: it must come whole. */
  inBlock: boolean
  body: Promise<AsyncIterable<Uint8Array>>
  stop: AbortController
}

/** Requests at a time: the second keeps the way busy while the first ends. */
const BATCHES = 2
/** What a relay that is busy is spared when it does not say for how long, milliseconds. */
const SPARED_MS = 1_000

/**
 * A stream of `/peerfold/blocks/1` whose other end is here: what is wanted is asked of a relay over HTTP, and comes out as the frames that the
 * relay would have sent. So windows, shares and faults are those of any other source. What comes is passed on, not collected: while there is no
 * credit for the next block, nothing more is read.
 */
export class HttpStream implements NetworkStream {
  readonly protocol = PROTOCOL
  readonly source: AsyncIterable<Uint8Array>
  readonly #init: HttpStreamInit
  readonly #frames = new FrameReader(MAX_REQUEST_FRAME)
  readonly #changed = new Wakeup()
  readonly #over = new AbortController()
  /** What no request has asked for yet, in the order in which it was wanted. */
  readonly #queue = new Map<string, { handle: WorkspaceHandle; digest: BlockDigest }>()
  #batches: Batch[] = []
  #credit = 0
  /** Monotonic milliseconds before which the relay wants to be left alone. */
  #sparedUntil = Number.NEGATIVE_INFINITY

  constructor(init: HttpStreamInit) {
    this.#init = init
    this.source = this.#run()
  }

  get peer(): PeerId {
    return this.#init.peer
  }

  async send(data: Uint8Array | Uint8ArrayList): Promise<void> {
    this.#over.signal.throwIfAborted()
    this.#frames.push(data)
    for (let frame = this.#frames.next(); frame !== undefined; frame = this.#frames.next()) {
      this.#onRequest(decodeRequest(frame))
    }
    this.#askAhead()
    this.#changed.wake()
  }

  async close(): Promise<void> {
    this.abort(new PeerfoldError('CLOSED', 'this side has closed the stream'))
  }

  abort(reason: Error): void {
    if (this.#over.signal.aborted) return
    // A relay that sends nothing this way may well send by the other.
    if (isPeerfoldError(reason, 'TIMEOUT')) this.#init.onFail()
    this.#end(reason)
  }

  #end(reason: unknown): void {
    this.#over.abort(reason)
    for (const batch of this.#batches) batch.stop.abort(reason)
    this.#batches = []
    this.#queue.clear()
  }

  async *#run(): AsyncGenerator<Uint8Array> {
    const { signal } = this.#over
    try {
      for (;;) {
        signal.throwIfAborted()
        yield* this.#turnAway()
        this.#askAhead()
        const batch = this.#batches[0]
        if (batch === undefined) await this.#changed.wait({ signal })
        else yield* this.#receive(batch)
        this.#batches = this.#batches.filter((each) => each !== batch)
      }
    } catch (error) {
      if (!signal.aborted) this.#init.onFail()
      throw error
    } finally {
      this.#end(new PeerfoldError('CLOSED', 'nobody reads the stream any more'))
    }
  }

  #onRequest(request: Request): void {
    if (request.type === 'credit') this.#credit += request.bytes
    else if (request.type === 'want') this.#want(request)
    else this.#cancel(request)
  }

  #want({ handle, digests }: DigestsMessage<'want'>): void {
    for (const digest of digests) this.#queue.set(wantKey(handle, digest), { handle, digest })
  }

  #cancel({ handle, digests }: DigestsMessage<'cancel'>): void {
    const batches = this.#batches.filter((batch) => batch.handle === handle)
    for (const digest of digests) {
      this.#queue.delete(wantKey(handle, digest))
      for (const batch of batches) batch.wanted.delete(digest)
    }
    for (const { wanted, inBlock, stop } of batches) if (wanted.size === 0 && !inBlock) stop.abort()
  }

  /** Asks for what is next, when the request under way is half answered. */
  #askAhead(): void {
    const [next] = this.#queue.values()
    if (next === undefined || this.#isSpared || this.#over.signal.aborted) return
    const [current] = this.#batches
    const isHalfDone = current === undefined || 2 * current.left <= current.digests.length
    if (isHalfDone && this.#batches.length < BATCHES) this.#batches.push(this.#ask(next.handle))
  }

  #ask(handle: WorkspaceHandle): Batch {
    const digests = this.#take(handle)
    const stop = new AbortController()
    const cids = digests.map((digest) => blockCid(fromHex(digest)).toString())
    const body = this.#init.request({ handle, cids }, { signal: stop.signal })
    body.catch(() => {})
    return { handle, digests, wanted: new Set(digests), left: digests.length, inBlock: false, body, stop }
  }

  /** The next wants of a workspace, as many as one message may name. */
  #take(of: WorkspaceHandle): BlockDigest[] {
    const digests: BlockDigest[] = []
    for (const [key, { handle, digest }] of this.#queue) {
      if (digests.length === MAX_HTTP_BLOCKS) break
      if (handle !== of) continue
      digests.push(digest)
      this.#queue.delete(key)
    }
    return digests
  }

  async *#receive(batch: Batch): AsyncGenerator<Uint8Array> {
    let reader: BodyReader | undefined
    try {
      reader = new BodyReader(await batch.body)
      for (const digest of batch.digests) {
        if (batch.wanted.size === 0) return
        yield* this.#receiveBlock(batch, digest, reader)
        this.#askAhead()
      }
      if (!(await reader.ended())) throw new PeerfoldError('MESSAGE_INVALID', 'more than was asked for')
      this.#init.onAnswered()
    } catch (error) {
      if (isPeerfoldError(error, 'BUSY')) yield* this.#putOff(batch, error)
      else if (batch.inBlock || !batch.stop.signal.aborted) throw error
    } finally {
      batch.stop.abort()
      await reader?.cancel().catch(() => {})
    }
  }

  async *#receiveBlock(batch: Batch, digest: BlockDigest, reader: BodyReader): AsyncGenerator<Uint8Array> {
    const { handle, stop } = batch
    const size = await reader.uint32()
    if (size > MAX_BLOCK) throw new PeerfoldError('MESSAGE_INVALID', `a block of ${size} bytes`)
    const cost = size === 0 ? 0 : blockCost(size)
    while (this.#credit < cost) await this.#changed.wait({ signal: stop.signal })
    stop.signal.throwIfAborted()
    this.#credit -= cost
    batch.inBlock = true
    if (size === 0) yield encodeResponse({ type: 'missing', handle, digests: [digest] })
    else {
      yield encodeBlockHeader(handle, digest, size)
      yield* reader.pass(size)
    }
    batch.inBlock = false
    batch.left--
    batch.wanted.delete(digest)
  }

  get #isSpared(): boolean {
    return this.#init.clock.monotonic() < this.#sparedUntil
  }

  *#putOff({ handle, wanted, digests }: Batch, busy: PeerfoldError): Generator<Uint8Array> {
    const { retryAfter } = busy.details
    const wait = typeof retryAfter === 'number' ? retryAfter : SPARED_MS
    this.#sparedUntil = this.#init.clock.monotonic() + wait
    const unanswered = digests.filter((digest) => wanted.has(digest))
    if (unanswered.length > 0) yield encodeResponse({ type: 'busy', handle, digests: unanswered })
  }

  /** While the relay wants to be left alone, others may be asked. */
  *#turnAway(): Generator<Uint8Array> {
    if (!this.#isSpared) return
    for (const { handle } of this.#queue.values()) {
      const digests = this.#take(handle)
      yield encodeResponse({ type: 'busy', handle, digests })
    }
  }
}
