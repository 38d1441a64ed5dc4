import * as lengthPrefixed from 'it-length-prefixed'
import { pipe } from 'it-pipe'
import type { Uint8ArrayList } from 'uint8arraylist'
import { PeerfoldError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'
import type { Clock } from '../ports/clock.js'
import type { NetworkStream } from '../ports/network.js'
import { KIB } from './limits.js'

const MAX_QUEUED_BYTES = 4096 * KIB
/** The library's own limit, 4 MiB, is not ours: `maxFrame` is checked before a frame is read, codecs check what is sent. */
const LIBRARY = { maxDataLength: 2 ** 30 }

export interface ChannelInit<M, S = M> {
  stream: NetworkStream
  clock: Clock
  encode(message: S): Uint8Array
  /** @throws {PeerfoldError} `MESSAGE_INVALID` */
  decode(frame: Uint8Array): M
  /** Largest frame accepted. May be raised later. */
  maxFrame: number
  /** Bytes of frames that wait to be sent, beyond which the peer does not read at all. @default 4 MiB */
  maxQueued?: number
}

interface Queued {
  frame: Uint8ArrayList
  sent: () => void
  failed: (error: unknown) => void
}

/**
 * Length-prefixed messages over a stream. Messages leave in the order of the calls; while the transport is full the queue
 * grows up to a bound. `M` is what comes, `S` what is sent.
 */
export class Channel<M, S = M> {
  readonly #init: ChannelInit<M, S>
  readonly #messages: AsyncGenerator<M>
  #queue: Queued[] = []
  #queued = 0
  #writing = false
  #failure: Error | undefined
  maxFrame: number
  /** Monotonic time of the last byte that came. */
  heard: number

  constructor(init: ChannelInit<M, S>) {
    this.#init = init
    this.maxFrame = init.maxFrame
    this.heard = init.clock.monotonic()
    this.#messages = this.#read()
  }

  /** The next message, or undefined when the peer has closed its side. One caller at a time. */
  async next(): Promise<M | undefined> {
    const { done, value } = await this.#messages.next()
    return done === true ? undefined : value
  }

  /** Resolves when the transport has taken the message. */
  send(message: S, options?: AbortOptions): Promise<void> {
    if (options?.signal?.aborted) return Promise.reject(options.signal.reason)
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    const frame = lengthPrefixed.encode.single(this.#init.encode(message), LIBRARY)
    return new Promise((sent, failed) => {
      this.#queue.push({ frame, sent, failed })
      this.#queued += frame.byteLength
      if (this.#queued > (this.#init.maxQueued ?? MAX_QUEUED_BYTES)) {
        return this.abort(new PeerfoldError('TIMEOUT', 'the peer does not read what it is sent'))
      }
      if (!this.#writing) void this.#write()
    })
  }

  /** Sends without waiting. A failure shows in `next`. */
  post(message: S): void {
    this.send(message).catch(() => {})
  }

  /** Closes this side after what was sent. */
  async close(options?: AbortOptions): Promise<void> {
    await this.#init.stream.close(options)
  }

  abort(reason: Error): void {
    this.#fail(reason)
    this.#init.stream.abort(reason)
  }

  async *#read(): AsyncGenerator<M> {
    const frames = pipe(
      this.#init.stream.source,
      (source) => this.#listen(source),
      (source) =>
        lengthPrefixed.decode(source, { ...LIBRARY, onLength: (length) => this.#checkLength(length) }),
    )
    try {
      for await (const frame of frames) yield this.#init.decode(plain(frame.subarray()))
    } catch (error) {
      throw this.#failure ?? framingError(error)
    }
  }

  async *#listen(source: AsyncIterable<Uint8Array | Uint8ArrayList>) {
    for await (const bytes of source) {
      this.heard = this.#init.clock.monotonic()
      yield bytes
    }
  }

  #checkLength(length: number): void {
    if (length === 0 || length > this.maxFrame) {
      throw new PeerfoldError('MESSAGE_INVALID', `a frame of ${length} bytes, at most ${this.maxFrame}`)
    }
  }

  async #write(): Promise<void> {
    this.#writing = true
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      try {
        await this.#init.stream.send(next.frame)
        this.#queued -= next.frame.byteLength
        next.sent()
      } catch (error) {
        next.failed(error)
        this.#fail(error instanceof Error ? error : new Error(String(error)))
      }
    }
    this.#writing = false
  }

  #fail(reason: Error): void {
    this.#failure ??= reason
    for (const { failed } of this.#queue.splice(0)) failed(this.#failure)
    this.#queued = 0
  }
}

/** Node's Buffers share memory where plain arrays copy: one commit cut from such a frame would keep all of it alive. */
function plain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** it-length-prefixed throws errors of its own; those of the stream pass as they are. */
function framingError(error: unknown): Error {
  const { name } = error as Error
  if (name.startsWith('InvalidDataLength') || name === 'InvalidMessageLengthError') {
    return new PeerfoldError('MESSAGE_INVALID', 'not a length-prefixed frame', { cause: error })
  }
  if (name === 'UnexpectedEOFError') {
    return new PeerfoldError('NOT_CONNECTED', 'the stream ended inside a frame', { cause: error })
  }
  return error as Error
}
