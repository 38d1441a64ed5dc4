import { concatBytes, fromHex, toHex } from '../encoding/bytes.js'
import { decodeCbor, encodeCbor } from '../encoding/cbor.js'
import { PeerfoldError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'
import type { Crypto } from '../ports/crypto.js'
import type { DeviceId } from '../ports/ids.js'
import type { Random } from '../ports/random.js'
import { deviceIdOf } from './device-secrets.js'
import { epochOf } from './epochs.js'
import { decodeGenesis, type WorkspaceGenesis } from './genesis.js'
import type { GrantedEpoch } from './keyring.js'
import { isSigned, type LetterKind, openLetter, sealLetter } from './letter.js'
import { checkWorkspaceName } from './operations.js'
import { shapeOf } from './shape.js'
import type { DeviceCertificate, DeviceSecrets } from './types.js'

/**
 * A workspace handed from one device of a user to another (PROTOCOL.md §3.15): its genesis, its name and all keys. Boxed to the receiver; the sender's signature
 * inside binds it to sender and receiver. Sent at pairing, when a workspace is made and when its keys change; taking one twice changes nothing.
 * Size limits: 64 KiB, 512 epochs.
 */
export interface Grant {
  genesis: WorkspaceGenesis
  /** Undefined while the sender has not learned it. */
  name: string | undefined
  epochs: GrantedEpoch[]
}

export const GRANT_VERSION = 1
export const MAX_GRANT_BYTES = 64 * 1024
const MAX_EPOCHS = 512
const MAX_PREVIOUS = 16
const LETTER: LetterKind = {
  purpose: 'grant',
  name: 'grant',
  version: GRANT_VERSION,
  maxBytes: MAX_GRANT_BYTES,
}

export interface SealGrantInit {
  crypto: Pick<Crypto, 'sign' | 'publicKey'>
  random: Random
  secrets: DeviceSecrets
  /** The receiver. */
  to: Pick<DeviceCertificate, 'device' | 'boxKey'>
}

export async function sealGrant(
  { crypto, random, secrets, to }: SealGrantInit,
  grant: Grant,
  options?: AbortOptions,
): Promise<Uint8Array> {
  const { signingSeed } = secrets
  const body = encodeGrant(grant)
  const signed = addressed(deviceIdOf(crypto.publicKey(signingSeed)), to.device, body)
  return await sealLetter(LETTER, { crypto, random, signingSeed, to: to.boxKey, signed }, body, options)
}

export interface OpenGrantInit {
  crypto: Pick<Crypto, 'verify' | 'publicKey'>
  secrets: DeviceSecrets
  /** The certificate of the device that the channel proved; the caller has checked that it is active. */
  from: Pick<DeviceCertificate, 'device' | 'signingKey'>
}

/**
 * @throws {PeerfoldError} `CERTIFICATE_INVALID` when it is malformed, for another device, not by `from`, or a key does not fit its epoch;
 * `PROTOCOL_UNSUPPORTED`
 */
export async function openGrant(
  { crypto, secrets, from }: OpenGrantInit,
  bytes: Uint8Array,
  options?: AbortOptions,
): Promise<Grant> {
  const shape = shapeOf('CERTIFICATE_INVALID', 'grant')
  const letter = openLetter(LETTER, secrets.boxSecret, bytes)
  if (deviceIdOf(letter.from) !== from.device) shape.fail('of another device than the one that sent it')
  const to = deviceIdOf(crypto.publicKey(secrets.signingSeed))
  const signed = addressed(from.device, to, letter.body)
  if (!(await isSigned(LETTER, crypto, letter, from.signingKey, signed, options)))
    shape.fail('the signature is wrong')
  return decodeGrant(letter.body)
}

/** The sealed part, which recovery bundles carry too. */
export function encodeGrant({ genesis, name, epochs }: Grant): Uint8Array {
  return encodeCbor({
    genesis: genesis.bytes,
    name: name ?? null,
    epochs: epochs.map(({ read, push, previous }) => ({ read, push, previous: previous.map(fromHex) })),
  })
}

/** @throws {PeerfoldError} `CERTIFICATE_INVALID`, `PROTOCOL_UNSUPPORTED` */
export function decodeGrant(bytes: Uint8Array): Grant {
  const shape = shapeOf('CERTIFICATE_INVALID', 'grant')
  const fields = shape.map(decodeCbor(bytes, 'CERTIFICATE_INVALID'), ['genesis', 'name', 'epochs'])
  const genesis = asGenesis(shape.blob(fields.genesis, 256))
  const epochs = shape.list(fields.epochs, MAX_EPOCHS).map((value) => {
    const { read, push, previous } = shape.map(value, ['read', 'push', 'previous'])
    const before = shape.list(previous, MAX_PREVIOUS).map((id) => toHex(shape.bytes(id, 32)))
    return { ...epochOf(genesis.id, shape.bytes(read, 32), shape.bytes(push, 32)), previous: before }
  })
  return { genesis, name: fields.name === null ? undefined : asName(fields.name), epochs }
}

function asGenesis(bytes: Uint8Array): WorkspaceGenesis {
  try {
    return decodeGenesis(bytes)
  } catch (cause) {
    throw wrap(cause)
  }
}

function asName(value: unknown): string {
  try {
    return checkWorkspaceName(shapeOf('CERTIFICATE_INVALID', 'grant').text(value, 1020))
  } catch (cause) {
    throw wrap(cause)
  }
}

function wrap(cause: unknown): unknown {
  if (!(cause instanceof PeerfoldError) || cause.code === 'PROTOCOL_UNSUPPORTED') return cause
  return new PeerfoldError('CERTIFICATE_INVALID', `grant: ${cause.message}`, { cause })
}

/** What is signed of a grant: it holds between these two only. */
function addressed(from: DeviceId, to: DeviceId, body: Uint8Array): Uint8Array {
  return concatBytes(fromHex(from), fromHex(to), body)
}
