import type { AbortOptions, PeerId, WorkspaceHandle } from '@peerfold/core'
import type { CID } from 'multiformats/cid'
import type { RelayStatus } from './types.js'

/** What the HTTP side and the command need of a running relay. Nothing in it needs a stream, or a key of a workspace. */
export interface RelayService {
  readonly peer: PeerId
  /** `read-only`: `reason` says why; reads, gc and closing work. */
  readonly state: RelayStatus['state']
  readonly reason: string | undefined
  /** Where a mailbox stands; undefined when there is none. */
  mailbox(handle: WorkspaceHandle): Promise<{ incarnation: string; next: number } | undefined>
  /**
   * Told after commits of a mailbox are durable, or when it began another incarnation. May be told twice; never before `mailbox` would say the same.
   * Returns the function that removes the listener.
   */
  onChange(listener: (handle: WorkspaceHandle, next: number) => void): () => void
  /** Told how long a push took, from its arrival to its `stored`. Returns the function that removes the listener. */
  onStored(listener: (seconds: number) => void): () => void
  /** A block as a member of that workspace may read it: undefined when that workspace has none of this name. */
  readBlock(handle: WorkspaceHandle, cid: CID, options?: AbortOptions): Promise<Uint8Array | undefined>
  readonly tokens: Tokens
  /** Deletes blocks whose leases ran out, and what a crash left of blocks that nobody was told of. */
  collect(options?: AbortOptions): Promise<{ blocks: number; bytes: number }>
  /**
   * Forgets which epoch is the current one of a mailbox, and closes it to everyone until a device that may begin mailboxes registers one.
   * @throws {PeerfoldError} `WORKSPACE_NOT_FOUND`
   */
  reset(handle: WorkspaceHandle): Promise<void>
  status(): Promise<RelayStatus>
  /** For `/metrics`. Counters only grow. */
  counters(): Readonly<RelayCounters>
  /** Present values for `/metrics`, at once. */
  gauges(): Readonly<RelayGauges>
}

/** Bearer tokens of the HTTP side (PROTOCOL.md §10.8). Kept in memory: after a restart devices fetch new ones. */
export interface Tokens {
  /** @returns `expires` in milliseconds of wall time */
  issue(peer: PeerId, handles: Iterable<WorkspaceHandle>): { token: string; expires: number }
  /** Undefined when it never was one, or is none any more. */
  check(token: string): { peer: PeerId; handles: ReadonlySet<WorkspaceHandle> } | undefined
}

export interface RelayCounters {
  /** Sessions that began, were refused (busy, too many, banned), and that broke the protocol. */
  sessionsOpened: number
  sessionsRefused: number
  breaches: number
  /** Requests answered, by kind, and those answered `failed`, by code. */
  requests: Record<string, number>
  failed: Record<string, number>
  /** Commits that are durable since the start, their bytes, and appends that carried them. */
  commitsStored: number
  commitBytes: number
  groups: number
  commitsRead: number
  blocksStored: number
  blockBytes: number
  /** Blocks deleted because their leases ran out. */
  blocksCollected: number
  /** Records of the log that could not be read. */
  damagedRecords: number
}

export interface RelayGauges {
  sessions: number
  /** Mailboxes open in sessions. */
  openMailboxes: number
  /** Requests that wait to be written. */
  queued: number
  queuedBytes: number
}

/** The HTTP side, as the relay starts and stops it. */
export interface HttpSide {
  /** Base URLs that devices are told in tickets. */
  urls(): string[]
  /** Idempotent. */
  close(): Promise<void>
}
