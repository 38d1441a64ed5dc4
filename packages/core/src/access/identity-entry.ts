import { compareBytes, fromHex, toHex } from '../encoding/bytes.js'
import { decodeCbor, encodeCbor } from '../encoding/cbor.js'
import { sha256Now } from '../encoding/derive.js'
import { PeerfoldError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'
import type { Crypto, VerifyJob } from '../ports/crypto.js'
import type { DeviceId, UserId } from '../ports/ids.js'
import { type DeviceRequest, decodeDeviceRequest } from './device-request.js'
import { deviceIdOf } from './device-secrets.js'
import { shapeOf } from './shape.js'
import { signedMessage } from './signed.js'

/**
 * Entries of a user's identity log (PROTOCOL.md §3.5).
 *
 * Participants: the user's root key and devices. Goal: each replica derives the same devices from the same entries, whoever delivers them.
 *
 * | type | signed by | says |
 * | --- | --- | --- |
 * | genesis | root | the root key and the recovery box key. Nothing else, so that the phrase alone gives it again |
 * | addDevice | root or a device | a device request, counter-signed by the device's keys |
 * | revokeDevice | root or a device | this device is out; its entries outside this entry's causal past are void |
 * | restoreDevice | root | revocations of this device in this entry's causal past are void |
 *
 * `rotateRoot` is reserved: entries of unknown types are refused as of a later version, and what builds on them waits.
 * Size limits: 2 KiB an entry, 16 causes.
 */

/** SHA-256 of an entry's bytes. */
export type EntryId = string

export const IDENTITY_VERSION = 1
export const MAX_ENTRY_BYTES = 2048
export const MAX_PREVS = 16

interface EntryBase {
  id: EntryId
  bytes: Uint8Array
  /** Entries that this one was made in knowledge of, sorted. */
  prevs: EntryId[]
  /** Ed25519 public key: the root's or a device's. */
  signer: Uint8Array
  /** Device id that the signer's key would have. */
  signerDevice: DeviceId
  /** Wall time, milliseconds. Shown to people only. */
  time: number
}

export type IdentityEntry = EntryBase &
  (
    | { type: 'genesis'; recovery: Uint8Array }
    | { type: 'addDevice'; request: DeviceRequest }
    | { type: 'revokeDevice'; device: DeviceId }
    | { type: 'restoreDevice'; device: DeviceId }
  )

/** What a new entry says; who signs it and what it builds on come on top. */
export type EntryContent =
  | { type: 'genesis'; recovery: Uint8Array }
  | { type: 'addDevice'; request: Uint8Array }
  | { type: 'revokeDevice'; device: Uint8Array }
  | { type: 'restoreDevice'; device: Uint8Array }

export interface EntryInit {
  crypto: Pick<Crypto, 'sign' | 'publicKey'>
  /** Ed25519 seed of the root or of a device. */
  seed: Uint8Array
  /** Undefined for a genesis only. */
  user: UserId | undefined
  prevs: readonly EntryId[]
  time: number
  content: EntryContent
}

export async function encodeEntry(init: EntryInit, options?: AbortOptions): Promise<Uint8Array> {
  const { type, ...says } = init.content
  const body = encodeCbor({
    v: IDENTITY_VERSION,
    type,
    user: init.user === undefined ? null : fromHex(init.user),
    prevs: [...init.prevs].sort().map(fromHex),
    signer: init.crypto.publicKey(init.seed),
    time: init.time,
    says,
  })
  const signature = await init.crypto.sign(init.seed, signedMessage('identity-entry', body), options)
  return encodeCbor({ body, signature })
}

/**
 * Decodes, without checking signatures: see `entrySignatures`.
 *
 * @throws {PeerfoldError} `CERTIFICATE_INVALID`; `PROTOCOL_UNSUPPORTED` for a later version or an unknown type
 */
export function decodeEntry(bytes: Uint8Array, user: UserId): IdentityEntry {
  const shape = shapeOf('CERTIFICATE_INVALID', 'identity entry')
  shape.blob(bytes, MAX_ENTRY_BYTES)
  const { body } = readEnvelope(bytes)
  const map = decodeCbor(body, 'CERTIFICATE_INVALID')
  shape.version((map as { v?: unknown } | null)?.v, IDENTITY_VERSION)
  const fields = shape.map(map, ['v', 'type', 'user', 'prevs', 'signer', 'time', 'says'])
  const signer = shape.bytes(fields.signer, 32)
  const base: EntryBase = {
    id: toHex(sha256Now(bytes)),
    bytes,
    prevs: readPrevs(fields.prevs),
    signer,
    signerDevice: deviceIdOf(signer),
    time: shape.uint(fields.time),
  }
  const isGenesis = fields.type === 'genesis'
  if (isGenesis !== (base.prevs.length === 0)) shape.fail('causes do not fit its type')
  const of = isGenesis && fields.user === null ? base.id : toHex(shape.bytes(fields.user, 32))
  if (of !== user) shape.fail('of another user')
  return { ...base, ...readContent(fields.type, fields.says, user) }
}

/** The signatures of an entry, all of which must hold. */
export function entrySignatures(entry: IdentityEntry): VerifyJob[] {
  const { body, signature } = readEnvelope(entry.bytes)
  const own = { publicKey: entry.signer, message: signedMessage('identity-entry', body), signature }
  return entry.type === 'addDevice' ? [own, ...entry.request.signatures] : [own]
}

function readEnvelope(bytes: Uint8Array): { body: Uint8Array; signature: Uint8Array } {
  const shape = shapeOf('CERTIFICATE_INVALID', 'identity entry')
  const { body, signature } = shape.map(decodeCbor(bytes, 'CERTIFICATE_INVALID'), ['body', 'signature'])
  return { body: shape.blob(body, MAX_ENTRY_BYTES), signature: shape.bytes(signature, 64) }
}

function readPrevs(value: unknown): EntryId[] {
  const shape = shapeOf('CERTIFICATE_INVALID', 'identity entry')
  const prevs = shape.list(value, MAX_PREVS).map((prev) => shape.bytes(prev, 32))
  const sorted = prevs.every((prev, i) => i === 0 || compareBytes(prevs[i - 1] as Uint8Array, prev) < 0)
  return sorted ? prevs.map(toHex) : shape.fail('causes not sorted')
}

function readContent(type: unknown, says: unknown, user: UserId) {
  const shape = shapeOf('CERTIFICATE_INVALID', 'identity entry')
  switch (type) {
    case 'genesis':
      return { type, recovery: shape.bytes(shape.map(says, ['recovery']).recovery, 32) } as const
    case 'addDevice': {
      const bytes = shape.blob(shape.map(says, ['request']).request, MAX_ENTRY_BYTES)
      return { type, request: decodeDeviceRequest(bytes, user) } as const
    }
    case 'revokeDevice':
    case 'restoreDevice':
      return { type, device: toHex(shape.bytes(shape.map(says, ['device']).device, 32)) } as const
    default:
      throw new PeerfoldError(
        'PROTOCOL_UNSUPPORTED',
        `identity entry: type ${JSON.stringify(type)} is not known`,
      )
  }
}
