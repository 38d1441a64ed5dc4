import { PeerfoldError } from '@peerfold/core'
import type { Channel } from '../../tabs/channel.js'
import { Liveness } from '../liveness.js'
import type { Arguments, DeviceFrame, DeviceState, Note, Target } from '../wire.js'
import { fromWireError } from '../wire-error.js'

/** A call, before it is made. */
export interface Request {
  method: string
  target?: Target
  args?: Arguments
  /** Credit to begin with, for what yields items. @default 0 */
  window?: number
}

/** Told what becomes of an exchange; after `onDone` or `onFail` nothing more. */
export interface Handlers {
  onItems?(items: readonly unknown[]): void
  onNote?(note: Note): void
  onWant?(amount: number): void
  onDone(value: unknown): void
  onFail(error: PeerfoldError): void
}

/** The client's end of one exchange. */
export interface Exchange {
  credit(amount: number): void
  input(piece: Uint8Array): void
  inputEnd(): void
  /** Takes the call back; its outcome is still told, unless `quietly`. Idempotent. */
  abort(quietly?: boolean): void
}

/** One connection to the device. */
export class Link {
  /** Aborts when the connection has ended; its reason is what calls under way fail with. */
  readonly lost: AbortSignal
  readonly #channel: Channel
  readonly #exchanges = new Map<number, Handlers>()
  readonly #liveness: Liveness
  readonly #onState: (state: DeviceState) => void
  #lastId = 0

  /** Takes over the channel. */
  constructor(channel: Channel, onState: (state: DeviceState) => void) {
    this.#channel = channel
    this.#onState = onState
    this.lost = channel.closed
    this.#liveness = new Liveness({
      ping: () => this.#channel.post({ type: 'ping' }),
      lost: () =>
        channel.close(new PeerfoldError('NOT_CONNECTED', 'the device has not answered for too long')),
    })
    channel.onMessage((message) => this.#receive(message as DeviceFrame))
    this.lost.addEventListener('abort', () => this.#fail(this.lost.reason), { once: true })
    if (this.lost.aborted) this.#liveness.stop()
  }

  /** @throws {PeerfoldError} why the connection has ended; `INVALID_ARGUMENT` when an argument cannot be sent */
  open({ method, target = {}, args = {}, window = 0 }: Request, handlers: Handlers): Exchange {
    this.lost.throwIfAborted()
    const id = ++this.#lastId
    this.#post({ type: 'open', id, method, target, args, window })
    this.#exchanges.set(id, handlers)
    const ifOpen = (send: () => void) => {
      if (this.#exchanges.has(id)) send()
    }
    return {
      credit: (amount) => ifOpen(() => this.#post({ type: 'credit', id, amount })),
      input: (piece) => ifOpen(() => this.#post({ type: 'input', id, piece })),
      inputEnd: () => ifOpen(() => this.#post({ type: 'input-end', id })),
      abort: (quietly = false) =>
        ifOpen(() => {
          this.#post({ type: 'abort', id })
          if (quietly) this.#exchanges.delete(id)
        }),
    }
  }

  close(reason?: PeerfoldError): void {
    this.#channel.close(reason)
  }

  #post(message: unknown): void {
    try {
      this.#channel.post(message)
    } catch (error) {
      throw new PeerfoldError('INVALID_ARGUMENT', 'an argument cannot be sent to the device', {
        cause: error,
      })
    }
  }

  #receive(frame: DeviceFrame): void {
    this.#liveness.heard()
    if (frame.type === 'ping') this.#channel.post({ type: 'pong' })
    else if (frame.type === 'bye') this.#channel.close(fromWireError(frame.error))
    else if ('id' in frame) this.#deliver(frame)
  }

  #deliver(frame: Extract<DeviceFrame, { id: number }>): void {
    // The state counts even where nobody waits for the answer any more.
    if (frame.type === 'done' && frame.state !== undefined) this.#onState(frame.state)
    const handlers = this.#exchanges.get(frame.id)
    if (handlers === undefined) return
    if (frame.type === 'items') handlers.onItems?.(frame.items)
    else if (frame.type === 'note') handlers.onNote?.(frame.note)
    else if (frame.type === 'want') handlers.onWant?.(frame.amount)
    else {
      this.#exchanges.delete(frame.id)
      if (frame.type === 'done') handlers.onDone(frame.value)
      else handlers.onFail(fromWireError(frame.error))
    }
  }

  #fail(reason: PeerfoldError): void {
    this.#liveness.stop()
    const waiting = [...this.#exchanges.values()]
    this.#exchanges.clear()
    for (const { onFail } of waiting) onFail(reason)
  }
}
