import { PeerfoldError } from '@peerfold/core'
import { raceSignal, Wakeup } from '@peerfold/core/async'
import { Credit } from '../credit.js'
import { BATCH_BYTES, BATCH_ITEMS, CREDIT_MAX, INPUT_AHEAD, PROGRESS_MS } from '../limits.js'
import { type ClientFrame, type DeviceFrame, malformed, type Note, type OpenFrame } from '../wire.js'
import { Outbox } from './outbox.js'

/** The device's end of one exchange: what methods send and take in. */
export class ServerExchange {
  readonly id: number
  readonly #post: (frame: DeviceFrame) => void
  readonly #credit: Credit
  readonly #abort = new AbortController()
  readonly #input: Uint8Array[] = []
  readonly #inputCame = new Wakeup()
  #inputEnded = false
  /** What the client may still put in. */
  #wanted = 0
  #progressAt = Number.NEGATIVE_INFINITY
  #progressWaits: Note['progress']

  constructor({ id, window }: OpenFrame, post: (frame: DeviceFrame) => void) {
    this.id = id
    this.#post = post
    this.#credit = new Credit(window, CREDIT_MAX)
  }

  /** Aborts when the client takes the call back or has gone. */
  get signal(): AbortSignal {
    return this.#abort.signal
  }

  abort(reason: PeerfoldError): void {
    this.#abort.abort(reason)
  }

  /** @throws {PeerfoldError} `MESSAGE_INVALID` */
  receive(frame: Exclude<ClientFrame, OpenFrame | { type: 'ping' | 'pong' }>): void {
    if (frame.type === 'credit') this.#credit.add(frame.amount)
    else if (frame.type === 'abort')
      this.abort(new PeerfoldError('ABORTED', 'the call was cancelled by its caller'))
    else this.#take(frame)
  }

  note(note: Note): void {
    this.#post({ type: 'note', id: this.id, note })
  }

  /** Told at intervals: one told too few is made good by the next, or by `flushProgress`. */
  progress(progress: NonNullable<Note['progress']>): void {
    this.#progressWaits = progress
    if (performance.now() - this.#progressAt >= PROGRESS_MS) this.flushProgress()
  }

  flushProgress(): void {
    if (this.#progressWaits === undefined) return
    this.note({ progress: this.#progressWaits })
    this.#progressWaits = undefined
    this.#progressAt = performance.now()
  }

  /** Sends all that an iterable yields, as the client takes it. */
  async sendItems<T>(source: AsyncIterable<T>): Promise<void> {
    const send = (items: T[]) => this.#sendItems(items)
    await this.#pump(source, new Outbox(send, () => 1, BATCH_ITEMS), () => 1)
  }

  /** As `sendItems`, counting bytes. */
  async sendBytes(source: AsyncIterable<Uint8Array>): Promise<void> {
    const send = (pieces: Uint8Array[]) => this.#sendItems([joined(pieces)])
    const cost = (piece: Uint8Array) => piece.length
    await this.#pump(source, new Outbox(send, cost, BATCH_BYTES), cost)
  }

  /** Sends one item when there is credit for it. */
  async sendItem(make: () => unknown): Promise<void> {
    await this.#credit.available({ signal: this.signal })
    this.#credit.spend(1)
    this.#sendItems([make()])
  }

  /** The body that the client streams. */
  async *input(): AsyncGenerator<Uint8Array> {
    this.#want(INPUT_AHEAD)
    for (;;) {
      this.signal.throwIfAborted()
      const piece = this.#input.shift()
      if (piece !== undefined) {
        yield piece
        this.#want(piece.length)
      } else if (this.#inputEnded) return
      else await this.#inputCame.wait({ signal: this.signal })
    }
  }

  /** Resolves when the client is done with what this exchange holds open for it. */
  async inputEnd(): Promise<void> {
    while (!this.#inputEnded) await this.#inputCame.wait({ signal: this.signal })
  }

  #take(frame: { type: 'input'; piece: Uint8Array } | { type: 'input-end' }): void {
    if (this.#inputEnded) throw malformed('input after its end')
    if (frame.type === 'input-end') this.#inputEnded = true
    else {
      // One piece may go beyond what was wanted.
      if (this.#wanted <= 0) throw malformed('more input than was wanted')
      this.#wanted -= frame.piece.length
      this.#input.push(frame.piece)
    }
    this.#inputCame.wake()
  }

  #want(amount: number): void {
    this.#wanted += amount
    this.#post({ type: 'want', id: this.id, amount })
  }

  #sendItems(items: readonly unknown[]): void {
    if (!this.signal.aborted) this.#post({ type: 'items', id: this.id, items })
  }

  async #pump<T>(source: AsyncIterable<T>, outbox: Outbox<T>, cost: (item: T) => number): Promise<void> {
    const { signal } = this
    const iterator = source[Symbol.asyncIterator]()
    try {
      for (;;) {
        if (this.#credit.exhausted) outbox.flush()
        await this.#credit.available({ signal })
        const { done, value } = await raceSignal(iterator.next(), signal)
        if (done === true) return
        this.#credit.spend(cost(value))
        outbox.push(value)
      }
    } finally {
      outbox.flush()
      // Not waited for: an iterator that waits for a peer ends when it sees the signal.
      iterator.return?.().catch(() => {})
    }
  }
}

/** One array that has its memory to itself: all of an array's memory is copied with it. */
function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const [first] = pieces
  if (pieces.length === 1 && first?.byteLength === first?.buffer.byteLength) return first as Uint8Array
  const all = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0))
  let offset = 0
  for (const piece of pieces) {
    all.set(piece, offset)
    offset += piece.length
  }
  return all
}
