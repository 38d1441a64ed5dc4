import { concatBytes, fromHex, toHex } from '../encoding/bytes.js'
import { decodeCbor, encodeCbor } from '../encoding/cbor.js'
import { PeerfoldError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'
import type { Crypto } from '../ports/crypto.js'
import type { DeviceId } from '../ports/ids.js'
import type { Random } from '../ports/random.js'
import { openBox, sealBox } from './box.js'
import { deviceIdOf } from './device-secrets.js'
import { epochOf } from './epochs.js'
import { decodeGenesis, type WorkspaceGenesis } from './genesis.js'
import type { GrantedEpoch } from './keyring.js'
import { checkWorkspaceName } from './operations.js'
import { shapeOf } from './shape.js'
import { signedMessage } from './signed.js'
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
  const body = encodeGrant(grant)
  const from = crypto.publicKey(secrets.signingSeed)
  const message = grantMessage(deviceIdOf(from), to.device, body)
  const signature = await crypto.sign(secrets.signingSeed, message, options)
  const box = sealBox(random, to.boxKey, 'grant', encodeCbor({ from, signature, body }))
  return encodeCbor({ v: GRANT_VERSION, box })
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
  const outer = decodeCbor(shape.blob(bytes, MAX_GRANT_BYTES), 'CERTIFICATE_INVALID')
  shape.version((outer as { v?: unknown } | null)?.v, GRANT_VERSION)
  const box = shape.blob(shape.map(outer, ['v', 'box']).box, MAX_GRANT_BYTES)
  const plaintext = openBox(secrets.boxSecret, 'grant', box, 'CERTIFICATE_INVALID')
  const fields = shape.map(decodeCbor(plaintext, 'CERTIFICATE_INVALID'), ['from', 'signature', 'body'])
  const body = shape.blob(fields.body, MAX_GRANT_BYTES)
  if (deviceIdOf(shape.bytes(fields.from, 32)) !== from.device)
    shape.fail('of another device than the one that sent it')
  const to = deviceIdOf(crypto.publicKey(secrets.signingSeed))
  const message = grantMessage(from.device, to, body)
  const job = { publicKey: from.signingKey, message, signature: shape.bytes(fields.signature, 64) }
  const [sound] = await crypto.verify([job], options)
  if (!sound) shape.fail('the signature is wrong')
  return decodeGrant(body)
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

function grantMessage(from: DeviceId, to: DeviceId, body: Uint8Array): Uint8Array {
  return signedMessage('grant', concatBytes(fromHex(from), fromHex(to), body))
}
