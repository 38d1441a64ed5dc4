import nacl from 'tweetnacl'
import { concatBytes, toUtf8 } from '../encoding/bytes.js'
import { sha256Now } from '../encoding/derive.js'
import { type ErrorCode, PeerfoldError } from '../errors.js'
import type { Random } from '../ports/random.js'

/**
 * Boxes for one recipient (PROTOCOL.md §3.4): X25519 with a key used once, then XSalsa20-Poly1305.
 * On the wire: ephemeral public key (32) ‖ box (plaintext + 16). Non-goal: saying who sealed it; what is inside is signed where that matters.
 */

/** What a box adds to its plaintext. */
export const BOX_OVERHEAD = 48

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
  refuseZero(ephemeral.secretKey, recipient, 'CERTIFICATE_INVALID')
  const nonce = boxNonce(purpose, ephemeral.publicKey, recipient)
  return concatBytes(ephemeral.publicKey, nacl.box(plaintext, nonce, recipient, ephemeral.secretKey))
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
  refuseZero(secret, ephemeral, code)
  const nonce = boxNonce(purpose, ephemeral, boxPublicKey(secret))
  const plaintext = nacl.box.open(bytes.subarray(32), nonce, ephemeral, secret)
  if (plaintext === null) throw new PeerfoldError(code, 'box: not for this key, or changed')
  return plaintext
}

/** Each ephemeral key seals one box, so the nonce only has to separate purposes. */
function boxNonce(purpose: string, ephemeral: Uint8Array, recipient: Uint8Array): Uint8Array {
  return sha256Now(toUtf8(`peerfold/1/${purpose}\0`), ephemeral, recipient).subarray(0, 24)
}

/** A public key of small order gives the all-zero shared secret, whatever the secret key is. */
function refuseZero(secret: Uint8Array, publicKey: Uint8Array, code: ErrorCode): void {
  if (publicKey.length !== 32 || nacl.scalarMult(secret, publicKey).every((byte) => byte === 0)) {
    throw new PeerfoldError(code, 'box: a public key of small order')
  }
}
