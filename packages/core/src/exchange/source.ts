import { withDeadline } from '../async/deadline.js'
import { buffers } from '../content/buffer-pool.js'
import { isPeerfoldError, PeerfoldError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'
import type { Block, BlockStore } from '../ports/block-store.js'
import type { Clock } from '../ports/clock.js'
import type { WorkspaceHandle } from '../ports/ids.js'
import type { NetworkStream, PeerId } from '../ports/network.js'
import { FrameReader } from './frame-reader.js'
import { type ExchangeLimits, MAX_DIGESTS, PROTOCOL } from './limits.js'
import {
  type BlockDigest,
  blockCost,
  decodeResponse,
  encodeRequest,
  MAX_RESPONSE_FRAME,
  type Response,
} from './messages.js'
import type { RateLimit } from './rate-limit.js'
import { type Want, type WantBook, wantKey } from './wants.js'
import { ReceiveWindow, type WindowBudget } from './window.js'

/** What a source needs of the exchange around it. */
export interface SourceInit {
  peer: PeerId
  /** The best way to the peer's blocks that works now. */
  open: (options: AbortOptions) => Promise<NetworkStream>
  clock: Clock
  limits: ExchangeLimits
  budget: WindowBudget
  book: WantBook
  /** How fast blocks may come to this device. @default as fast as can be */
  download?: RateLimit
  /** Whether blocks of this workspace may be asked of the peer. */
  allowed: (handle: WorkspaceHandle) => boolean
  store: (handle: WorkspaceHandle) => BlockStore | undefined
  /** Blocks came into the store. */
  onStored: (handle: WorkspaceHandle, digests: readonly BlockDigest[]) => void
  /** A block that another peer is asked for came from this one: nobody needs to send it again. */
  onClaimed: (want: Want) => void
  /** The store refused a block. */
  onFailed: (want: Want, error: Error) => void
  /** Blocks are open again, or there is room for more. */
  onChange: () => void
  /** The peer broke the protocol. */
  onFault: (error: Error) => void
}

interface Arrival {
  want: Want
  bytes: Uint8Array
}

const LONGEST_PAUSE = 60_000
const OPEN_TIMEOUT = 10_000
/** Slower than this, and without a whole frame, is no progress. Bytes per second. */
const LEAST_RATE = 4096
/** Bytes and blocks of one write into the store. */
const BATCH_BYTES = 4 * 1024 * 1024
const BATCH_BLOCKS = 256
/** Cancelled wants whose late blocks are still no fault. */
const MOST_CANCELLED = 4096
/** Notices about blocks that nobody wants, after which a peer is at fault. */
const MOST_USELESS = 100_000

/**
 * One peer as a source of blocks: keeps as many wants under way as the window takes, puts what comes into the store, and gives back what the
 * peer does not deliver. What a peer may send is exactly what it was asked for, within the credit it was given.
 */
export class Source {
  readonly #init: SourceInit
  readonly #window: ReceiveWindow
  readonly #asked = new Map<string, Want>()
  readonly #cancelled = new Set<string>()
  readonly #refused = new Map<WorkspaceHandle, { until: number; pause: number }>()
  #arrivals: Arrival[] = []
  #writes = 0
  #stream: NetworkStream | undefined
  /** Ends with the stream. */
  #session = new AbortController()
  /** It is this device that does not read on. */
  #paced = false
  #opening = false
  #closed = false
  #pausedUntil = Number.NEGATIVE_INFINITY
  #pause: number
  #useless = 0
  /** Version of the book in which there was nothing to ask this peer for. */
  #dry = -1
  #averageSize = 256 * 1024
  #rtt = Number.POSITIVE_INFINITY
  #askedAt: number | undefined
  #progress = { at: 0, bytes: 0 }
  #busy = { since: 0, bytes: 0 }

  constructor(init: SourceInit) {
    this.#init = init
    this.#pause = init.limits.firstPause
    const { startWindow: start, maxWindow: max } = init.limits
    this.#window = new ReceiveWindow({ start, max, budget: init.budget })
  }

  get peer(): PeerId {
    return this.#init.peer
  }

  /** Bytes per millisecond while it was busy; undefined as long as nothing is known. */
  get rate(): number | undefined {
    const elapsed = this.#now() - this.#busy.since
    return this.#busy.bytes === 0 ? undefined : this.#busy.bytes / Math.max(1, elapsed)
  }

  get window(): number {
    return this.#window.size
  }

  /** What carries blocks now. */
  get stream(): NetworkStream | undefined {
    return this.#stream
  }

  get asked(): ReadonlyMap<string, Want> {
    return this.#asked
  }

  /** Whether it could be asked for more at once. */
  get ready(): boolean {
    return !this.#closed && !this.#opening && this.#now() >= this.#pausedUntil
  }

  /** Milliseconds until what it is asked for should have come. */
  get backlog(): number {
    return (this.#asked.size * this.#averageSize) / (this.rate ?? LEAST_RATE / 1000)
  }

  /** Asks for up to `most` more blocks. Returns whether it did. */
  pull(most: number): boolean {
    const room = this.#room()
    const now = this.#now()
    if (room === 0 || !this.ready || this.#dry === this.#init.book.version || !this.#window.open(now)) {
      return false
    }
    const mayAsk = (handle: WorkspaceHandle) => this.mayAsk(handle)
    const wants = this.#init.book.take(this.peer, mayAsk, Math.min(room, most), now)
    if (wants.length > 0) this.ask(wants)
    else this.#dry = this.#init.book.version
    this.#rest()
    return wants.length > 0
  }

  mayAsk(handle: WorkspaceHandle): boolean {
    const refused = this.#refused.get(handle)
    return this.#init.allowed(handle) && (refused === undefined || refused.until <= this.#now())
  }

  /** Asks for these, which are its business from now on. */
  ask(wants: readonly Want[]): void {
    const now = this.#now()
    if (!this.#window.open(now)) {
      for (const want of wants) this.#init.book.release(want)
      return
    }
    if (this.#asked.size === 0) {
      this.#askedAt = now
      this.#progress = { at: now, bytes: 0 }
      this.#busy = { since: now, bytes: 0 }
    }
    for (const want of wants) this.#asked.set(wantKey(want.handle, want.digest), want)
    if (this.#stream === undefined) void this.#open()
    else {
      this.#sendWants('want', wants)
      // The stream may have opened when nothing was wanted any more, and so without any credit: the peer would answer nothing.
      this.#grant()
    }
  }

  /** These are not wanted of it any more. */
  cancel(wants: readonly Want[]): void {
    const known = wants.filter((want) => this.#asked.delete(wantKey(want.handle, want.digest)))
    for (const want of known) this.#cancelled.add(wantKey(want.handle, want.digest))
    for (const key of this.#cancelled) {
      if (this.#cancelled.size <= MOST_CANCELLED) break
      this.#cancelled.delete(key)
    }
    this.#sendWants('cancel', known)
    this.#rest()
  }

  /** The peer is connected again, or shares other workspaces: what failed before may work now. */
  refresh(): void {
    this.#pausedUntil = Number.NEGATIVE_INFINITY
    this.#pause = this.#init.limits.firstPause
    this.#refused.clear()
    this.#init.book.touch()
    for (const want of [...this.#asked.values()]) {
      if (!this.#init.allowed(want.handle)) this.#giveBack(want)
    }
  }

  /** Looks whether the peer makes progress. To be called about every second. */
  tick(): void {
    const now = this.#now()
    const { at, bytes } = this.#progress
    const waiting =
      this.#asked.size > 0 && this.#stream !== undefined && this.#window.credit > 0 && !this.#paced
    if (!waiting || bytes * 1000 >= LEAST_RATE * (now - at)) this.#progress = { at: now, bytes: 0 }
    else if (now - at >= this.#init.limits.stallAfter) {
      this.#lose(new PeerfoldError('TIMEOUT', `${this.peer} sends nothing of what it was asked for`))
    }
  }

  /** There is a better way to the peer: what is still to come is asked for again there. */
  reopen(): void {
    const reason = new PeerfoldError('CLOSED', 'another way is taken')
    const stream = this.#stream
    this.#stream = undefined
    this.#session.abort(reason)
    stream?.abort(reason)
    this.#cancelled.clear()
    if (this.#asked.size > 0) void this.#open()
  }

  /** Ends the session; after a pause there may be another. */
  drop(reason: Error): void {
    this.#lose(reason)
  }

  close(reason: Error): void {
    this.#closed = true
    this.#lose(reason)
  }

  async #open(): Promise<void> {
    if (this.#opening) return
    this.#opening = true
    try {
      const { clock, open } = this.#init
      const stream = await withDeadline(clock, OPEN_TIMEOUT, `opening ${PROTOCOL}`, (signal) =>
        open({ signal }),
      )
      this.#opening = false
      if (this.#closed) stream.abort(new PeerfoldError('CLOSED', 'not needed any more'))
      else this.#start(stream)
    } catch (error) {
      this.#opening = false
      this.#lose(error as Error)
    }
  }

  #start(stream: NetworkStream): void {
    this.#stream = stream
    this.#session = new AbortController()
    this.#paced = false
    this.#window.reset()
    this.#progress = { at: this.#now(), bytes: 0 }
    this.#askedAt = this.#now()
    this.#sendWants('want', [...this.#asked.values()])
    this.#grant()
    void this.#read(stream)
  }

  async #read(stream: NetworkStream): Promise<void> {
    try {
      const reader = new FrameReader(MAX_RESPONSE_FRAME, (size) => buffers.take(size))
      for await (const data of stream.source) {
        if (this.#stream !== stream) return
        this.#progress.bytes += data.byteLength
        await this.#pace(data.byteLength, stream)
        if (this.#stream !== stream) return
        reader.push(data)
        for (let frame = reader.next(); frame !== undefined; frame = reader.next()) this.#onFrame(frame)
      }
      this.#lost(stream, new PeerfoldError('NOT_CONNECTED', 'the peer ended the stream'))
    } catch (error) {
      if (this.#stream !== stream) return
      this.#lose(error as Error)
      if (isPeerfoldError(error, 'MESSAGE_INVALID')) this.#init.onFault(error)
    }
  }

  /** What is not read is held back on its way: the peer sends no faster than this device reads. */
  async #pace(bytes: number, stream: NetworkStream): Promise<void> {
    const { download } = this.#init
    if (download === undefined) return
    this.#paced = true
    try {
      await download.pass(bytes, { signal: this.#session.signal })
    } catch (error) {
      if (this.#stream === stream) throw error
    } finally {
      if (this.#stream === stream) this.#paced = false
    }
  }

  #onFrame(frame: Uint8Array): void {
    const now = this.#now()
    if (this.#askedAt !== undefined) this.#rtt = Math.min(this.#rtt, Math.max(1, now - this.#askedAt))
    this.#askedAt = undefined
    this.#progress = { at: now, bytes: 0 }
    this.#onResponse(decodeResponse(frame))
  }

  #onResponse(response: Response): void {
    const { type, handle } = response
    if (type === 'busy') this.#backOff()
    if (type === 'block') this.#onBlock(handle, response.digest, response.bytes)
    else if (type === 'missing') this.#onDigests(handle, response.digests, (want) => this.#onMissing(want))
    else if (type === 'busy') this.#onDigests(handle, response.digests, (want) => this.#giveBack(want))
    else if (type === 'have') this.#onHave(handle, response.digests)
    else this.#onRefused(handle)
  }

  #onBlock(handle: WorkspaceHandle, digest: BlockDigest, bytes: Uint8Array): void {
    const cost = blockCost(bytes.length)
    if (!this.#window.receive(cost)) throw new PeerfoldError('MESSAGE_INVALID', 'more bytes than the credit')
    const want = this.#expected(handle, digest)
    this.#pause = this.#init.limits.firstPause
    this.#averageSize += (bytes.length - this.#averageSize) / 8
    this.#busy.bytes += bytes.length
    if (want === undefined) this.#release(cost)
    else this.#arrivals.push({ want, bytes })
    this.#write()
  }

  /** The want that a block answers; undefined when it came too late to matter. */
  #expected(handle: WorkspaceHandle, digest: BlockDigest): Want | undefined {
    const key = wantKey(handle, digest)
    const want = this.#asked.get(key)
    if (this.#asked.delete(key)) return want
    if (!this.#cancelled.delete(key)) throw new PeerfoldError('MESSAGE_INVALID', 'a block nobody asked for')
    const late = this.#init.book.get(handle, digest)
    if (late?.asked === undefined || late.asked === this.peer) return undefined
    this.#init.onClaimed(late)
    this.#init.book.reassign(late, this.peer)
    return late
  }

  #onDigests(handle: WorkspaceHandle, digests: readonly BlockDigest[], answer: (want: Want) => void): void {
    for (const digest of digests) {
      const key = wantKey(handle, digest)
      const want = this.#asked.get(key)
      if (want !== undefined) answer(want)
      else if (!this.#cancelled.delete(key)) {
        throw new PeerfoldError('MESSAGE_INVALID', 'an answer that nobody asked for')
      }
    }
    this.#rest()
    this.#init.onChange()
  }

  #onMissing(want: Want): void {
    want.missing.set(this.peer, this.#now() + this.#init.limits.missingFor)
    want.holders.delete(this.peer)
    this.#giveBack(want)
  }

  #onHave(handle: WorkspaceHandle, digests: readonly BlockDigest[]): void {
    for (const digest of digests) {
      const want = this.#init.allowed(handle) ? this.#init.book.get(handle, digest) : undefined
      if (want === undefined) this.#useless++
      want?.missing.delete(this.peer)
      want?.holders.add(this.peer)
    }
    this.#init.book.touch()
    if (this.#useless > MOST_USELESS) throw new PeerfoldError('MESSAGE_INVALID', 'endless notices')
    this.#init.onChange()
  }

  #onRefused(handle: WorkspaceHandle): void {
    const pause = Math.min(
      LONGEST_PAUSE,
      2 * (this.#refused.get(handle)?.pause ?? this.#init.limits.firstPause / 2),
    )
    this.#refused.set(handle, { until: this.#now() + pause, pause })
    for (const want of [...this.#asked.values()]) if (want.handle === handle) this.#giveBack(want)
    this.#rest()
    this.#init.onChange()
  }

  #giveBack(want: Want): void {
    this.#asked.delete(wantKey(want.handle, want.digest))
    this.#init.book.release(want)
  }

  #write(): void {
    while (this.#writes < this.#init.limits.writesAtOnce && this.#arrivals.length > 0) {
      this.#writes++
      void this.#put(this.#nextBatch()).then(() => {
        this.#writes--
        this.#write()
        this.#rest()
        this.#init.onChange()
      })
    }
  }

  /** Blocks of one workspace, as many as have come. */
  #nextBatch(): Arrival[] {
    const handle = this.#arrivals[0]?.want.handle
    let [count, bytes] = [0, 0]
    for (const arrival of this.#arrivals) {
      bytes += arrival.bytes.length
      if (count === BATCH_BLOCKS || bytes > BATCH_BYTES || arrival.want.handle !== handle) break
      count++
    }
    return this.#arrivals.splice(0, Math.max(1, count))
  }

  async #put(batch: readonly Arrival[]): Promise<void> {
    const { book } = this.#init
    const handle = (batch[0] as Arrival).want.handle
    try {
      const blocks: Block[] = batch.map(({ want, bytes }) => ({ cid: want.cid, bytes }))
      await this.#init.store(handle)?.put(blocks)
      for (const { bytes } of batch) buffers.give(bytes)
      for (const { want, bytes } of batch) book.stored(handle, want.digest, bytes.length)
      this.#init.onStored(
        handle,
        batch.map(({ want }) => want.digest),
      )
    } catch (error) {
      this.#onPutFailed(batch, error as Error)
    } finally {
      this.#release(batch.reduce((sum, { bytes }) => sum + blockCost(bytes.length), 0))
    }
  }

  /** The peer sent what does not match its name: it is shunned and others are asked. Or the disk refused: then the fetches fail. */
  #onPutFailed(batch: readonly Arrival[], error: Error): void {
    const corrupt = isPeerfoldError(error, 'BLOCK_CORRUPT')
    for (const { want } of batch) {
      if (corrupt) this.#init.book.release(want)
      else this.#init.onFailed(want, error)
    }
    if (corrupt) this.#init.onFault(error)
  }

  #release(cost: number): void {
    this.#window.release(cost, this.#now(), this.#rtt)
    this.#grant()
  }

  #grant(): void {
    const stream = this.#stream
    if (stream === undefined) return
    const bytes = this.#window.grant()
    if (bytes > 0) this.#send(stream, encodeRequest({ type: 'credit', bytes }))
  }

  #sendWants(type: 'want' | 'cancel', wants: readonly Want[]): void {
    const stream = this.#stream
    if (stream === undefined) return
    for (const [handle, group] of byHandle(wants)) {
      for (let at = 0; at < group.length; at += MAX_DIGESTS) {
        const digests = group.slice(at, at + MAX_DIGESTS).map((want) => want.digest)
        this.#send(stream, encodeRequest({ type, handle, digests }))
      }
    }
  }

  /** Not awaited: what is under way is bounded by the wants and the window. */
  #send(stream: NetworkStream, frame: Uint8Array): void {
    stream.send(frame).catch((error: Error) => this.#lost(stream, error))
  }

  #lost(stream: NetworkStream, error: Error): void {
    if (this.#stream === stream) this.#lose(error)
  }

  /** The session is over. What it was asked for goes to others, and later perhaps to it again. */
  #lose(error: Error): void {
    const stream = this.#stream
    this.#stream = undefined
    this.#session.abort(error)
    stream?.abort(error)
    this.#cancelled.clear()
    this.#backOff()
    for (const want of [...this.#asked.values()]) this.#giveBack(want)
    this.#rest()
    this.#init.onChange()
  }

  #backOff(): void {
    this.#pausedUntil = this.#now() + this.#pause
    this.#pause = Math.min(LONGEST_PAUSE, 2 * this.#pause)
  }

  /** With nothing under way, the window's memory is for others. */
  #rest(): void {
    if (this.#asked.size === 0 && this.#window.held === 0 && this.#window.size > 0) this.#window.shut()
  }

  /** How many more wants keep the peer busy for two windows. */
  #room(): number {
    const window = Math.max(this.#window.size, this.#init.limits.startWindow)
    const target = Math.ceil((2 * window) / Math.max(1, this.#averageSize))
    const most = Math.min(this.#init.limits.maxOutstanding, Math.max(16, target))
    const room = most - this.#asked.size
    return 4 * room >= most ? room : 0
  }

  #now(): number {
    return this.#init.clock.monotonic()
  }
}

function byHandle(wants: readonly Want[]): Map<WorkspaceHandle, Want[]> {
  const groups = new Map<WorkspaceHandle, Want[]>()
  for (const want of wants) {
    const group = groups.get(want.handle)
    if (group === undefined) groups.set(want.handle, [want])
    else group.push(want)
  }
  return groups
}
