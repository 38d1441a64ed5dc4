import nacl from 'tweetnacl'
import { concatBytes, equalBytes, toUtf8 } from '../encoding/bytes.js'
import { sha256Now } from '../encoding/derive.js'
import { type ErrorCode, PeerfoldError } from '../errors.js'
import type { Random } from '../ports/random.js'

/**
 * Boxes for one recipient (PROTOCOL.md §3.4): X25519 with a key used once, then XSalsa20-Poly1305.
 * On the wire: ephemeral public key (32) ‖ box (plaintext + 16). Non-goal: saying who sealed it; what is inside is signed where that matters.
 */

/** What a box adds to its plaintext. */
export const BOX_OVERHEAD = 48
/** The hash of the all-zero secret: the point 0 has small order. */
const OF_ZERO = nacl.box.before(new Uint8Array(32), new Uint8Array(32).fill(1))

/** X25519 public key of a 32-byte secret. */
export function boxPublicKey(secret: Uint8Array): Uint8Array {
  return nacl.box.keyPair.fromSecretKey(secret).publicKey
}

/** @throws {PeerfoldError} `CERTIFICATE_INVALID` when `recipient` is a key of small order: everyone could read the box */
export function sealBox(
  random: Random,
  recipient: Uint8Array,
  purpose: string,
  plaintext: Uint8Array,
): Uint8Array {
  const ephemeral = nacl.box.keyPair.fromSecretKey(random.bytes(32))
  const key = sharedKey(ephemeral.secretKey, recipient, 'CERTIFICATE_INVALID')
  const nonce = boxNonce(purpose, ephemeral.publicKey, recipient)
  return concatBytes(ephemeral.publicKey, nacl.box.after(plaintext, nonce, key))
}

/** @throws {PeerfoldError} `code`, default `DECRYPT_FAILED`, when the box is for another key or purpose, or was changed */
export function openBox(
  secret: Uint8Array,
  purpose: string,
  bytes: Uint8Array,
  code: ErrorCode = 'DECRYPT_FAILED',
): Uint8Array {
  if (bytes.length < BOX_OVERHEAD) throw new PeerfoldError(code, 'box: too short')
  const ephemeral = bytes.slice(0, 32)
  const key = sharedKey(secret, ephemeral, code)
  const nonce = boxNonce(purpose, ephemeral, boxPublicKey(secret))
  const plaintext = nacl.box.open.after(bytes.subarray(32), nonce, key)
  if (plaintext === null) throw new PeerfoldError(code, 'box: not for this key, or changed')
  return plaintext
}

/** Each ephemeral key seals one box, so the nonce only has to separate purposes. */
function boxNonce(purpose: string, ephemeral: Uint8Array, recipient: Uint8Array): Uint8Array {
  return sha256Now(toUtf8(`peerfold/1/${purpose}\0`), ephemeral, recipient).subarray(0, 24)
}

/** What X25519 gives two keys, hashed. A public key of small order gives the all-zero secret, whatever the secret key is. */
function sharedKey(secret: Uint8Array, publicKey: Uint8Array, code: ErrorCode): Uint8Array {
  if (publicKey.length === 32) {
    const key = nacl.box.before(publicKey, secret)
    if (!equalBytes(key, OF_ZERO)) return key
  }
  throw new PeerfoldError(code, 'box: a public key of small order')
}
