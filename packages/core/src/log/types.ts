import type { Keyring } from '../access/types.js'
import type { AbortOptions } from '../ports/abort.js'
import type {
  CommitId,
  DeviceId,
  EpochId,
  FeedId,
  UserId,
  WorkspaceHandle,
  WorkspaceId,
  WriterId,
} from '../ports/ids.js'
import type { LogPosition } from '../ports/log-store.js'

/** A batch of the index: what a commit changes in key-value form, written together with the log position it stands for. */
export type IndexBatch = Array<{ type: 'put'; key: string; value: Uint8Array } | { type: 'del'; key: string }>

export interface ShardUpdate {
  /** 0 … shards − 1. */
  shard: number
  /** Payload of one Yjs V1 `update` event, canonical (PROTOCOL.md §5). */
  update: Uint8Array
}

/** What a commit says outside the tree: epochs now, members and roles later. Opaque here, `access` gives it meaning. */
export type AccessOperation = { type: string } & Record<string, unknown>

/** An opened, checked commit. */
export interface Commit {
  id: CommitId
  feed: FeedId
  seq: number
  prev: CommitId | undefined
  epoch: EpochId
  writer: WriterId
  device: DeviceId
  user: UserId
  /** Frontier commits that it builds on, `prev` not among them. */
  deps: CommitId[]
  /** Lamport counter, greater than every counter in the causal past. */
  stamp: number
  /** Author's wall time, milliseconds. For display and time travel. */
  time: number
  updates: ShardUpdate[]
  operations: AccessOperation[]
}

/** What lies strictly before a commit. */
export interface CausalPast {
  /** Whether the commit `seq` of `writer`'s feed is in it. */
  covers(writer: WriterId, seq: number): boolean
}

/** The layer above, to which the log hands every valid commit in causal order, exactly once per index. */
export interface CommitConsumer {
  /**
   * Validity rules 6 and 7: scans updates and records without changing anything.
   * @throws {PeerfoldError} `UPDATE_INVALID`
   */
  check(commit: Commit, past: CausalPast): Promise<void>
  /** Puts what the commit changes into `batch`, and takes it as applied once `batch` was written. */
  apply(commit: Commit, past: CausalPast, batch: IndexBatch): Promise<void>
  /** Told after the batch is durable in the index. */
  applied(commit: Commit): void
  /** Forgets everything it derived: the log is about to replay from the start (a rebuild after a fork, revocation or damaged index). */
  reset(): Promise<void>
}

/**
 * What the log asks of `access` about who may write (implemented by `access/workspace-access.ts`). Answers depend only on the commit, its causal
 * past and the operations in it, so that they are the same on every replica.
 */
export interface LogAuthority {
  readonly workspace: WorkspaceId
  readonly handle: WorkspaceHandle
  readonly keyring: Keyring
  /** Own device and user: authors of local commits. */
  readonly device: DeviceId
  readonly user: UserId
  /**
   * Proof that a new feed is this device's: its key signed by the device key, and the identity entries that certify the device.
   * Carried by the first commit of the feed.
   */
  certifyFeed(feedKey: Uint8Array, options?: AbortOptions): Promise<Uint8Array>
  /** Checks that proof. @throws {PeerfoldError} `CERTIFICATE_INVALID` */
  checkFeed(
    feedKey: Uint8Array,
    proof: Uint8Array,
    options?: AbortOptions,
  ): Promise<{ device: DeviceId; user: UserId }>
  /** Validity rule 5, on an opened commit. `quarantine` keeps the commit without applying it. */
  judge(commit: Commit, past: CausalPast): Promise<'valid' | 'quarantine'>
  /**
   * Takes the operations of a valid commit into account: new epochs enter the keyring, revocations take effect.
   * Resolves true when verdicts on commits that were applied already may have changed: the log then rebuilds.
   */
  apply(commit: Commit, batch: IndexBatch): Promise<boolean>
  /** As in `CommitConsumer`. Secrets that came by other ways than commits are kept. */
  reset(): Promise<void>
  /** Fires when a key was learned outside the log, so that commits held for it are tried again. */
  onKey(listener: (epoch: EpochId) => void): () => void
}

export interface CommitDraft {
  updates: ShardUpdate[]
  operations?: AccessOperation[]
}

/** For each feed its highest commit: what a replica holds, in a form small enough to send at every meeting. */
export type LogSummary = Map<FeedId, { seq: number; id: CommitId }>

export interface ReceiveResult {
  /** Applied now, in order, those that were held before included. */
  applied: CommitId[]
  /** Known before. */
  known: CommitId[]
  /** Kept until what they need arrives. */
  held: Array<{ id: CommitId; missing: CommitId[]; reason: 'dep' | 'key' | 'blocks' }>
  /** Refused. `blame` says whether the forwarder could have known. */
  rejected: Array<{ id: CommitId | undefined; error: Error; blame: 'forwarder' | 'author' }>
}

/** One workspace's log on this device. */
export interface WorkspaceLog {
  /** The next Lamport counter and the writer id: what the tree needs to draft records. */
  readonly writer: WriterId
  /** Counter that the next local commit will carry. */
  nextStamp(): number
  /** seq that the next local commit will carry. */
  nextSeq(): number
  /** Everything applied so far: what a local commit made now has in its causal past. */
  past(): CausalPast
  pastOf(id: CommitId): Promise<CausalPast>
  /**
   * Runs `draft` while no other commit is applied, signs, seals and appends what it returns, durably, and applies it.
   * Resolves undefined when `draft` returns undefined (nothing to say).
   */
  commit(
    draft: (past: CausalPast) => Promise<CommitDraft | undefined>,
    options?: AbortOptions,
  ): Promise<Commit | undefined>
  /** Takes sealed commits from a peer, in any order, any number of times. Never throws for bad commits: see `rejected`. */
  receive(envelopes: readonly Uint8Array[], options?: AbortOptions): Promise<ReceiveResult>
  /** Commits that no other applied commit builds on. */
  heads(): CommitId[]
  summary(): LogSummary
  has(id: CommitId): Promise<boolean>
  /** The sealed commit as it travels. @throws {PeerfoldError} `NOT_FOUND` */
  envelope(id: CommitId, options?: AbortOptions): Promise<Uint8Array>
  /** The opened commit. @throws {PeerfoldError} `NOT_FOUND` */
  get(id: CommitId, options?: AbortOptions): Promise<Commit>
  /** Sealed commits that a replica with this summary lacks, causes before effects. Forked feeds are sent from their first commit. */
  missing(summary: LogSummary, options?: AbortOptions): AsyncIterable<{ id: CommitId; envelope: Uint8Array }>
  /** Applied commits with their time, oldest first, from a position on; for history and replay. */
  replay(from?: LogPosition, options?: AbortOptions): AsyncIterable<Commit>
  on(event: 'commit', listener: (commit: Commit, local: boolean) => void): () => void
  close(): Promise<void>
}
