import type { DeviceId, EpochId, UserId, WorkspaceId } from '../ports/ids.js'
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
