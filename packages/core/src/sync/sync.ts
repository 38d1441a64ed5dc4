import { Emitter } from '../async/emitter.js'
import { PeerfoldError } from '../errors.js'
import type { WorkspaceLog } from '../log/types.js'
import type { AbortOptions } from '../ports/abort.js'
import type { CommitId, WorkspaceHandle } from '../ports/ids.js'
import type { PeerId } from '../ports/network.js'
import { Replication } from './replication.js'
import { Sessions } from './sessions.js'
import type { PeerProgress, Sync, SyncEvents, SyncInit, SyncPeer } from './types.js'

export type { SyncInit } from './types.js'

/**
 * Replication of commits and identity between admitted peers: PROTOCOL.md §6.
 *
 * Participants: two devices (later also relays), each with the keys that `access` certified, over one long-lived stream.
 * Goals: new commits reach every connected peer in one message; a peer that was away fetches exactly what it lacks, causes first, and resumes
 * where it stopped; identity changes and revocations reach all; whoever is not admitted learns nothing; memory is bounded whatever a peer does.
 * Non-goals: blocks (`exchange`), judging commits (`log`), finding peers (`dialer.ts`), confidentiality (`net` encrypts the channel, `log` seals).
 * Messages: `messages.ts`; limits: `limits.ts`; versions: `handshake.ts`.
 */
export const SYNC_PROTOCOL = '/peerfold/sync/1'

/**
 * @example
 * ```ts
 * const sync = createSync({ network, authority, clock, random, wanted: (peer) => devices.has(peer) })
 * sync.attach(handle, log)
 * await sync.start()
 * ```
 */
export function createSync(init: SyncInit): Sync {
  return new SyncNode(init)
}

class SyncNode implements Sync {
  readonly #init: SyncInit
  readonly #replications = new Map<WorkspaceHandle, Replication>()
  readonly #sessions: Sessions
  readonly #events = new Emitter<SyncEvents>()
  readonly #closing = new AbortController()
  #unsubscribe: Array<() => void> = []

  constructor(init: SyncInit) {
    this.#init = init
    this.#sessions = new Sessions({ ...init, protocol: SYNC_PROTOCOL, replications: this.#replications })
    this.#sessions.on('open', (...said) => this.#events.emit('open', ...said))
    this.#sessions.on('closed', (...said) => this.#events.emit('closed', ...said))
    this.#sessions.on('refused', (...said) => this.#events.emit('refused', ...said))
  }

  async start(): Promise<void> {
    this.#checkOpen()
    const { network, authority, addresses } = this.#init
    network.handle(SYNC_PROTOCOL, (stream) => this.#sessions.accept(stream))
    this.#unsubscribe = [
      () => network.unhandle(SYNC_PROTOCOL),
      network.on('connect', ({ peer }) => this.#sessions.encourage(peer)),
      network.on('disconnect', (peer) => this.#sessions.disconnected(peer)),
      authority.onChange(() => this.#authorityChanged()),
      addresses?.onChange(() => this.#refresh()) ?? (() => {}),
    ]
    this.#sessions.encourageAll()
  }

  attach(handle: WorkspaceHandle, log: WorkspaceLog, earlier?: ReadonlyMap<PeerId, PeerProgress>): void {
    this.#checkOpen()
    if (this.#replications.has(handle)) this.detach(handle)
    const { clock } = this.#init
    const progressed = (peer: PeerId) => this.#events.emit('progress', peer, handle)
    this.#replications.set(handle, new Replication({ handle, log, clock, earlier, progressed }))
    this.#refresh()
  }

  detach(handle: WorkspaceHandle): void {
    const replication = this.#replications.get(handle)
    if (replication === undefined) return
    this.#replications.delete(handle)
    this.#refresh()
    replication.close()
  }

  peers(): SyncPeer[] {
    const connections = new Map(this.#init.network.connections().map((each) => [each.peer, each]))
    return this.#sessions.all().map(({ info }) => ({
      ...info,
      connection: connections.get(info.peer) ?? info.connection,
    }))
  }

  progress(handle: WorkspaceHandle): Map<PeerId, PeerProgress> {
    return new Map(this.#replications.get(handle)?.progress)
  }

  setBlocksComplete(handle: WorkspaceHandle, complete: boolean): void {
    this.#replications.get(handle)?.setComplete(complete)
  }

  async acknowledged(
    handle: WorkspaceHandle,
    commits: readonly CommitId[],
    options?: AbortOptions,
  ): Promise<PeerId[]> {
    options?.signal?.throwIfAborted()
    const replication = this.#replications.get(handle)
    if (replication === undefined) {
      throw new PeerfoldError('WORKSPACE_NOT_FOUND', `workspace ${handle} is not attached`)
    }
    const undecided = async () => {
      const sessions = this.#sessions.all()
      return (await Promise.all(sessions.map((session) => session.isExpecting(handle)))).includes(true)
    }
    const peers = await replication.acknowledged(commits, undecided, options)
    if (replication.closed) throw new PeerfoldError('CLOSED', `workspace ${handle} was detached`)
    return peers
  }

  on<E extends keyof SyncEvents>(event: E, listener: SyncEvents[E]): () => void {
    return this.#events.on(event, listener)
  }

  async close(): Promise<void> {
    if (!this.#closing.signal.aborted) {
      this.#closing.abort(new PeerfoldError('CLOSED', 'sync was closed'))
      for (const unsubscribe of this.#unsubscribe) unsubscribe()
    }
    await this.#sessions.close(this.#closing.signal.reason)
    for (const handle of [...this.#replications.keys()]) this.detach(handle)
    this.#events.clear()
  }

  #authorityChanged(): void {
    this.#refresh()
    this.#sessions.encourageAll()
  }

  #refresh(): void {
    for (const session of this.#sessions.all()) session.refresh()
  }

  #checkOpen(): void {
    this.#closing.signal.throwIfAborted()
  }
}
