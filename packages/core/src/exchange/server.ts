import { Uint8ArrayList } from 'uint8arraylist'
import { Wakeup } from '../async/wakeup.js'
import { blockCid } from '../content/block-cid.js'
import { fromHex } from '../encoding/bytes.js'
import { isPeerfoldError, PeerfoldError } from '../errors.js'
import type { BlockStore } from '../ports/block-store.js'
import type { Clock } from '../ports/clock.js'
import type { WorkspaceHandle } from '../ports/ids.js'
import type { NetworkStream } from '../ports/network.js'
import { FrameReader } from './frame-reader.js'
import { type ExchangeLimits, MAX_CREDIT, MAX_DIGESTS, MAX_REQUEST_FRAME } from './limits.js'
import {
  type BlockDigest,
  blockCost,
  decodeRequest,
  encodeBlockHeader,
  encodeResponse,
  type Request,
} from './messages.js'
import type { RateLimit } from './rate-limit.js'
import { RequestRate } from './request-rate.js'
import { wantKey } from './wants.js'

export interface ServerInit {
  stream: NetworkStream
  clock: Clock
  limits: ExchangeLimits
  /** How fast blocks may leave this device. @default as fast as can be */
  upload?: RateLimit
  /** The store of a workspace that this peer may read; undefined when it may not. */
  store: (handle: WorkspaceHandle) => BlockStore | undefined
  onFault: (error: Error) => void
  onClose: () => void
}

type Reading = Uint8Array | 'missing' | 'failed'

interface Queued {
  handle: WorkspaceHandle
  digest: BlockDigest
  /** Known once it has been read. */
  size?: number
  reading?: Promise<Reading>
  /** What was read, once it has been. */
  outcome?: Reading
}

/** Small blocks leave together: bytes of one write to the stream. */
const WRITE_BYTES = 64 * 1024
/** Under a limit, what passes at once. */
const PIECE_BYTES = 16 * 1024
/** Blocks that a peer was told are lacking here, of which it hears when they come. */
const MOST_LACKED = 4096
/** How often to look whether lacked blocks have come by another way, milliseconds. */
const LACKED_INTERVAL = 5_000
/** Wants for workspaces that it may not read, after which a peer is at fault. */
const MOST_REFUSED = 256
/** A peer that is not authorised for anything, and for how long its stream is borne, milliseconds. */
const UNAUTHORIZED_FOR = 60_000

/** Serves one peer's wants in their order, within its credit, reading a little ahead. */
export class Server {
  readonly #init: ServerInit
  readonly #changed = new Wakeup()
  readonly #lacked = new Map<string, { handle: WorkspaceHandle; digest: BlockDigest }>()
  readonly #waiting = new Map<string, Queued>()
  readonly #stop = new AbortController()
  #queue: Queued[] = []
  #missing: Queued[] = []
  #unsent = new Uint8ArrayList()
  #sending: Promise<void> = Promise.resolve()
  #credit = 0
  #averageSize = 256 * 1024
  #refusals = 0
  #watching = false
  #served = false

  constructor(init: ServerInit) {
    this.#init = init
    void this.#read()
    void this.#serve()
    void this.#expectAuthority()
  }

  /** Blocks came into a store: whoever asked for them in vain is told. */
  onStored(handle: WorkspaceHandle, digests: readonly BlockDigest[]): void {
    const news = digests.filter((digest) => this.#lacked.delete(wantKey(handle, digest)))
    this.#sendDigests('have', handle, news)
  }

  /** What the peer may read has changed. */
  refresh(): void {
    this.#queue = this.#queue.filter((entry) => {
      if (this.#init.store(entry.handle) !== undefined) return true
      this.#waiting.delete(wantKey(entry.handle, entry.digest))
      return false
    })
    this.#changed.wake()
  }

  close(reason: Error): void {
    if (this.#stop.signal.aborted) return
    this.#stop.abort(reason)
    this.#queue = []
    this.#waiting.clear()
    this.#lacked.clear()
    this.#changed.wake()
    this.#init.stream.abort(reason)
    this.#init.onClose()
  }

  async #read(): Promise<void> {
    const rate = new RequestRate(this.#init.clock)
    try {
      const reader = new FrameReader(MAX_REQUEST_FRAME)
      for await (const data of this.#init.stream.source) {
        reader.push(data)
        for (let frame = reader.next(); frame !== undefined; frame = reader.next()) {
          await rate.pass(this.#stop.signal)
          this.#onRequest(decodeRequest(frame))
        }
      }
      this.close(new PeerfoldError('NOT_CONNECTED', 'the peer ended the stream'))
    } catch (error) {
      this.#fail(error as Error)
    }
  }

  #fail(error: Error): void {
    if (this.#stop.signal.aborted) return
    this.close(error)
    if (isPeerfoldError(error, 'MESSAGE_INVALID')) this.#init.onFault(error)
  }

  #onRequest(request: Request): void {
    if (request.type === 'want') this.#onWant(request.handle, request.digests)
    else if (request.type === 'cancel') this.#onCancel(request.handle, request.digests)
    else this.#onCredit(request.bytes)
    this.#changed.wake()
  }

  #onCredit(bytes: number): void {
    this.#credit += bytes
    if (this.#credit > MAX_CREDIT) throw new PeerfoldError('MESSAGE_INVALID', 'more credit than any window')
  }

  #onWant(handle: WorkspaceHandle, digests: readonly BlockDigest[]): void {
    if (this.#init.store(handle) === undefined) this.#refuse(handle)
    else this.#enqueue(handle, digests)
  }

  #enqueue(handle: WorkspaceHandle, digests: readonly BlockDigest[]): void {
    this.#served = true
    const busy: BlockDigest[] = []
    for (const digest of digests) {
      const key = wantKey(handle, digest)
      if (this.#waiting.has(key)) continue
      if (this.#queue.length >= this.#init.limits.maxQueued) {
        busy.push(digest)
        continue
      }
      const entry = { handle, digest }
      this.#waiting.set(key, entry)
      this.#queue.push(entry)
    }
    this.#sendDigests('busy', handle, busy)
  }

  #onCancel(handle: WorkspaceHandle, digests: readonly BlockDigest[]): void {
    const cancelled = new Set<Queued>()
    for (const digest of digests) {
      const key = wantKey(handle, digest)
      const entry = this.#waiting.get(key)
      if (entry !== undefined) cancelled.add(entry)
      this.#waiting.delete(key)
      this.#lacked.delete(key)
    }
    if (cancelled.size > 0) this.#queue = this.#queue.filter((entry) => !cancelled.has(entry))
  }

  #refuse(handle: WorkspaceHandle): void {
    this.#refusals++
    if (this.#refusals > MOST_REFUSED) throw new PeerfoldError('MESSAGE_INVALID', 'endless wants not allowed')
    this.#send(encodeResponse({ type: 'refused', handle }))
  }

  async #serve(): Promise<void> {
    const { signal } = this.#stop
    try {
      while (!signal.aborted) {
        this.#readAhead()
        const head = this.#queue[0]
        if (head?.outcome !== undefined) await this.#answer(head, head.outcome)
        else await this.#pause(head)
      }
    } catch (error) {
      this.#fail(error as Error)
    }
  }

  /** Nothing is ready: what is finished goes out; else the next block or the next request is waited for. The caller looks again. */
  async #pause(head: Queued | undefined): Promise<void> {
    this.#flushMissing()
    if (this.#unsent.byteLength > 0) await this.#flush()
    else if (head?.reading === undefined) await this.#changed.wait({ signal: this.#stop.signal })
    else await head.reading
  }

  /** Starts reading what the credit will cover, at least as far as one can know before reading. */
  #readAhead(): void {
    let credit = this.#credit
    for (const [index, entry] of this.#queue.entries()) {
      if (index >= this.#init.limits.readAhead) break
      const cost = blockCost(entry.size ?? this.#averageSize)
      const unknownHead = index === 0 && entry.size === undefined && credit > 0
      if (cost > credit && !unknownHead) break
      credit -= cost
      if (entry.reading === undefined) this.#startReading(entry)
    }
  }

  #startReading(entry: Queued): void {
    const reading = this.#readBlock(entry).then((outcome) => {
      if (entry.reading === reading) entry.outcome = outcome
      return outcome
    })
    entry.reading = reading
  }

  async #readBlock(entry: Queued): Promise<Reading> {
    try {
      const store = this.#init.store(entry.handle)
      if (store === undefined) return 'missing'
      return await store.get(blockCid(fromHex(entry.digest)), { signal: this.#stop.signal })
    } catch (error) {
      const gone = isPeerfoldError(error, 'BLOCK_NOT_FOUND') || isPeerfoldError(error, 'BLOCK_CORRUPT')
      return gone ? 'missing' : 'failed'
    }
  }

  async #answer(entry: Queued, outcome: Reading): Promise<void> {
    if (outcome === 'missing') {
      this.#remove(entry)
      this.#missing.push(entry)
      if (this.#missing.length === MAX_DIGESTS) this.#flushMissing()
      return
    }
    this.#flushMissing()
    if (outcome === 'failed') {
      this.#remove(entry)
      this.#sendDigests('busy', entry.handle, [entry.digest])
      return
    }
    entry.size = outcome.length
    const cost = blockCost(outcome.length)
    if (cost > this.#credit) await this.#waitForCredit()
    else await this.#sendBlock(entry, outcome, cost)
  }

  async #sendBlock(entry: Queued, bytes: Uint8Array, cost: number): Promise<void> {
    this.#remove(entry)
    this.#credit -= cost
    this.#averageSize += (bytes.length - this.#averageSize) / 8
    this.#unsent.append(encodeBlockHeader(entry.handle, entry.digest, bytes.length))
    this.#unsent.append(bytes)
    if (this.#unsent.byteLength >= WRITE_BYTES) await this.#flush()
  }

  async #flush(): Promise<void> {
    const unsent = this.#unsent
    this.#unsent = new Uint8ArrayList()
    this.#readAhead()
    await this.#inTurn(() => this.#sendPaced(unsent))
  }

  /** In pieces that are small enough for peers to take turns. */
  async #sendPaced(unsent: Uint8ArrayList): Promise<void> {
    const { stream, upload } = this.#init
    const { signal } = this.#stop
    if (upload === undefined) return await stream.send(unsent, { signal })
    for (let at = 0; at < unsent.byteLength; at += PIECE_BYTES) {
      const piece = unsent.sublist(at, Math.min(at + PIECE_BYTES, unsent.byteLength))
      await upload.pass(piece.byteLength, { signal })
      await stream.send(piece, { signal })
    }
  }

  /** Frames must not meet inside a block that leaves in pieces. */
  #inTurn(send: () => Promise<void>): Promise<void> {
    if (this.#init.upload === undefined) return send()
    const sent = this.#sending.then(send)
    this.#sending = sent.catch(() => {})
    return sent
  }

  /** Without credit only the next block is kept in memory: a peer could give none for ever. The others are read again. */
  async #waitForCredit(): Promise<void> {
    for (const entry of this.#queue.slice(1, this.#init.limits.readAhead)) {
      entry.reading = undefined
      entry.outcome = undefined
    }
    if (this.#unsent.byteLength > 0) await this.#flush()
    else await this.#changed.wait({ signal: this.#stop.signal })
  }

  #remove(entry: Queued): void {
    this.#queue.shift()
    this.#waiting.delete(wantKey(entry.handle, entry.digest))
  }

  /** Answers in few frames, one for each workspace. */
  #flushMissing(): void {
    const entries = this.#missing
    this.#missing = []
    for (const handle of new Set(entries.map((entry) => entry.handle))) {
      const digests = entries.filter((entry) => entry.handle === handle).map((entry) => entry.digest)
      this.#sendDigests('missing', handle, digests)
      for (const digest of digests) this.#lack(handle, digest)
    }
  }

  #lack(handle: WorkspaceHandle, digest: BlockDigest): void {
    this.#lacked.set(wantKey(handle, digest), { handle, digest })
    for (const key of this.#lacked.keys()) {
      if (this.#lacked.size <= MOST_LACKED) break
      this.#lacked.delete(key)
    }
    if (!this.#watching) void this.#watchLacked()
  }

  /** Blocks also come from this device itself, of which the exchange hears nothing. */
  async #watchLacked(): Promise<void> {
    const { signal } = this.#stop
    this.#watching = true
    while (this.#lacked.size > 0 && !signal.aborted) {
      await this.#init.clock.sleep(LACKED_INTERVAL, { signal }).catch(() => {})
      await this.#findLacked().catch(() => {})
    }
    this.#watching = false
  }

  async #findLacked(): Promise<void> {
    const lacked = [...this.#lacked.values()]
    for (const handle of new Set(lacked.map((entry) => entry.handle))) {
      const digests = lacked.filter((entry) => entry.handle === handle).map((entry) => entry.digest)
      const cids = digests.map((digest) => blockCid(fromHex(digest)))
      const held = (await this.#init.store(handle)?.has(cids, { signal: this.#stop.signal })) ?? []
      this.onStored(
        handle,
        digests.filter((_, i) => held[i]),
      )
    }
  }

  async #expectAuthority(): Promise<void> {
    const { signal } = this.#stop
    await this.#init.clock.sleep(UNAUTHORIZED_FOR, { signal }).catch(() => {})
    if (!this.#served) this.close(new PeerfoldError('UNAUTHORIZED', 'it asked for nothing that it may read'))
  }

  #sendDigests(type: 'missing' | 'have' | 'busy', handle: WorkspaceHandle, digests: BlockDigest[]): void {
    for (let at = 0; at < digests.length; at += MAX_DIGESTS) {
      this.#send(encodeResponse({ type, handle, digests: digests.slice(at, at + MAX_DIGESTS) }))
    }
  }

  /** Not awaited: answers are bounded by the wants, whose reading is bounded by `RequestRate`. */
  #send(frame: Uint8Array): void {
    this.#inTurn(() => this.#init.stream.send(frame)).catch((error: Error) => this.close(error))
  }
}
