import { withDeadline } from '../async/deadline.js'
import { Emitter } from '../async/emitter.js'
import { toHex } from '../encoding/bytes.js'
import { type ErrorCode, isPeerfoldError, PeerfoldError } from '../errors.js'
import type { WorkspaceHandle } from '../ports/ids.js'
import type { NetworkStream, PeerId } from '../ports/network.js'
import { Channel } from './channel.js'
import {
  type Admitted,
  acceptHandshake,
  farewell,
  type HandshakeInit,
  openHandshake,
  STEP_MS,
} from './handshake.js'
import { MAX_HELLO_BYTES } from './limits.js'
import { decodeMessage, encodeMessage, type Message, type MessageOf } from './messages.js'
import { Opener } from './opener.js'
import type { Replication } from './replication.js'
import { POINTS, Reputation } from './reputation.js'
import { Session } from './session.js'
import type { SyncEvents, SyncInit } from './types.js'

/** Handshakes and farewells at a time; more are cut off unheard. */
const MAX_PENDING = 32

/** Refusals worth telling: the others are accidents of the transport or of two sessions that crossed. */
const REFUSALS: ReadonlySet<ErrorCode> = new Set([
  'UNAUTHORIZED',
  'CERTIFICATE_INVALID',
  'DEVICE_REVOKED',
  'PROTOCOL_UNSUPPORTED',
  'MESSAGE_INVALID',
  'BUSY',
  'TIMEOUT',
])

export interface SessionsInit extends SyncInit {
  protocol: string
  replications: ReadonlyMap<WorkspaceHandle, Replication>
}

/** At most one session with each peer: how they begin, cross, end and are refused (PROTOCOL.md §6.4). */
export class Sessions {
  readonly #init: SessionsInit
  readonly #boot: string
  readonly #sessions = new Map<PeerId, Session>()
  readonly #incoming = new Map<PeerId, Channel<Message>>()
  readonly #outgoing = new Map<PeerId, Channel<Message>>()
  /** Sessions of this run that have ended, by peer: tells a new session of a peer from one that crossed. */
  readonly #endedCount = new Map<PeerId, number>()
  readonly #reputation: Reputation
  readonly #opener: Opener
  readonly #events = new Emitter<Pick<SyncEvents, 'open' | 'closed' | 'refused'>>()
  readonly #closing = new AbortController()
  readonly #tasks = new Set<Promise<unknown>>()

  constructor(init: SessionsInit) {
    this.#init = init
    this.#boot = toHex(init.random.bytes(16))
    this.#reputation = new Reputation(init.clock)
    this.#opener = new Opener({
      clock: init.clock,
      random: init.random,
      lacks: (peer) => this.#lacks(peer),
      open: (peer) => this.#open(peer),
    })
  }

  all(): Session[] {
    return [...this.#sessions.values()]
  }

  on: Emitter<Pick<SyncEvents, 'open' | 'closed' | 'refused'>>['on'] = (event, listener) =>
    this.#events.on(event, listener)

  /** Opens sessions with connected devices that have none. */
  encourageAll(): void {
    for (const { peer } of this.#init.network.connections()) this.#opener.encourage(peer)
  }

  encourage(peer: PeerId): void {
    this.#opener.encourage(peer)
  }

  accept(stream: NetworkStream): void {
    const { peer } = stream
    if (this.#closing.signal.aborted || this.#tasks.size - this.#sessions.size >= MAX_PENDING) {
      stream.abort(new PeerfoldError('BUSY', 'too many sessions are being opened'))
      return
    }
    const channel = this.#channel(stream)
    const wait = this.#reputation.attempt(peer)
    if (wait > 0) {
      const busy = new PeerfoldError('BUSY', `${peer} opens sessions too often`)
      this.#track(farewell(channel, this.#init.clock, busy, Math.ceil(wait)))
      return
    }
    this.#incoming.get(peer)?.abort(new PeerfoldError('ALREADY_EXISTS', 'a newer session came'))
    this.#incoming.set(peer, channel)
    const task = this.#establish(channel, peer, 'inbound').finally(() => {
      if (this.#incoming.get(peer) === channel) this.#incoming.delete(peer)
      this.#opener.retry(peer)
    })
    this.#track(task)
  }

  /** Resolves when the session is up. */
  async #open(peer: PeerId): Promise<void> {
    const { network, clock } = this.#init
    const { signal } = this.#closing
    const stream = await withDeadline(
      clock,
      STEP_MS,
      'opening a session',
      (within) => network.open(peer, this.#init.protocol, { signal: within }),
      { signal },
    )
    if (this.#sessions.has(peer) || (this.#incoming.has(peer) && peer < network.peer)) {
      return stream.abort(crossed())
    }
    const channel = this.#channel(stream)
    this.#outgoing.set(peer, channel)
    const task = this.#establish(channel, peer, 'outbound').finally(() => this.#outgoing.delete(peer))
    this.#track(task)
    await task
  }

  #channel(stream: NetworkStream): Channel<Message> {
    const { clock } = this.#init
    return new Channel({
      stream,
      clock,
      encode: encodeMessage,
      decode: decodeMessage,
      maxFrame: MAX_HELLO_BYTES,
    })
  }

  async #establish(channel: Channel<Message>, peer: PeerId, direction: Session['direction']): Promise<void> {
    const { authority, clock, lossy = false } = this.#init
    const { signal } = this.#closing
    const init: HandshakeInit = {
      channel,
      peer,
      authority,
      clock,
      boot: this.#boot,
      ended: this.#endedCount.get(peer) ?? 0,
      lossy,
      arbitrate: (hello) => this.#arbitrate(peer, direction, hello),
      admitted: async ({ device }) => this.#init.onAuthorized?.(peer, await authority.handles(device)),
    }
    const handshake = direction === 'inbound' ? acceptHandshake : openHandshake
    try {
      const admitted = await handshake(init, { signal })
      this.#register(channel, peer, direction, admitted)
    } catch (error) {
      await this.#refuse(channel, peer, error)
      throw error
    }
  }

  /**
   * At most one session with each peer. A session that is up gives way when the peer has restarted or has ended its side; of two that
   * cross, the one that the lower peer id opened stays (PROTOCOL.md §6.4).
   */
  #arbitrate(peer: PeerId, direction: Session['direction'], hello: MessageOf<'hello'>): void {
    const existing = this.#sessions.get(peer)
    if (existing !== undefined) {
      if (!supersedes(existing, direction, hello)) throw crossed()
      this.#drop(existing, new PeerfoldError('CLOSED', 'the peer opened a new session'))
      return
    }
    if (direction === 'outbound') return
    const outgoing = this.#outgoing.get(peer)
    if (outgoing === undefined) return
    if (this.#init.network.peer < peer) throw crossed()
    outgoing.abort(crossed())
  }

  #register(
    channel: Channel<Message>,
    peer: PeerId,
    direction: Session['direction'],
    admitted: Admitted,
  ): void {
    this.#closing.signal.throwIfAborted()
    const { network, authority, clock, addresses, onAuthorized } = this.#init
    const connection = network.connections().find((each) => each.peer === peer)
    if (connection === undefined) throw new PeerfoldError('NOT_CONNECTED', `${peer} is gone`)
    if (this.#sessions.has(peer)) throw crossed()
    const session = new Session({
      channel,
      connection,
      direction,
      admitted,
      authority,
      clock,
      replications: this.#init.replications,
      addresses,
      authorized: (handles) => onAuthorized?.(peer, handles),
      blame: (commits) => this.#blame(peer, commits * POINTS.commitForwarded),
    })
    this.#sessions.set(peer, session)
    this.#opener.forget(peer)
    this.#events.emit('open', session.info)
    this.#track(this.#hold(session))
  }

  async #hold(session: Session): Promise<void> {
    const { clock } = this.#init
    const reason = await session.run().catch((error: unknown) => asError(error))
    this.#drop(session, reason)
    this.#tell(session.peer, reason)
    if (isRemote(reason)) session.channel.abort(reason)
    else await farewell(session.channel, clock, reason)
    this.#punish(session.peer, reason)
    this.#opener.retry(session.peer)
  }

  /** The session is over, whether or not its stream knows. */
  #drop(session: Session, reason: Error): void {
    session.end(reason)
    const { peer } = session
    if (this.#sessions.get(peer) !== session) return
    this.#sessions.delete(peer)
    this.#endedCount.set(peer, (this.#endedCount.get(peer) ?? 0) + 1)
    if (!this.#incoming.has(peer)) this.#init.onAuthorized?.(peer, new Set())
    for (const replication of this.#init.replications.values()) replication.wake()
    this.#events.emit('closed', session.info, isPeerfoldError(reason, 'CLOSED') ? undefined : reason)
  }

  async #refuse(channel: Channel<Message>, peer: PeerId, error: unknown): Promise<void> {
    const reason = asError(error)
    if (!this.#isMeeting(peer, channel)) this.#init.onAuthorized?.(peer, new Set())
    this.#tell(peer, reason)
    if (isRemote(reason)) channel.abort(reason)
    else await farewell(channel, this.#init.clock, reason)
    this.#punish(peer, reason)
  }

  /** Of two handshakes that cross, the one that ends may not take from the peer what the other has given it. */
  #isMeeting(peer: PeerId, ended: Channel<Message>): boolean {
    const channels = [this.#incoming.get(peer), this.#outgoing.get(peer)]
    return this.#sessions.has(peer) || channels.some((other) => other !== undefined && other !== ended)
  }

  #tell(peer: PeerId, reason: Error): void {
    if (isPeerfoldError(reason) && REFUSALS.has(reason.code)) this.#events.emit('refused', peer, reason)
  }

  /** Hangs up on who broke the protocol or died. */
  #punish(peer: PeerId, reason: Error): void {
    if (!isPeerfoldError(reason) || isRemote(reason)) return
    if (reason.code === 'MESSAGE_INVALID') this.#blame(peer, POINTS.messageInvalid)
    if (reason.code === 'MESSAGE_INVALID' || reason.code === 'TIMEOUT') this.#hangUp(peer)
  }

  #blame(peer: PeerId, points: number): void {
    if (!this.#reputation.blame(peer, points)) return
    const reason = new PeerfoldError('MESSAGE_INVALID', 'the peer kept sending what it should have refused')
    this.#sessions.get(peer)?.end(reason)
    this.#hangUp(peer)
  }

  #hangUp(peer: PeerId): void {
    this.#track(this.#init.network.disconnect(peer))
  }

  #lacks(peer: PeerId): boolean {
    if (this.#closing.signal.aborted || !this.#init.wanted(peer)) return false
    if (this.#sessions.has(peer) || this.#incoming.has(peer) || this.#outgoing.has(peer)) return false
    return this.#init.network.connections().some((connection) => connection.peer === peer)
  }

  disconnected(peer: PeerId): void {
    this.#opener.forget(peer)
    this.#sessions.get(peer)?.end(new PeerfoldError('NOT_CONNECTED', `the connection to ${peer} was lost`))
  }

  async close(reason: PeerfoldError): Promise<void> {
    if (!this.#closing.signal.aborted) {
      this.#closing.abort(reason)
      this.#opener.close()
      for (const session of this.#sessions.values()) session.end(reason)
    }
    await Promise.allSettled(this.#tasks)
    this.#events.clear()
  }

  #track(task: Promise<unknown>): void {
    const settled = task.catch(() => {}).finally(() => this.#tasks.delete(settled))
    this.#tasks.add(settled)
  }
}

/** Whether a hello shows that the peer has no use for the session that is up. */
function supersedes(existing: Session, direction: Session['direction'], hello: MessageOf<'hello'>): boolean {
  if (hello.boot !== existing.hello.boot || hello.ended > existing.hello.ended) return true
  return direction === 'inbound' && existing.direction === 'inbound' && hello.ended === existing.hello.ended
}

function crossed(): PeerfoldError {
  return new PeerfoldError('ALREADY_EXISTS', 'there is a session with this peer')
}

/** Whether the other side ended it and said why. */
function isRemote(reason: Error): boolean {
  return isPeerfoldError(reason) && reason.details.remote === true
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}
