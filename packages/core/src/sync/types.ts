import type { DeviceCertificate } from '../access/types.js'
import type { LogSummary, WorkspaceLog } from '../log/types.js'
import type { AbortOptions } from '../ports/abort.js'
import type { Clock } from '../ports/clock.js'
import type { CommitId, DeviceId, UserId, WorkspaceHandle } from '../ports/ids.js'
import type { Network, PeerConnection, PeerId } from '../ports/network.js'
import type { Random } from '../ports/random.js'

/** What a session may know of this device and decide about others. The `peerfold` layer implements it over `access`. */
export interface SyncAuthority {
  /** Sent in hello: identity log entries that prove this device (PROTOCOL.md §3), canonical bytes. */
  identity(): Promise<{ user: UserId; entries: Uint8Array[] }>
  /**
   * Checks what a peer presented against the PeerId that the channel proved, learning new identity entries.
   * @throws {PeerfoldError} `UNAUTHORIZED`, `CERTIFICATE_INVALID`, `DEVICE_REVOKED`
   */
  admit(peer: PeerId, presented: { user: UserId; entries: Uint8Array[] }): Promise<DeviceCertificate>
  /** Workspaces this admitted device may replicate. */
  handles(device: DeviceId): Promise<ReadonlySet<WorkspaceHandle>>
  /** Workspace grants for that device (ids, names, epoch secrets), sealed to its box key: new ones reach every device of the user. */
  grants(device: DeviceId): Promise<Uint8Array[]>
  /** A grant that a device of the same user sent. Idempotent. */
  accept(from: DeviceId, grants: readonly Uint8Array[]): Promise<void>
  /** Fires when identity entries, handles or grants changed, so that sessions tell their peers. */
  onChange(listener: () => void): () => void
}

/** Ways to devices, which sessions of one user's devices tell each other. The dialer implements it. */
export interface AddressBook {
  /** Own addresses and those of known devices. */
  known(): Array<{ peer: PeerId; addresses: string[] }>
  /** A hint from a peer, to be checked by dialling. Ignores peers that are no device of ours. */
  learn(peer: PeerId, addresses: readonly string[]): void
  onChange(listener: () => void): () => void
}

/** What a peer has told about one workspace. */
export interface PeerProgress {
  device: DeviceId
  /** What it keeps may be gone at any time, as in a browser: it is no copy to count on. */
  lossy: boolean
  /** Commits the peer says it has applied. */
  summary: LogSummary
  /** When a message last came from it, milliseconds. */
  lastSeen: number
  /** Whether the peer holds, durably, all blocks of the commits it applied. */
  blocksComplete: boolean
  /** Commits of the last batch it acknowledged that it holds back until what they need arrives. */
  held: number
  /** Commits from here that it refused in this session. */
  rejected: number
}

export interface SyncPeer {
  peer: PeerId
  device: DeviceId
  name: string
  connection: PeerConnection
  /** Its wall clock minus ours when it said hello, milliseconds: far from zero, one of the two is wrong. */
  clockOffset: number
}

export interface SyncEvents {
  /** A session is up and admitted. */
  open: (peer: SyncPeer) => void
  closed: (peer: SyncPeer, reason: Error | undefined) => void
  /** A peer acknowledged, received, or changed what it has. */
  progress: (peer: PeerId, handle: WorkspaceHandle) => void
  refused: (peer: PeerId, reason: Error) => void
}

/** Replication of commits and identity between admitted peers. */
export interface Sync {
  /** Accepts sessions; opens one whenever the network connects to a peer that `wanted` says is a device of ours. */
  start(): Promise<void>
  /** @param earlier what peers told in earlier runs. @default nothing */
  attach(handle: WorkspaceHandle, log: WorkspaceLog, earlier?: ReadonlyMap<PeerId, PeerProgress>): void
  detach(handle: WorkspaceHandle): void
  peers(): SyncPeer[]
  /** Peers of which something was heard in this run or an earlier one, connected or not. */
  progress(handle: WorkspaceHandle): Map<PeerId, PeerProgress>
  /**
   * Tells peers that this device now durably holds all blocks of what it applied (or no longer does). False at first, and again after
   * every commit that came from a peer: say so anew, after the log's `commit` listeners have run, whenever the blocks are there.
   */
  setBlocksComplete(handle: WorkspaceHandle, complete: boolean): void
  /**
   * Resolves when every connected peer that may have this workspace has applied these commits and reports complete blocks, with those peers:
   * none when none is connected (see `peers`). A peer that has the workspace yet to come is waited for, one that gave it up is not. @throws {PeerfoldError} `WORKSPACE_NOT_FOUND` when it is not attached, `NOT_FOUND` for an unknown commit
   */
  acknowledged(
    handle: WorkspaceHandle,
    commits: readonly CommitId[],
    options?: AbortOptions,
  ): Promise<PeerId[]>
  on<E extends keyof SyncEvents>(event: E, listener: SyncEvents[E]): () => void
  close(): Promise<void>
}

export interface SyncInit {
  network: Network
  authority: SyncAuthority
  clock: Clock
  random: Random
  /** Whether a session should be opened with that peer when it is connected: it is a device of ours. Others may still call us. */
  wanted: (peer: PeerId) => boolean
  /**
   * What that peer may replicate from now on, before the peer itself learns that it was admitted; empty when its session is over. The blocks
   * follow the same rule: `exchange.authorize` and `exchange.revoke`.
   */
  onAuthorized?: (peer: PeerId, handles: ReadonlySet<WorkspaceHandle>) => void
  /** Where sessions put what peers say about ways to other devices. @default such hints are ignored and none are given */
  addresses?: AddressBook
  /** What this device keeps may be gone at any time: others are told not to count on it. @default false */
  lossy?: boolean
}
