import type { AccessOperation, CausalPast, IndexBatch } from '../access/types.js'
import type { PeerfoldError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'
import type { CommitId, DeviceId, EpochId, FeedId, UserId, WriterId } from '../ports/ids.js'
import type { LogPosition } from '../ports/log-store.js'

export type { AccessOperation, CausalPast, IndexBatch, LogAuthority } from '../access/types.js'

export interface ShardUpdate {
  /** 0 … shards − 1. */
  shard: number
  /** Payload of one Yjs V1 `update` event, canonical (PROTOCOL.md §5). */
  update: Uint8Array
}

/** An opened, checked commit. */
export interface Commit {
  id: CommitId
  /** The feed it counts to: the one that signed it, or after a fork (PROTOCOL.md §4.6) the name derived for its branch. */
  feed: FeedId
  /** From 1. A branch goes on counting where it left its feed. */
  seq: number
  prev: CommitId | undefined
  epoch: EpochId
  /** Derived from `feed`: under this name its records live here. */
  writer: WriterId
  /** The feed whose key signed it. */
  signedFeed: FeedId
  /** Derived from `signedFeed`: the Yjs clientID that its updates name for its own records. Equal to `writer` unless the feed forked. */
  signedWriter: WriterId
  device: DeviceId
  user: UserId
  /** Frontier commits that it builds on, `prev` not among them. */
  deps: CommitId[]
  /** Lamport counter, greater than every counter in the causal past. */
  stamp: number
  /**
   * Wall time to show, milliseconds: what the author claimed, never before that of a cause, and never more than ten minutes after this
   * device first saw it. For display and time travel only.
   */
  time: number
  /** Wall time that the author claimed, milliseconds. */
  claimedTime: number
  updates: ShardUpdate[]
  /** Where the updates lie (`UpdateStore`), when they were too large to travel inside. */
  root?: Uint8Array
  operations: AccessOperation[]
  /** Under which grant it was made; undefined while a workspace has one user. */
  tenure: string | undefined
  /** Access commits and identity entries that its author knew. */
  aclHeads: CommitId[]
  identityHeads: string[]
}

/**
 * The layer above, to which the log hands every valid commit in causal order, exactly once per index. Calls never overlap.
 *
 * Commits that arrive together share one batch: `check` and `apply` come for each of them before the batch is written, then `applied` for
 * each. So between `apply` and `applied` the consumer must answer `check` and `apply` as if its entries of the batch were written. When
 * writing fails, the log is of no use until it is opened anew, consumer and all.
 */
export interface CommitConsumer {
  /**
   * Validity rules 6 and 7: scans updates and records without changing anything. The verdict depends only on the commit and its causal past.
   * Any other error than these two stops the log without a verdict.
   * @throws {PeerfoldError} `UPDATE_INVALID`, `COMMIT_INVALID`
   */
  check(commit: Commit, past: CausalPast): Promise<void>
  /** Puts what the commit changes into `batch`, and takes it as applied once `batch` was written. */
  apply(commit: Commit, past: CausalPast, batch: IndexBatch): Promise<void>
  /** Told after the batch is durable in the index. */
  applied(commit: Commit): void
  /**
   * Forgets everything it derived, in memory and in the index: the log is about to replay from the start (a rebuild after a fork, revocation
   * or damaged index). Until `restored` what it shows is incomplete: nobody may take a missing item for a deleted one.
   */
  reset(): Promise<void>
  /** The replay that followed `reset` is complete. */
  restored?(): void | Promise<void>
}

export interface CommitDraft {
  updates: ShardUpdate[]
  operations?: AccessOperation[]
}

/** For each feed its highest applied commit: what a replica holds, in a form small enough to send at every meeting. */
export type LogSummary = Map<FeedId, { seq: number; id: CommitId }>

export interface ReceiveResult {
  /** Applied now, in order, those that were held before included. */
  applied: CommitId[]
  /** Known before. */
  known: CommitId[]
  /** Kept until what they need arrives. */
  held: Array<{ id: CommitId; missing: CommitId[]; reason: 'dep' | 'key' | 'blocks' }>
  /**
   * Refused. `blame` says whether the forwarder could have known. Where `error.retryable` (too many are held), nobody is to blame: send it again
   * later.
   */
  rejected: Array<{ id: CommitId | undefined; error: PeerfoldError; blame: 'forwarder' | 'author' }>
  /** Kept without being applied, until an access operation says otherwise. */
  quarantined: CommitId[]
  /** A feed forked: peers may lack a branch, so exchange summaries again. */
  forked: boolean
}

/** Keeps the seed of this device's feed in one workspace, wrapped at rest. The device journal implements it. */
export interface FeedSecrets {
  /** The feed in use: 32-byte Ed25519 seed; undefined before the first. */
  load(): Promise<Uint8Array | undefined>
  /** Durable when it resolves; replaces the one before. */
  save(seed: Uint8Array): Promise<void>
}

/** Keeps the updates of transactions too large for one commit, as sealed blocks of the workspace. */
export interface UpdateStore {
  /** Resolves a root (at most 512 bytes) once the blocks are durable. */
  put(updates: Uint8Array, options?: AbortOptions): Promise<Uint8Array>
  /** Undefined while blocks are missing. @throws {PeerfoldError} `COMMIT_INVALID` when the root can never be read, `COMMIT_TOO_LARGE` */
  get(root: Uint8Array, maxBytes: number, options?: AbortOptions): Promise<Uint8Array | undefined>
}

export interface LogEvents {
  /** A commit was applied and is durable, index included. */
  commit: (commit: Commit, local: boolean) => void
  /** `CLOCK_AHEAD`: `details` has `device`, `commit`, `ahead` in milliseconds. The commit was applied all the same. */
  warning: (error: PeerfoldError) => void
  /** The index is being rebuilt (true), is complete again (false). Meanwhile nobody may take a missing item for a deleted one. */
  rebuild: (active: boolean) => void
}

/** One workspace's log on this device. */
export interface WorkspaceLog {
  /** Writer of the next local commit. Changes when this device had to open a new feed, so ask inside `draft`. */
  readonly writer: WriterId
  /** The index is being rebuilt: what the consumer shows is incomplete. */
  readonly rebuilding: boolean
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
  /**
   * Takes sealed commits from a peer, in any order, any number of times. Never throws for bad commits: see `rejected`.
   * @throws {PeerfoldError} `INVALID_ARGUMENT` above 8192 commits at once; `STORE_FULL`, `IO_FAILED` (nothing is half taken)
   */
  receive(envelopes: readonly Uint8Array[], options?: AbortOptions): Promise<ReceiveResult>
  /** Tries held commits again: call it when blocks arrived. Keys are noticed without. */
  retry(options?: AbortOptions): Promise<ReceiveResult>
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
  on<E extends keyof LogEvents>(event: E, listener: LogEvents[E]): () => void
  close(): Promise<void>
}
