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
import type { PeerId } from '../ports/network.js'

/** Public half of a device, as its certificate states it (PROTOCOL.md §3). */
export interface DeviceCertificate {
  user: UserId
  device: DeviceId
  /** Ed25519, 32 bytes. */
  signingKey: Uint8Array
  /** X25519, 32 bytes. */
  boxKey: Uint8Array
  peer: PeerId
  /** Shown to people only. */
  name: string
  /** Wall time of certification, milliseconds. Shown to people only. */
  time: number
  /** The canonical signed bytes. */
  bytes: Uint8Array
}

/** Secrets of this device. Kept wrapped at rest, never logged, never in a commit. */
export interface DeviceSecrets {
  /** Ed25519 seed of the signing key. */
  signingSeed: Uint8Array
  /** X25519 secret key. */
  boxSecret: Uint8Array
  /** Ed25519 seed of the libp2p key. */
  peerSeed: Uint8Array
}

export interface DeviceStanding {
  certificate: DeviceCertificate
  /** `suspended`: two devices revoked each other, only the root key can decide. */
  state: 'active' | 'revoked' | 'suspended'
}

/** Secrets of one epoch of one workspace. All 32 bytes, derived keys come from them by labelled HKDF. */
export interface EpochSecrets {
  id: EpochId
  /** Held by all members. */
  read: Uint8Array
  /** Held by editors and above. */
  push: Uint8Array
}

/** Keys of a workspace that this device holds, by epoch. */
export interface Keyring {
  workspace: WorkspaceId
  /** The epoch that new commits are sealed under. */
  current(): EpochSecrets
  get(epoch: EpochId): EpochSecrets | undefined
  all(): EpochSecrets[]
}

/**
 * A batch of the index: what commits change in key-value form, written together with the log position it stands for. Keys that begin with
 * `log/` belong to the log; consumer and authority use prefixes of their own.
 */
export type IndexBatch = Array<{ type: 'put'; key: string; value: Uint8Array } | { type: 'del'; key: string }>

/** What a commit says outside the tree: epochs now, members and roles later. Opaque here, `access` gives it meaning. */
export type AccessOperation = { type: string } & Record<string, unknown>

/** What lies strictly before a commit. */
export interface CausalPast {
  /** Whether the commit `seq` of `writer`'s feed is in it. */
  covers(writer: WriterId, seq: number): boolean
  /**
   * The writers that a commit with this past may mean when it names `writer` in references to earlier records. `[writer]`, unless feeds
   * forked: then the author may have seen only a branch that has another name by now. Of a record that is found under several of them, the
   * one whose commit is covered is meant; there is at most one.
   */
  aliases(writer: WriterId): readonly WriterId[]
}

/** What access reads of an opened commit; the log's `Commit` has these fields and more. */
export interface AuthoredCommit {
  id: CommitId
  seq: number
  writer: WriterId
  /** The feed whose key signed it: the one that `checkFeed` was asked about. */
  signedFeed: FeedId
  epoch: EpochId
  device: DeviceId
  user: UserId
  stamp: number
  updates: readonly unknown[]
  operations: readonly AccessOperation[]
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
  /**
   * Checks that proof. Asked about the first commit of a feed before that is judged, in each replay anew.
   * @throws {PeerfoldError} `CERTIFICATE_INVALID`; `PROTOCOL_UNSUPPORTED` for entries of a later version
   */
  checkFeed(
    feedKey: Uint8Array,
    proof: Uint8Array,
    options?: AbortOptions,
  ): Promise<{ device: DeviceId; user: UserId }>
  /**
   * Validity rule 5, on an opened commit whose causes were all judged. Changes nothing. `quarantine` keeps the commit without applying it.
   * @throws {PeerfoldError} `COMMIT_INVALID` when an operation is malformed; `PROTOCOL_UNSUPPORTED` for operations of a later version (hold)
   */
  judge(commit: AuthoredCommit, past: CausalPast): Promise<'valid' | 'quarantine'>
  /**
   * Takes an opened commit into account, right after it was judged and before the tree checks it; quarantined ones too, since a revocation
   * counts even when its author is suspended, and a valid commit redeems what it builds on. Commits with identity or epoch operations carry no updates,
   * so nothing that the tree may refuse is taken into account.
   *
   * Resolves true when verdicts on commits judged earlier may have changed, those that this one builds on among them: the log then hands no more
   * commits to the consumer, goes on with `judge` and `apply` to its end, calls `reset` here and there, and replays all its commits,
   * quarantined ones included. Two such replays settle almost everything; it always ends.
   */
  apply(commit: AuthoredCommit, past: CausalPast, batch: IndexBatch): Promise<boolean>
  /**
   * Before every replay from the start. Forgets positions and what valid commits said; keeps what commit ids and signed identity entries prove
   * for ever, and secrets.
   */
  reset(): Promise<void>
  /** What a commit made now cites. */
  cite(): { tenure: string | undefined; aclHeads: CommitId[]; identityHeads: string[] }
  /** Fires when a key was learned outside the log, so that commits held for it are tried again. */
  onKey(listener: (epoch: EpochId) => void): () => void
}
