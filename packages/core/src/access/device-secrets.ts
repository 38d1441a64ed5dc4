import { scryptAsync } from '@noble/hashes/scrypt.js'
import { toHex, toUtf8 } from '../encoding/bytes.js'
import { decodeCbor, encodeCbor } from '../encoding/cbor.js'
import { deriveKey, sha256Now } from '../encoding/derive.js'
import { isPeerfoldError, PeerfoldError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'
import type { Crypto } from '../ports/crypto.js'
import type { DeviceId } from '../ports/ids.js'
import type { PeerId } from '../ports/network.js'
import type { Random } from '../ports/random.js'
import { boxPublicKey } from './box.js'
import { peerIdOfKey } from './peer-key.js'
import { shapeOf } from './shape.js'
import type { DeviceSecrets } from './types.js'

/**
 * A device's secrets, and how they rest on disk (PROTOCOL.md §3.3): sealed under a key that lies in a file of its own (0600), or under a
 * passphrase. Non-goal: protection from who can read both files, or the memory of the running process.
 */

export const WRAPPED_SECRETS_VERSION = 1

/** What unlocks wrapped secrets: 32 bytes, or a passphrase. */
export type WrapKey = Uint8Array | { passphrase: string }

export interface ScryptCost {
  /** log2 of scrypt's N. Memory is 2^logN KiB. */
  logN: number
  p: number
}

/** 32 MiB, three rounds: OWASP's advice for scrypt, in a memory that browsers and small machines can spare. */
export const SCRYPT_COST: ScryptCost = { logN: 15, p: 3 }
/** A changed file may not ask for more than 128 MiB. */
const MAX_LOG_N = 17
const MAX_P = 16

export interface DevicePublicKeys {
  device: DeviceId
  signingKey: Uint8Array
  boxKey: Uint8Array
  peerKey: Uint8Array
  peer: PeerId
}

export function createDeviceSecrets(random: Random): DeviceSecrets {
  return { signingSeed: random.bytes(32), boxSecret: random.bytes(32), peerSeed: random.bytes(32) }
}

export function devicePublicKeys(
  crypto: Pick<Crypto, 'publicKey'>,
  secrets: DeviceSecrets,
): DevicePublicKeys {
  const signingKey = crypto.publicKey(secrets.signingSeed)
  const peerKey = crypto.publicKey(secrets.peerSeed)
  return {
    device: deviceIdOf(signingKey),
    signingKey,
    boxKey: boxPublicKey(secrets.boxSecret),
    peerKey,
    peer: peerIdOfKey(peerKey),
  }
}

export function deviceIdOf(signingKey: Uint8Array): DeviceId {
  return toHex(sha256Now(signingKey))
}

export interface WrapInit {
  crypto: Pick<Crypto, 'seal' | 'open'>
  random: Random
}

/** @param options.cost of a passphrase. @default SCRYPT_COST */
export async function wrapSecrets(
  { crypto, random }: WrapInit,
  secrets: DeviceSecrets,
  wrapKey: WrapKey,
  options: AbortOptions & { cost?: ScryptCost } = {},
): Promise<Uint8Array> {
  const salt = random.bytes(32)
  const cost = wrapKey instanceof Uint8Array ? null : (options.cost ?? SCRYPT_COST)
  const key = await unlock(wrapKey, salt, cost)
  const plaintext = encodeCbor({ ...secrets })
  const [sealed] = await crypto.seal([{ key, plaintext }], options)
  return encodeCbor({ v: WRAPPED_SECRETS_VERSION, salt, scrypt: cost && { ...cost }, sealed })
}

/**
 * @throws {PeerfoldError} `DECRYPT_FAILED` with the wrong key or passphrase, `HOME_INVALID` when the bytes are no wrapped secrets,
 * `PROTOCOL_UNSUPPORTED` when a later Peerfold wrote them
 */
export async function unwrapSecrets(
  crypto: Pick<Crypto, 'open'>,
  bytes: Uint8Array,
  wrapKey: WrapKey,
  options?: AbortOptions,
): Promise<DeviceSecrets> {
  const { salt, cost, sealed } = decodeWrapped(bytes)
  const key = await unlock(wrapKey, salt, cost)
  try {
    const [plaintext] = await crypto.open([{ key, ciphertext: sealed }], options)
    return decodeSecrets(plaintext as Uint8Array)
  } catch (error) {
    if (!isPeerfoldError(error, 'DECRYPT_FAILED')) throw error
    throw new PeerfoldError('DECRYPT_FAILED', 'the device secrets do not open', {
      cause: error,
      hint: cost
        ? 'The passphrase is wrong, or the file was changed.'
        : 'The key file does not fit this home.',
    })
  }
}

/** Whether wrapped secrets ask for a passphrase. @throws {PeerfoldError} `HOME_INVALID`, `PROTOCOL_UNSUPPORTED` */
export function needsPassphrase(bytes: Uint8Array): boolean {
  return decodeWrapped(bytes).cost !== null
}

async function unlock(wrapKey: WrapKey, salt: Uint8Array, cost: ScryptCost | null): Promise<Uint8Array> {
  if (wrapKey instanceof Uint8Array) {
    if (cost) throw new PeerfoldError('DECRYPT_FAILED', 'the device secrets need a passphrase')
    if (wrapKey.length !== 32) throw new PeerfoldError('INVALID_ARGUMENT', 'a wrap key has 32 bytes')
    return deriveKey(wrapKey, 'wrap-key', salt)
  }
  if (!cost) throw new PeerfoldError('DECRYPT_FAILED', 'the device secrets are under a key, not a passphrase')
  const passphrase = toUtf8(wrapKey.passphrase.normalize('NFKC'))
  const stretched = await scryptAsync(passphrase, salt, { N: 2 ** cost.logN, r: 8, p: cost.p, dkLen: 32 })
  return deriveKey(stretched, 'wrap-passphrase', salt)
}

function decodeWrapped(bytes: Uint8Array): { salt: Uint8Array; cost: ScryptCost | null; sealed: Uint8Array } {
  const shape = shapeOf('HOME_INVALID', 'wrapped secrets')
  if (bytes.length > 4096) shape.fail('too long')
  const map = decodeCbor(bytes, 'HOME_INVALID')
  shape.version((map as { v?: unknown } | null)?.v, WRAPPED_SECRETS_VERSION)
  const { salt, scrypt, sealed } = shape.map(map, ['v', 'salt', 'scrypt', 'sealed'])
  return {
    salt: shape.bytes(salt, 32),
    cost: scrypt === null ? null : decodeCost(scrypt),
    sealed: shape.blob(sealed, 1024),
  }
}

function decodeCost(value: unknown): ScryptCost {
  const shape = shapeOf('HOME_INVALID', 'wrapped secrets')
  const { logN, p } = shape.map(value, ['logN', 'p'])
  const cost = { logN: shape.uint(logN, MAX_LOG_N), p: shape.uint(p, MAX_P) }
  return cost.logN === 0 || cost.p === 0 ? shape.fail('scrypt cost of zero') : cost
}

function decodeSecrets(plaintext: Uint8Array): DeviceSecrets {
  const shape = shapeOf('HOME_INVALID', 'device secrets')
  const fields = shape.map(decodeCbor(plaintext, 'HOME_INVALID'), ['signingSeed', 'boxSecret', 'peerSeed'])
  return {
    signingSeed: shape.bytes(fields.signingSeed, 32),
    boxSecret: shape.bytes(fields.boxSecret, 32),
    peerSeed: shape.bytes(fields.peerSeed, 32),
  }
}
