import { keyOfPeerId } from '../access/peer-key.js'
import { signedMessage } from '../access/signed.js'
import { concatBytes, fromHex, toHex } from '../encoding/bytes.js'
import { encodeCbor } from '../encoding/cbor.js'
import { sha256Now } from '../encoding/derive.js'
import type { AbortOptions } from '../ports/abort.js'
import type { Crypto } from '../ports/crypto.js'
import type { CommitId, EpochId, WorkspaceHandle } from '../ports/ids.js'
import type { PeerId } from '../ports/network.js'

/**
 * What devices sign for relays (PROTOCOL.md §10.4): that they hold keys of a workspace, that an epoch has these keys, that they hold the recovery phrase.
 * Bound to the relay, to the device and to the session, so that nobody can use a proof again elsewhere, or later.
 */

/** Whom a session joins; `nonce` is the relay's, new for each. */
export interface RelayChannel {
  relay: PeerId
  device: PeerId
  nonce: Uint8Array
}

export interface AccessClaim {
  handle: WorkspaceHandle
  epoch: EpochId
  role: string
  /** Wall time by the relay's clock, milliseconds. */
  time: number
}

export interface Registration {
  handle: WorkspaceHandle
  epoch: EpochId
  /** Public keys. */
  pull: Uint8Array
  push: Uint8Array
  control: Uint8Array
  /** The epoch whose control key signs; undefined for a new mailbox, which its own control key begins. */
  previous: EpochId | undefined
  /** The commit that announces the epoch to those who hold only the keys before. */
  rotation: CommitId | undefined
}

type Signs = Pick<Crypto, 'sign'>
type Checks = Pick<Crypto, 'verify'>

export function proveAccess(
  crypto: Signs,
  seed: Uint8Array,
  channel: RelayChannel,
  claim: AccessClaim,
  options?: AbortOptions,
): Promise<Uint8Array> {
  return crypto.sign(seed, accessMessage(channel, claim), options)
}

export function checkAccess(
  crypto: Checks,
  publicKey: Uint8Array,
  channel: RelayChannel,
  claim: AccessClaim,
  signature: Uint8Array,
): Promise<boolean> {
  return check(crypto, publicKey, accessMessage(channel, claim), signature)
}

export function signRegistration(
  crypto: Signs,
  seed: Uint8Array,
  registration: Registration,
  options?: AbortOptions,
): Promise<Uint8Array> {
  return crypto.sign(seed, registrationMessage(registration), options)
}

export function checkRegistration(
  crypto: Checks,
  publicKey: Uint8Array,
  registration: Registration,
  signature: Uint8Array,
): Promise<boolean> {
  return check(crypto, publicKey, registrationMessage(registration), signature)
}

export function proveRoot(
  crypto: Signs,
  rootSeed: Uint8Array,
  channel: RelayChannel,
  time: number,
  options?: AbortOptions,
): Promise<Uint8Array> {
  return crypto.sign(rootSeed, rootMessage(channel, time), options)
}

export function checkRoot(
  crypto: Checks,
  root: Uint8Array,
  channel: RelayChannel,
  time: number,
  signature: Uint8Array,
): Promise<boolean> {
  return check(crypto, root, rootMessage(channel, time), signature)
}

/** Under what recovery bundles of a user lie: who knows only this learns nothing of the key. */
export function bundleId(rootPublicKey: Uint8Array): string {
  return toHex(sha256Now(signedMessage('relay-bundle', rootPublicKey)))
}

function accessMessage(channel: RelayChannel, { handle, epoch, role, time }: AccessClaim): Uint8Array {
  const claim = encodeCbor([fromHex(handle), fromHex(epoch), role, time])
  return signedMessage('relay-access', concatBytes(channelBytes(channel), claim))
}

function registrationMessage(registration: Registration): Uint8Array {
  const { handle, epoch, pull, push, control, previous, rotation } = registration
  const optional = (hex: string | undefined) => (hex === undefined ? null : fromHex(hex))
  const fields = [
    fromHex(handle),
    fromHex(epoch),
    pull,
    push,
    control,
    optional(previous),
    optional(rotation),
  ]
  return signedMessage('relay-epoch', encodeCbor(fields))
}

function rootMessage(channel: RelayChannel, time: number): Uint8Array {
  return signedMessage('relay-root', concatBytes(channelBytes(channel), encodeCbor(time)))
}

function channelBytes({ relay, device, nonce }: RelayChannel): Uint8Array {
  return concatBytes(keyOfPeerId(relay), keyOfPeerId(device), nonce)
}

async function check(
  crypto: Checks,
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  const [sound] = await crypto.verify([{ publicKey, message, signature }])
  return sound === true
}
