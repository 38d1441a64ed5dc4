import type { Stream, StreamMessageEvent } from '@libp2p/interface'
import type { Uint8ArrayList } from 'uint8arraylist'
import { raceSignal } from '../async/deadline.js'
import { Wakeup } from '../async/wakeup.js'
import { PeerfoldError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'
import type { NetworkStream, PeerId } from '../ports/network.js'
import { fromLibp2p } from './errors.js'

/** Unread bytes at which the peer is told to pause, and at which it may go on. */
const PAUSE_AT = 1024 * 1024
const RESUME_AT = 512 * 1024
/** Unsent bytes above which `send` waits. */
const UNSENT_LIMIT = 256 * 1024

type Bytes = Uint8Array | Uint8ArrayList

/**
 * A libp2p stream with real back pressure. Three things that libp2p's own helpers get wrong are done by hand: `onDrain()` resolves at once
 * after the first time, its async iterator buffers without limit, and ends at `remoteCloseWrite` though paused data is still to come.
 */
export class Libp2pStream implements NetworkStream {
  readonly protocol: string
  readonly peer: PeerId
  readonly source: AsyncIterable<Bytes>
  readonly #stream: Stream
  readonly #onBytes: () => void
  readonly #readable = new Wakeup()
  readonly #writable = new Wakeup()
  #unread: Bytes[] = []
  #unreadBytes = 0
  #remoteClosed: boolean
  #ended = false
  #discarding = false
  #closing: Promise<void> | undefined
  #failure: Error | undefined

  /** @param onBytes called when bytes arrive: the peer is alive */
  constructor(stream: Stream, peer: PeerId, onBytes: () => void = () => {}) {
    this.#stream = stream
    this.#onBytes = onBytes
    this.protocol = stream.protocol
    this.peer = peer
    this.#remoteClosed = stream.remoteWriteStatus === 'closed' && stream.status === 'open'
    this.#ended = stream.readableEnded && this.#remoteClosed
    const reader = {
      next: () => this.#next(),
      return: async () => {
        this.#discard()
        return { done: true as const, value: undefined }
      },
    }
    this.source = { [Symbol.asyncIterator]: () => reader }
    this.#listen()
  }

  async send(data: Bytes, options?: AbortOptions): Promise<void> {
    options?.signal?.throwIfAborted()
    if (this.#failure !== undefined) throw this.#failure
    if (this.#closing !== undefined) throw new PeerfoldError('CLOSED', 'this side of the stream is closed')
    try {
      if (data.byteLength > 0) this.#stream.send(data)
    } catch (error) {
      throw this.#failure ?? fromLibp2p(error, 'sending failed')
    }
    while (this.#isFull() && this.#failure === undefined) await this.#writable.wait(options)
    if (this.#failure !== undefined) throw this.#failure
  }

  async close(options?: AbortOptions): Promise<void> {
    options?.signal?.throwIfAborted()
    if (this.#failure !== undefined && this.#closing === undefined) throw this.#failure
    this.#closing ??= this.#flushAndClose()
    await raceSignal(this.#closing, options?.signal)
  }

  abort(reason: Error): void {
    if (this.#failure !== undefined) return
    this.#fail(reason)
    this.#stream.abort(reason)
  }

  #listen(): void {
    const stream = this.#stream
    stream.addEventListener('drain', () => this.#writable.wake())
    stream.addEventListener('idle', () => this.#writable.wake())
    stream.addEventListener('remoteCloseWrite', () => {
      this.#remoteClosed = true
    })
    stream.addEventListener('end', () => this.#onEnd())
    stream.addEventListener('close', (event) => this.#onClose(event.error))
    stream.addEventListener('message', (event) => this.#onMessage(event))
    if (stream.status !== 'open' && !this.#remoteClosed) this.#onClose(undefined)
  }

  #onMessage(event: StreamMessageEvent): void {
    this.#onBytes()
    if (this.#discarding || this.#failure !== undefined) return
    this.#unread.push(event.data)
    this.#unreadBytes += event.data.byteLength
    if (this.#unreadBytes >= PAUSE_AT && this.#stream.readStatus === 'readable') this.#stream.pause()
    this.#readable.wake()
  }

  /** All that the peer sent has been handed over, or nothing more will be. */
  #onEnd(): void {
    if (!this.#remoteClosed) return
    this.#ended = true
    this.#readable.wake()
  }

  /** Both sides are done, or the stream was reset, or the connection went away without a word. */
  #onClose(error: Error | undefined): void {
    if (error !== undefined) this.#fail(fromLibp2p(error, 'the stream was reset'))
    else if (!this.#remoteClosed) this.#fail(new PeerfoldError('NOT_CONNECTED', 'the connection was lost'))
    this.#writable.wake()
  }

  #fail(reason: Error): void {
    this.#failure ??= reason
    if (!this.#ended) this.#drop()
    this.#readable.wake()
    this.#writable.wake()
  }

  async #next(): Promise<IteratorResult<Bytes>> {
    while (true) {
      const value = this.#unread.shift()
      if (value !== undefined) {
        this.#unreadBytes -= value.byteLength
        if (this.#unreadBytes <= RESUME_AT) this.#resume()
        return { done: false, value }
      }
      if (this.#ended || this.#discarding) return { done: true, value: undefined }
      if (this.#failure !== undefined) throw this.#failure
      await this.#readable.wait()
    }
  }

  #discard(): void {
    this.#discarding = true
    this.#drop()
    this.#resume()
  }

  #drop(): void {
    this.#unread = []
    this.#unreadBytes = 0
  }

  #resume(): void {
    if (this.#stream.readStatus !== 'paused') return
    try {
      this.#stream.resume()
    } catch {
      // What was buffered has been handed over before the window update that found the connection gone; `close` tells the rest.
    }
  }

  #isFull(): boolean {
    return this.#stream.writableNeedsDrain || this.#stream.writeBufferLength > UNSENT_LIMIT
  }

  async #flushAndClose(): Promise<void> {
    try {
      await this.#stream.close()
    } catch (error) {
      throw this.#failure ?? fromLibp2p(error, 'closing failed')
    }
  }
}
