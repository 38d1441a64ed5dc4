import { isPeerfoldError, type Peerfold, PeerfoldError, type Writer } from '@peerfold/core'
import type { Channel } from '../../tabs/channel.js'
import { MAX_EXCHANGES } from '../limits.js'
import { Liveness } from '../liveness.js'
import { type DeviceFrame, type DeviceState, malformed, type OpenFrame, parseClientFrame } from '../wire.js'
import { toWireError } from '../wire-error.js'
import { DEVICE_METHODS } from './device-methods.js'
import { ServerExchange } from './exchange.js'
import type { ClientState } from './methods.js'
import type { ServerMirror } from './mirror.js'
import { WORKSPACE_METHODS } from './workspace-methods.js'

const METHODS = { ...DEVICE_METHODS, ...WORKSPACE_METHODS }

/** The device's side of one client: its exchanges, and what ends them. */
export class ClientSession {
  readonly #peerfold: Peerfold
  readonly #channel: Channel
  readonly #mirror: ServerMirror
  readonly #exchanges = new Map<number, ServerExchange>()
  readonly #transactions = new Map<number, Writer>()
  readonly #liveness: Liveness
  readonly #state: ClientState
  #stateSent: DeviceState | undefined

  constructor(peerfold: Peerfold, channel: Channel, mirror: ServerMirror) {
    this.#peerfold = peerfold
    this.#channel = channel
    this.#mirror = mirror
    this.#state = {
      transactions: this.#transactions,
      sendState: (exchange) => this.#sendState(exchange),
    }
    // All of the device waits for a transaction; for anything else a client that sleeps may sleep on.
    this.#liveness = new Liveness({
      ping: () => this.#post({ type: 'ping' }),
      matters: () => this.#transactions.size > 0,
      lost: () => this.#end(new PeerfoldError('NOT_CONNECTED', 'the tab has not answered for too long')),
    })
    channel.onMessage((message) => this.#receive(message))
    channel.closed.addEventListener('abort', () => this.#cleanUp(channel.closed.reason), { once: true })
  }

  #receive(message: unknown): void {
    this.#liveness.heard()
    try {
      const frame = parseClientFrame(message)
      if (frame.type === 'pong') return
      if (frame.type === 'ping') this.#post({ type: 'pong' })
      else if (frame.type === 'open') this.#open(frame)
      // What comes for an exchange that has ended was on its way when it did.
      else this.#exchanges.get(frame.id)?.receive(frame)
    } catch (error) {
      this.#end(error as PeerfoldError)
    }
  }

  #open(frame: OpenFrame): void {
    if (this.#exchanges.has(frame.id)) throw malformed(`exchange ${frame.id} is open already`)
    const exchange = new ServerExchange(frame, (reply) => this.#post(reply))
    const isTooMany = this.#exchanges.size >= MAX_EXCHANGES
    this.#exchanges.set(frame.id, exchange)
    void this.#serve(frame, exchange, isTooMany).finally(() => this.#exchanges.delete(frame.id))
  }

  async #serve(
    { id, method, args, target }: OpenFrame,
    exchange: ServerExchange,
    isTooMany: boolean,
  ): Promise<void> {
    try {
      if (isTooMany) throw new PeerfoldError('BUSY', `more than ${MAX_EXCHANGES} calls of one tab at once`)
      if (!Object.hasOwn(METHODS, method)) throw malformed(`no method ${method}`)
      const call = { peerfold: this.#peerfold, exchange, args, target, client: this.#state }
      const value = await METHODS[method]?.(call)
      if (Object.hasOwn(DEVICE_METHODS, method)) this.#mirror.refresh()
      this.#post({ type: 'done', id, value, ...this.#newState() })
    } catch (error) {
      this.#post({ type: 'fail', id, error: toWireError(error) })
    }
  }

  /** The state goes ahead of the answer, or with it: who is told that it joined must find its identity. */
  #newState(): { state?: DeviceState } {
    const { state } = this.#mirror
    if (state === this.#stateSent) return {}
    this.#stateSent = state
    return { state }
  }

  async #sendState(exchange: ServerExchange): Promise<never> {
    for (;;) {
      await this.#mirror.differsFrom(this.#stateSent, exchange.signal)
      await exchange.sendItem(() => {
        this.#stateSent = this.#mirror.state
        return this.#stateSent
      })
    }
  }

  #post(frame: DeviceFrame): void {
    this.#channel.post(frame)
  }

  /** Only for clients that break the protocol or hang. */
  #end(error: PeerfoldError): void {
    this.#post({ type: 'bye', error: toWireError(error) })
    this.#channel.close(isPeerfoldError(error) ? error : malformed('unreadable'))
  }

  #cleanUp(reason: PeerfoldError): void {
    this.#liveness.stop()
    for (const exchange of this.#exchanges.values()) exchange.abort(reason)
  }
}
