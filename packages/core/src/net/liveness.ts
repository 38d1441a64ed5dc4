import type { Connection } from '@libp2p/interface'
import { withDeadline } from '../async/deadline.js'
import { PeerfoldError } from '../errors.js'
import type { Clock } from '../ports/clock.js'
import { Libp2pStream } from './libp2p-stream.js'

export interface LivenessInit {
  clock: Clock
  connections: () => readonly Connection[]
  /** How often to look, milliseconds. @default 10_000 */
  interval?: number
  /** Silence after which a peer is asked for a sign of life. @default 20_000 */
  quietAfter?: number
  /** Silence after which a connection is dead. @default 60_000 */
  deadAfter?: number
}

const PING = '/ipfs/ping/1.0.0'

/**
 * Tells dead connections from slow ones: dead is only who sent no byte at all for a minute, though asked. libp2p's own monitor hangs up on
 * busy slow connections, and TCP alone notices a pulled cable after a quarter of an hour.
 */
export class Liveness {
  readonly #init: Required<LivenessInit>
  readonly #heard = new WeakMap<Connection, number>()
  readonly #asking = new WeakSet<Connection>()
  readonly #stop = new AbortController()

  constructor(init: LivenessInit) {
    this.#init = { interval: 10_000, quietAfter: 20_000, deadAfter: 60_000, ...init }
    void this.#watch()
  }

  /** Bytes came over this connection. */
  heard(connection: Connection): void {
    this.#heard.set(connection, this.#init.clock.monotonic())
  }

  close(): void {
    this.#stop.abort()
  }

  async #watch(): Promise<void> {
    const { clock, interval, connections } = this.#init
    const { signal } = this.#stop
    let before = clock.monotonic()
    while (!signal.aborted) {
      await clock.sleep(interval, { signal }).catch(() => {})
      const now = clock.monotonic()
      const slept = now - before > 3 * interval
      before = now
      for (const connection of signal.aborted ? [] : connections()) this.#check(connection, now, slept)
    }
  }

  /** After a sleep of the whole machine, silence proves nothing: everyone gets a new chance to answer. */
  #check(connection: Connection, now: number, slept: boolean): void {
    if (slept || !this.#heard.has(connection)) this.#heard.set(connection, now)
    const silence = now - (this.#heard.get(connection) ?? now)
    if (silence >= this.#init.deadAfter) {
      connection.abort(new PeerfoldError('NOT_CONNECTED', `no sign of life for ${Math.round(silence)} ms`))
    } else if ((slept || silence >= this.#init.quietAfter) && !this.#asking.has(connection)) {
      void this.#ask(connection)
    }
  }

  async #ask(connection: Connection): Promise<void> {
    this.#asking.add(connection)
    try {
      await withDeadline(this.#init.clock, this.#init.deadAfter, 'a sign of life', (signal) =>
        this.#ping(connection, signal),
      )
    } catch {
      // Silence is judged by the clock alone: a peer that refuses pings but sends bytes lives.
    } finally {
      this.#asking.delete(connection)
    }
  }

  async #ping(connection: Connection, signal: AbortSignal): Promise<void> {
    const opened = await connection.newStream(PING, { signal, runOnLimitedConnection: true })
    this.heard(connection)
    const stream = new Libp2pStream(opened, '', () => this.heard(connection))
    const giveUp = () => stream.abort(signal.reason)
    signal.addEventListener('abort', giveUp, { once: true })
    try {
      await stream.send(new Uint8Array(32), { signal })
      for await (const _ of stream.source) break
      await stream.close({ signal })
    } finally {
      signal.removeEventListener('abort', giveUp)
    }
  }
}
