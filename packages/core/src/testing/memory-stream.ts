import type { Uint8ArrayList } from 'uint8arraylist'
import { Wakeup } from '../async/wakeup.js'
import { PeerfoldError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'
import type { NetworkStream, PeerId } from '../ports/network.js'

/** How one direction of a memory stream behaves. The hub decides; the pipe obeys. */
export interface PipeInit {
  /** Bytes that may be on their way or unread before `send` waits. */
  capacity: number
  /** Size of the next piece: streams keep bytes, not message boundaries. */
  pieceSize: () => number
  /** Resolves when a piece of this size, sent at this moment, has arrived. Called in the order of sending. */
  travel: (bytes: number) => () => Promise<void>
}

type Parcel = { arrive: () => Promise<void> } & (
  | { bytes: Uint8Array }
  | { end: true }
  | { reset: () => void }
)

/** One direction: ordered, reliable, bounded. */
export class MemoryPipe {
  readonly #init: PipeInit
  readonly #changed = new Wakeup()
  #travelling: Parcel[] = []
  #arrived: Uint8Array[] = []
  #pumping = false
  /** Travelling and unread bytes. */
  #held = 0
  #closed = false
  #ended = false
  #discarding = false
  #readFailure: Error | undefined
  #writeFailure: Error | undefined

  constructor(init: PipeInit) {
    this.#init = init
  }

  /** Whether nothing more can happen here. */
  get finished(): boolean {
    return (this.#ended && this.#arrived.length === 0) || this.#readFailure !== undefined
  }

  async send(data: Uint8Array | Uint8ArrayList, options?: AbortOptions): Promise<void> {
    options?.signal?.throwIfAborted()
    if (this.#writeFailure !== undefined) throw this.#writeFailure
    if (this.#closed) throw new PeerfoldError('CLOSED', 'this side of the stream is closed')
    for (let start = 0; start < data.byteLength; ) {
      const bytes = data.slice(start, Math.min(data.byteLength, start + this.#init.pieceSize()))
      this.#held += bytes.length
      this.#dispatch({ bytes, arrive: this.#init.travel(bytes.length) })
      start += bytes.length
    }
    while (this.#held > this.#init.capacity && this.#writeFailure === undefined)
      await this.#changed.wait(options)
    if (this.#writeFailure !== undefined) throw this.#writeFailure
  }

  close(): void {
    if (this.#closed || this.#writeFailure !== undefined) return
    this.#closed = true
    this.#dispatch({ end: true, arrive: this.#init.travel(0) })
  }

  /** What is under way is lost; `onArrival` runs when the other end learns of it. */
  reset(onArrival: () => void): void {
    this.#travelling = []
    this.#dispatch({ reset: onArrival, arrive: this.#init.travel(0) })
  }

  failWriter(reason: Error): void {
    this.#writeFailure ??= reason
    this.#changed.wake()
  }

  failReader(reason: Error): void {
    if (this.#ended && this.#arrived.length === 0) return
    this.#readFailure ??= reason
    this.#travelling = []
    this.#arrived = []
    this.#held = 0
    this.#changed.wake()
  }

  async next(): Promise<IteratorResult<Uint8Array>> {
    while (true) {
      const bytes = this.#arrived.shift()
      if (bytes !== undefined) {
        this.#held -= bytes.length
        this.#changed.wake()
        return { done: false, value: bytes }
      }
      if (this.#readFailure !== undefined) throw this.#readFailure
      if (this.#ended || this.#discarding) return { done: true, value: undefined }
      await this.#changed.wait()
    }
  }

  /** The reader lost interest: what still comes is dropped. */
  discard(): void {
    this.#discarding = true
    for (const bytes of this.#arrived) this.#held -= bytes.length
    this.#arrived = []
    this.#changed.wake()
  }

  #dispatch(parcel: Parcel): void {
    this.#travelling.push(parcel)
    if (this.#pumping) return
    this.#pumping = true
    void this.#pump()
  }

  async #pump(): Promise<void> {
    for (let parcel = this.#travelling[0]; parcel !== undefined; parcel = this.#travelling[0]) {
      await parcel.arrive()
      if (this.#travelling[0] !== parcel) continue
      this.#travelling.shift()
      this.#deliver(parcel)
    }
    this.#pumping = false
  }

  #deliver(parcel: Parcel): void {
    if ('reset' in parcel) parcel.reset()
    else if ('end' in parcel) this.#ended = true
    else if (this.#discarding) this.#held -= parcel.bytes.length
    else this.#arrived.push(parcel.bytes)
    this.#changed.wake()
  }
}

/** One end of a stream: writes into one pipe, reads from the other. */
export class MemoryStream implements NetworkStream {
  readonly protocol: string
  readonly peer: PeerId
  readonly source: AsyncIterable<Uint8Array>
  readonly #out: MemoryPipe
  readonly #in: MemoryPipe

  constructor(protocol: string, peer: PeerId, out: MemoryPipe, incoming: MemoryPipe) {
    this.protocol = protocol
    this.peer = peer
    this.#out = out
    this.#in = incoming
    const reader: AsyncIterator<Uint8Array> = {
      next: () => incoming.next(),
      return: async () => {
        incoming.discard()
        return { done: true, value: undefined }
      },
    }
    this.source = { [Symbol.asyncIterator]: () => reader }
  }

  get finished(): boolean {
    return this.#out.finished && this.#in.finished
  }

  send(data: Uint8Array | Uint8ArrayList, options?: AbortOptions): Promise<void> {
    return this.#out.send(data, options)
  }

  async close(options?: AbortOptions): Promise<void> {
    options?.signal?.throwIfAborted()
    this.#out.close()
  }

  abort(reason: Error): void {
    const theirs = new PeerfoldError('NOT_CONNECTED', 'the peer reset the stream', { cause: reason })
    this.#fail(reason)
    this.#out.reset(() => {
      this.#out.failReader(theirs)
      this.#in.failWriter(theirs)
    })
  }

  /** The connection is gone: this end knows at once. */
  lose(): void {
    this.#fail(new PeerfoldError('NOT_CONNECTED', 'the connection was lost'))
  }

  #fail(reason: Error): void {
    this.#in.failReader(reason)
    this.#out.failWriter(reason)
  }
}
