import { PeerfoldError } from '../errors.js'
import type { Clock } from '../ports/clock.js'
import type { WorkspaceHandle } from '../ports/ids.js'
import type { PeerConnection, PeerId } from '../ports/network.js'
import { Announcer } from './announcer.js'
import { TokenBucket } from './bucket.js'
import type { Channel } from './channel.js'
import { Credit, Debt } from './credit.js'
import { type Admitted, byeError } from './handshake.js'
import { watchLiveness } from './liveness.js'
import type { Message, MessageOf } from './messages.js'
import { batchCost, type Link, type Replica, type ReplicaMessage } from './replica.js'
import type { Replication } from './replication.js'
import type { AddressBook, SyncAuthority, SyncPeer } from './types.js'

/** Messages of one peer: beyond this it is read more slowly. */
const RATE = { burst: 2000, rate: 500 }

export interface SessionInit {
  channel: Channel<Message>
  connection: PeerConnection
  /** Who opened the stream. */
  direction: 'inbound' | 'outbound'
  admitted: Admitted
  authority: SyncAuthority
  clock: Clock
  replications: ReadonlyMap<WorkspaceHandle, Replication>
  addresses: AddressBook | undefined
  authorized: (handles: ReadonlySet<WorkspaceHandle>) => void
  /** The peer forwarded commits that it should have refused itself. */
  blame: (commits: number) => void
}

/** One admitted peer, from handshake to farewell: many workspaces over one stream. */
export class Session {
  readonly peer: PeerId
  readonly channel: Channel<Message>
  readonly direction: 'inbound' | 'outbound'
  readonly hello: MessageOf<'hello'>
  readonly info: SyncPeer
  readonly #init: SessionInit
  readonly #announcer: Announcer
  readonly #replicas = new Map<WorkspaceHandle, { replica: Replica; of: Replication }>()
  readonly #ended = new AbortController()
  readonly #bucket: TokenBucket
  readonly #link: Link
  #presented: { user: string; entries: Uint8Array[] }
  #offered: ReadonlySet<WorkspaceHandle> | undefined
  readonly #everOffered = new Set<WorkspaceHandle>()

  constructor(init: SessionInit) {
    const { channel, connection, admitted, authority, clock } = init
    const { certificate, hello } = admitted
    this.#init = init
    this.peer = connection.peer
    this.channel = channel
    this.direction = init.direction
    this.hello = hello
    this.info = {
      peer: this.peer,
      device: certificate.device,
      name: certificate.name,
      connection,
      clockOffset: hello.time - clock.now(),
    }
    this.#presented = { user: hello.user, entries: hello.entries }
    this.#bucket = new TokenBucket({ clock, ...RATE })
    this.#link = {
      peer: this.peer,
      device: certificate.device,
      lossy: hello.lossy,
      channel,
      credit: new Credit(),
      debt: new Debt(),
      clock,
      blame: init.blame,
    }
    this.#announcer = new Announcer({
      channel,
      authority,
      peer: this.peer,
      certificate,
      presented: () => this.#presented,
      attached: () => init.replications,
      addresses: init.addresses,
      authorized: (handles) => {
        if (!this.#ended.signal.aborted) init.authorized(handles)
      },
      offered: () => this.#reconcile(),
      failed: (error) => this.end(error),
    })
  }

  /** Whether the peer may have this workspace and has never said in this session that it does. */
  async isExpecting(handle: WorkspaceHandle): Promise<boolean> {
    if (this.#offered === undefined) return true
    if (this.#everOffered.has(handle)) return false
    return (await this.#init.authority.handles(this.info.device)).has(handle)
  }

  /** Runs until the session ends; rejects with the reason. */
  async run(): Promise<never> {
    const { signal } = this.#ended
    const ended = new Promise<never>((_, reject) => {
      const end = () => reject(signal.reason)
      if (signal.aborted) end()
      else signal.addEventListener('abort', end, { once: true })
    })
    const { channel, clock } = this.#init
    this.refresh()
    try {
      return await Promise.race([ended, this.#read(), watchLiveness(channel, clock, { signal })])
    } catch (error) {
      this.end(error)
      throw error
    }
  }

  /** Identity, grants, addresses or attached workspaces may have changed. */
  refresh(): void {
    if (this.#ended.signal.aborted) return
    this.#reconcile()
    this.#announcer.refresh()
  }

  end(reason: unknown): void {
    if (this.#ended.signal.aborted) return
    this.#ended.abort(reason)
    this.#reconcile()
  }

  async #read(): Promise<never> {
    const { signal } = this.#ended
    for (
      let message = await this.channel.next();
      message !== undefined;
      message = await this.channel.next()
    ) {
      await this.#bucket.take(1, { signal })
      signal.throwIfAborted()
      await this.#take(message)
    }
    throw new PeerfoldError('NOT_CONNECTED', 'the peer closed the session')
  }

  async #take(message: Message): Promise<void> {
    const { authority, addresses } = this.#init
    switch (message.type) {
      case 'hello':
      case 'ready':
        throw new PeerfoldError('MESSAGE_INVALID', `${message.type} in an open session`)
      case 'bye':
        throw byeError(message)
      case 'ping':
        return this.channel.post({ type: 'pong', n: message.n })
      case 'pong':
        return
      case 'identity':
        return this.#takeIdentity(message)
      case 'grants':
        await this.#checkSameUser(message.type)
        return authority.accept(this.info.device, message.grants)
      case 'addresses':
        await this.#checkSameUser(message.type)
        for (const known of message.peers) addresses?.learn(known.peer, known.addresses)
        return
      case 'offer':
        this.#offered = new Set(message.handles)
        for (const handle of message.handles) this.#everOffered.add(handle)
        return this.#reconcile()
      case 'commits':
        return this.#takeCommits(message)
      case 'ack':
        for (const batch of message.batches) this.#link.credit.release(batch)
        return this.#forward(message)
      default:
        return this.#forward(message)
    }
  }

  async #takeIdentity({ entries }: MessageOf<'identity'>): Promise<void> {
    const presented = { user: this.hello.user, entries }
    await this.#init.authority.admit(this.peer, presented)
    this.#presented = presented
  }

  /** Only devices of one user tell each other of keys and ways. */
  async #checkSameUser(type: string): Promise<void> {
    const { user } = await this.#init.authority.identity()
    if (user !== this.#init.admitted.certificate.user) {
      throw new PeerfoldError('MESSAGE_INVALID', `${type} from another user`)
    }
  }

  #takeCommits(message: MessageOf<'commits'>): void {
    const cost = batchCost(message.envelopes)
    this.#link.debt.add(message.batch, cost)
    const replica = this.#replicas.get(message.handle)?.replica
    if (replica !== undefined) {
      replica.take(message)
      return
    }
    this.#link.debt.settle(cost)
    const { handle, batch } = message
    this.channel.post({ type: 'ack', handle, batches: [batch], held: 0, rejected: 0, report: undefined })
  }

  /** A workspace that is no longer, or not yet, shared here: the peer finds out by the offers. */
  #forward(message: ReplicaMessage): void {
    this.#replicas.get(message.handle)?.replica.take(message)
  }

  /** Replicas of exactly those workspaces that both sides offer. */
  #reconcile(): void {
    const { replications } = this.#init
    for (const [handle, { replica, of }] of this.#replicas) {
      if (this.#shares(handle, of) && replications.get(handle) === of) continue
      this.#replicas.delete(handle)
      of.leave(replica)
    }
    for (const handle of this.#offered ?? []) {
      const of = replications.get(handle)
      if (of === undefined || this.#replicas.has(handle) || !this.#shares(handle, of)) continue
      this.#replicas.set(handle, { replica: of.join(this.#link), of })
    }
    for (const of of replications.values()) of.wake()
  }

  #shares(handle: WorkspaceHandle, of: Replication): boolean {
    if (this.#ended.signal.aborted) return false
    return (this.#offered?.has(handle) ?? false) && this.#announcer.offered.get(handle) === of
  }
}
