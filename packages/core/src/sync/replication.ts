import { Wakeup } from '../async/wakeup.js'
import type { WorkspaceLog } from '../log/types.js'
import type { AbortOptions } from '../ports/abort.js'
import type { Clock } from '../ports/clock.js'
import type { CommitId, WorkspaceHandle } from '../ports/ids.js'
import type { PeerId } from '../ports/network.js'
import { Puller } from './puller.js'
import { type Link, Replica } from './replica.js'
import { covers } from './summary.js'
import type { PeerProgress } from './types.js'

export interface ReplicationInit {
  handle: WorkspaceHandle
  log: WorkspaceLog
  clock: Clock
  /** What peers told in earlier runs. */
  earlier: ReadonlyMap<PeerId, PeerProgress> | undefined
  /** Something about a peer changed. */
  progressed: (peer: PeerId) => void
}

/** One attached workspace: its log, and its replicas at the peers in session. */
export class Replication {
  /** Last known state at each peer, connected or not. */
  readonly progress: Map<PeerId, PeerProgress>
  readonly #init: ReplicationInit
  readonly #puller: Puller
  readonly #replicas = new Set<Replica>()
  readonly #changed = new Wakeup()
  readonly #unsubscribe: () => void
  #complete = false
  #closed = false

  constructor(init: ReplicationInit) {
    this.#init = init
    this.progress = new Map(init.earlier)
    this.#puller = new Puller({ log: init.log, clock: init.clock })
    this.#unsubscribe = init.log.on('commit', (commit, local) => this.#committed(commit.id, local))
  }

  get closed(): boolean {
    return this.#closed
  }

  join(link: Link): Replica {
    const replica: Replica = new Replica({
      handle: this.#init.handle,
      log: this.#init.log,
      link,
      puller: this.#puller,
      before: this.progress.get(link.peer),
      complete: () => this.#complete,
      received: () => this.#announce(replica),
      progressed: () => this.#progressed(replica),
    })
    this.#replicas.add(replica)
    this.#puller.add(replica)
    this.progress.set(link.peer, replica.progress)
    replica.report()
    return replica
  }

  leave(replica: Replica): void {
    this.#replicas.delete(replica)
    replica.end()
    this.#progressed(replica)
  }

  setComplete(complete: boolean): void {
    this.#complete = complete
    this.#announce()
  }

  /** @param undecided whether peers are connected that will have this workspace and do not yet */
  async acknowledged(
    commits: readonly CommitId[],
    undecided: () => Promise<boolean>,
    options?: AbortOptions,
  ): Promise<PeerId[]> {
    const wanted = await Promise.all(commits.map((commit) => this.#init.log.get(commit, options)))
    const has = (replica: Replica) =>
      replica.theirs() !== undefined &&
      replica.progress.blocksComplete &&
      wanted.every((commit) => covers(replica.progress.summary, commit))
    const isOver = async () => !(await undecided()) && [...this.#replicas].every(has)
    while (!this.#closed) {
      // Listening begins before the look: what changes in between wakes.
      const changed = this.#changed.wait(options)
      changed.catch(() => {})
      if (await isOver()) return [...this.#replicas].map(({ peer }) => peer)
      await changed
    }
    return []
  }

  /** Sessions came, went or made up their minds. */
  wake(): void {
    this.#changed.wake()
  }

  close(): void {
    this.#closed = true
    this.#unsubscribe()
    for (const replica of [...this.#replicas]) this.leave(replica)
    this.#puller.close()
    this.#changed.wake()
  }

  #committed(commit: CommitId, local: boolean): void {
    if (local) {
      for (const replica of this.#replicas) replica.push(commit)
      return
    }
    this.#complete = false
    const receiving = [...this.#replicas].some((replica) => replica.busy())
    if (!receiving) this.#announce()
  }

  #announce(except?: Replica): void {
    for (const replica of this.#replicas) if (replica !== except) replica.report()
  }

  #progressed(replica: Replica): void {
    this.#changed.wake()
    this.#init.progressed(replica.peer)
  }
}
