import {
  type EpochId,
  isPeerfoldError,
  type Network,
  type NetworkStream,
  PeerfoldError,
  type PeerId,
  type WorkspaceHandle,
} from '@peerfold/core'
import { systemRandom } from '@peerfold/core/platform'
import { DEAD_MS, POINTS, RELAY_PROTOCOL, Reputation, withDeadline } from '@peerfold/core/relay'
import { count } from '../counters.js'
import { hostOf } from '../limits/buckets.js'
import type { Grown } from '../mailbox/writer.js'
import type { Parts } from './context.js'
import { Session } from './session.js'

/** How often silent sessions are looked for, milliseconds. */
const LOOK_MS = 10_000
const GOODBYE_MS = 1_000
/** What was begun may be finished for so long when the relay closes, milliseconds. */
const DRAIN_MS = 4_000
/** Devices come back spread over this time after a restart, milliseconds. */
const RETURN_MS = 5_000
const FULL_RETRY_MS = 30_000

export interface SessionsInit {
  parts: Parts
  network: Network
}

/** One session for each device: how they begin, are replaced, and end (PROTOCOL.md §10.1, §10.2). */
export class Sessions {
  readonly #init: SessionsInit
  readonly #sessions = new Map<PeerId, Session>()
  readonly #watchers = new Map<WorkspaceHandle, Set<Session>>()
  readonly #reputation: Reputation
  readonly #tasks = new Set<Promise<unknown>>()
  readonly #closing = new AbortController()
  readonly #forgetEvents: () => void

  constructor(init: SessionsInit) {
    this.#init = init
    this.#reputation = new Reputation(init.parts.clock)
    init.network.handle(RELAY_PROTOCOL, (stream) => this.#accept(stream))
    this.#forgetEvents = init.network.on('disconnect', (peer) =>
      this.#sessions.get(peer)?.end(new PeerfoldError('NOT_CONNECTED', 'the connection was lost')),
    )
    this.#track(this.#watch())
  }

  get size(): number {
    return this.#sessions.size
  }

  get openMailboxes(): number {
    return this.#watchers.size
  }

  /** A mailbox grew, or began anew. */
  notify(handle: WorkspaceHandle, now: Grown): void {
    for (const session of this.#watchers.get(handle) ?? []) session.notify(handle, now)
  }

  /** Its keys are forgotten. */
  closeMailbox(handle: WorkspaceHandle): void {
    this.#onEpoch(handle, undefined)
  }

  /** The peer broke another protocol. */
  blame(peer: PeerId, reason: Error): void {
    const session = this.#sessions.get(peer)
    if (session === undefined) this.#judge(peer, reason)
    else session.end(reason)
  }

  async close(reason: PeerfoldError): Promise<void> {
    if (this.#closing.signal.aborted) return
    this.#closing.abort(reason)
    this.#forgetEvents()
    this.#init.network.unhandle(RELAY_PROTOCOL)
    const { clock } = this.#init.parts
    const drained = Promise.all([...this.#sessions.values()].map((session) => session.drain()))
    await withDeadline(clock, DRAIN_MS, 'finishing requests', () => drained).catch(() => {})
    for (const session of this.#sessions.values()) session.end(reason)
    await Promise.allSettled(this.#tasks)
  }

  #accept(stream: NetworkStream): void {
    const { parts } = this.#init
    const { peer } = stream
    const session = this.#createSession(stream)
    const refusal = this.#refusal(peer)
    if (refusal !== undefined) {
      parts.counters.sessionsRefused++
      this.#track(this.#farewell(session, refusal))
      return
    }
    const older = this.#sessions.get(peer)
    if (older !== undefined)
      this.#drop(older, new PeerfoldError('ALREADY_EXISTS', 'a newer stream takes its place'))
    parts.counters.sessionsOpened++
    this.#sessions.set(peer, session)
    this.#track(this.#hold(session))
  }

  #refusal(peer: PeerId): PeerfoldError | undefined {
    if (this.#closing.signal.aborted) return new PeerfoldError('CLOSED', 'the relay is closing')
    const wait = this.#reputation.attempt(peer)
    if (wait > 0) return busy('it opens sessions too often', wait)
    const full = this.#sessions.size >= this.#init.parts.limits.maxSessions && !this.#sessions.has(peer)
    return full ? busy('the relay has as many sessions as it takes', FULL_RETRY_MS) : undefined
  }

  #createSession(stream: NetworkStream): Session {
    const { parts, network } = this.#init
    const { peer } = stream
    const sender = { peer, address: hostOf(network.connection(peer)?.address ?? '') }
    const session: Session = new Session({
      parts,
      stream,
      sender,
      nonce: systemRandom.bytes(32),
      onOpened: (handle) => this.#watchMailbox(handle, session),
      onEpoch: (handle, epoch) => this.#onEpoch(handle, epoch),
    })
    return session
  }

  #watchMailbox(handle: WorkspaceHandle, session: Session): void {
    const watchers = this.#watchers.get(handle) ?? new Set()
    this.#watchers.set(handle, watchers.add(session))
  }

  #onEpoch(handle: WorkspaceHandle, epoch: EpochId | undefined): void {
    this.#init.parts.tokens.revoke(handle)
    for (const session of this.#watchers.get(handle) ?? []) session.demote(handle, epoch)
  }

  async #hold(session: Session): Promise<void> {
    const reason = await session.run()
    this.#drop(session, reason)
    this.#judge(session.sender.peer, reason)
    await this.#farewell(session, reason)
    await this.#hangUp(session.sender.peer, reason)
  }

  /** The session is over, whether or not its stream knows. */
  #drop(session: Session, reason: Error): void {
    session.end(reason)
    const { peer } = session.sender
    if (this.#sessions.get(peer) !== session) return
    this.#sessions.delete(peer)
    this.#init.parts.authority.forget(peer)
    for (const handle of session.opened.keys()) {
      const watchers = this.#watchers.get(handle)
      watchers?.delete(session)
      if (watchers?.size === 0) this.#watchers.delete(handle)
    }
  }

  /** Tells the device why, as far as it listens. */
  async #farewell(session: Session, reason: Error): Promise<void> {
    const { clock } = this.#init.parts
    try {
      if (isPeerfoldError(reason, 'NOT_CONNECTED')) return
      await withDeadline(clock, GOODBYE_MS, 'saying goodbye', async (signal) => {
        await session.bye(codeOf(reason), this.#retryAfter(reason))
        await session.closed(signal)
      })
    } catch {
      // it was a courtesy
    } finally {
      session.abort(reason)
    }
  }

  #retryAfter(reason: Error): number | undefined {
    if (isPeerfoldError(reason, 'CLOSED')) return Math.floor(Math.random() * RETURN_MS)
    const wait = isPeerfoldError(reason) ? reason.details.retryAfter : undefined
    return typeof wait === 'number' ? Math.ceil(wait) : undefined
  }

  #judge(peer: PeerId, reason: Error): void {
    if (!isPeerfoldError(reason, 'MESSAGE_INVALID')) return
    const { counters, log } = this.#init.parts
    counters.breaches++
    this.#reputation.blame(peer, POINTS.messageInvalid)
    log.warn({ peer, reason: reason.message }, 'a peer broke the protocol')
  }

  /** On who broke the protocol or died. */
  async #hangUp(peer: PeerId, reason: Error): Promise<void> {
    const over = isPeerfoldError(reason, 'MESSAGE_INVALID') || isPeerfoldError(reason, 'TIMEOUT')
    if (over && !this.#sessions.has(peer)) await this.#init.network.disconnect(peer).catch(() => {})
  }

  /** Who was silent for too long is gone. After a sleep of this machine everyone gets a new chance. */
  async #watch(): Promise<void> {
    const { clock } = this.#init.parts
    const { signal } = this.#closing
    let grace = clock.monotonic()
    while (!signal.aborted) {
      const before = clock.monotonic()
      await clock.sleep(LOOK_MS, { signal }).catch(() => {})
      const now = clock.monotonic()
      if (now - before > 3 * LOOK_MS) grace = now
      for (const session of this.#sessions.values()) {
        if (now - Math.max(session.heard, grace) < DEAD_MS) continue
        session.end(new PeerfoldError('TIMEOUT', `the device was silent for ${DEAD_MS} ms`))
      }
    }
  }

  #track(task: Promise<unknown>): void {
    const settled = task
      .catch((error: unknown) => {
        count(this.#init.parts.counters.failed, 'INTERNAL')
        this.#init.parts.log.error({ reason: String(error) }, 'a session ended in an unforeseen way')
      })
      .finally(() => this.#tasks.delete(settled))
    this.#tasks.add(settled)
  }
}

function codeOf(reason: Error): PeerfoldError['code'] {
  return isPeerfoldError(reason) ? reason.code : 'INTERNAL'
}

function busy(what: string, retryAfter: number): PeerfoldError {
  return new PeerfoldError('BUSY', what, { details: { retryAfter } })
}
