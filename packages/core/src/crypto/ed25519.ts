import { toHex } from '../encoding/bytes.js'

/**
 * Strict Ed25519 (PROTOCOL.md §1). Backends agree on honest signatures and differ on malicious ones, so what they differ about is
 * settled here, on bytes, before a backend is asked.
 *
 * What is left to the backend is the equation without the cofactor: encode(S·B − h·A) equals R byte for byte, h reduced modulo L. OpenSSL,
 * BoringSSL and TweetNaCl all compute just that.
 */

/** Order of the base point, little endian. */
const L = littleEndian('edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010')
/** The field's prime 2^255 − 19, little endian. */
const P = littleEndian('edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f')

/** y of the eight points whose order divides 8; the sign of x does not matter. */
const SMALL_ORDER = new Set([
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
])

/** Whether lengths, S < L, and the encodings of A and R allow a signature to be valid at all. */
export function isStrictSignature(publicKey: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== 32 || signature.length !== 64) return false
  return (
    isBelow(signature.subarray(32), L) && isSoundPoint(publicKey) && isSoundPoint(signature.subarray(0, 32))
  )
}

/** Canonical (y < p) and not of small order. The two non-canonical signs of x = 0 have y = ±1, so they are of small order. */
function isSoundPoint(encoded: Uint8Array): boolean {
  const y = encoded.slice()
  y[31] = (y[31] as number) & 0x7f
  return isBelow(y, P) && !SMALL_ORDER.has(toHex(y))
}

function isBelow(value: Uint8Array, bound: Uint8Array): boolean {
  for (let i = 31; i >= 0; i--) {
    const difference = (value[i] as number) - (bound[i] as number)
    if (difference !== 0) return difference < 0
  }
  return false
}

function littleEndian(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) as string[], (byte) => Number.parseInt(byte, 16))
}
