import { raceSignal, withDeadline } from '../async/deadline.js'
import { isPeerfoldError, PeerfoldError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'
import type { Clock } from '../ports/clock.js'
import type { WorkspaceHandle } from '../ports/ids.js'
import type { PeerId } from '../ports/network.js'
import type { BlocksRequest, FetchBlocks, HttpTicket } from './fetch-blocks.js'
import { HttpStream } from './http-stream.js'

export interface HttpRouteInit {
  peer: PeerId
  clock: Clock
  fetchBlocks: FetchBlocks
  /** Asks the relay for a new ticket, in the session with it. */
  ticket: (options: AbortOptions) => Promise<HttpTicket>
  /** A workspace that it holds blocks of; undefined as long as there is none. */
  handle: () => WorkspaceHandle | undefined
}

type Wanted = Pick<BlocksRequest, 'handle' | 'cids'>

/** Until a request is answered, milliseconds; its body may take longer. */
const ANSWER_MS = 15_000
/** How long the first want waits to know whether HTTP works. After that the stream is used, until it is known. */
const PATIENCE_MS = 1_000
/** First pause before HTTP is tried again, milliseconds; it doubles with each time that it does not work. */
const FIRST_PAUSE = 5_000
const LONGEST_PAUSE = 5 * 60_000
/** A token that lasts no longer is not used any more. */
const SPARE_MS = 30_000

/**
 * The way to a relay's blocks over its HTTP side, for one session with it: knows whether it works, and holds the token. It is used only after an
 * empty request has gone through: what keeps it from working (a firewall, a certificate, a page that may not) is found out while blocks come by
 * the stream.
 */
export class HttpRoute {
  readonly #init: HttpRouteInit
  readonly #closing = new AbortController()
  #works = false
  #trying: Promise<void> | undefined
  /** Monotonic milliseconds before which it is not tried. */
  #notBefore = Number.NEGATIVE_INFINITY
  #pause = FIRST_PAUSE
  #ticket: Promise<HttpTicket> | undefined
  #expires = Number.POSITIVE_INFINITY
  #url = ''

  constructor(init: HttpRouteInit) {
    this.#init = init
  }

  /** Whether what was asked last was answered. */
  get works(): boolean {
    return this.#works
  }

  /** Something is wanted: finds out whether HTTP works, unless that was tried lately. Returns without waiting. */
  try(): void {
    if (this.#works || this.#trying !== undefined || this.#closing.signal.aborted) return
    if (this.#init.clock.monotonic() < this.#notBefore) return
    this.#trying = this.#try().finally(() => {
      this.#trying = undefined
    })
  }

  /** A stream for blocks; undefined when HTTP does not work, or that is not known soon. */
  async open(options?: AbortOptions): Promise<HttpStream | undefined> {
    const { clock, peer } = this.#init
    const isFirst = this.#notBefore === Number.NEGATIVE_INFINITY
    this.try()
    const trying = this.#trying
    if (isFirst && trying !== undefined) {
      const wait = (signal: AbortSignal) => raceSignal(trying, signal)
      await withDeadline(clock, PATIENCE_MS, 'trying HTTP', wait, options).catch(() => {})
      options?.signal?.throwIfAborted()
    }
    if (!this.#works) return undefined
    return new HttpStream({
      peer,
      clock,
      request: (wanted, { signal }) => this.#request(wanted, { signal }),
      onAnswered: () => {
        this.#pause = FIRST_PAUSE
      },
      onFail: () => this.#fail(),
    })
  }

  /** The session is over, and with it the token. */
  close(): void {
    this.#works = false
    this.#closing.abort(new PeerfoldError('CLOSED', 'the session with the relay is over'))
  }

  async #try(): Promise<void> {
    let failure: unknown
    try {
      const handle = this.#init.handle()
      const { urls } = await this.#currentTicket()
      for (const url of handle === undefined ? [] : urls) {
        this.#url = url
        try {
          for await (const _ of await this.#request({ handle: handle as string, cids: [] }, {}));
          this.#works = true
          return
        } catch (error) {
          failure = error
        }
      }
    } catch (error) {
      failure = error
    }
    this.#fail(failure)
  }

  #fail(error?: unknown): void {
    const asked = isPeerfoldError(error, 'BUSY') ? error.details.retryAfter : undefined
    this.#works = false
    this.#notBefore =
      this.#init.clock.monotonic() + Math.max(this.#pause, typeof asked === 'number' ? asked : 0)
    this.#pause = Math.min(LONGEST_PAUSE, 2 * this.#pause)
  }

  /** With a new token if the one at hand is refused: it may be older than what was opened since, or than the relay's memory. */
  #request(wanted: Wanted, options: AbortOptions): Promise<AsyncIterable<Uint8Array>> {
    const { clock, fetchBlocks } = this.#init
    const ask = async (signal: AbortSignal, again: boolean): Promise<AsyncIterable<Uint8Array>> => {
      const ticket = this.#currentTicket()
      const { token } = await ticket
      try {
        return await fetchBlocks({ url: this.#url, token, ...wanted }, { signal })
      } catch (error) {
        if (!again || !isPeerfoldError(error, 'UNAUTHORIZED')) throw error
        if (this.#ticket === ticket) this.#ticket = undefined
        return await ask(signal, false)
      }
    }
    const signal = AbortSignal.any([
      this.#closing.signal,
      ...(options.signal === undefined ? [] : [options.signal]),
    ])
    return withDeadline(clock, ANSWER_MS, 'an answer over HTTP', (late) => ask(late, true), { signal })
  }

  #currentTicket(): Promise<HttpTicket> {
    const { clock, ticket } = this.#init
    if (this.#ticket !== undefined && this.#expires - clock.now() > SPARE_MS) return this.#ticket
    const fresh = ticket({ signal: this.#closing.signal })
    this.#ticket = fresh
    this.#expires = Number.POSITIVE_INFINITY
    fresh.then(
      ({ expires }) => {
        if (this.#ticket === fresh) this.#expires = expires
      },
      () => {
        if (this.#ticket === fresh) this.#ticket = undefined
      },
    )
    return fresh
  }
}
