import { hkdf } from '@noble/hashes/hkdf.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { toUtf8 } from './bytes.js'

/**
 * HKDF-SHA-256 with a label as `info` (PROTOCOL.md §1). Labels read `peerfold/1/<purpose>`: two purposes never share a key.
 */
export function deriveKey(
  secret: Uint8Array,
  purpose: string,
  salt: Uint8Array = new Uint8Array(),
  length = 32,
): Uint8Array {
  return hkdf(sha256, secret, salt, toUtf8(`peerfold/1/${purpose}`), length)
}

/** SHA-256, at once: for short inputs. Long ones go through the `Crypto` port. */
export function sha256Now(...parts: readonly Uint8Array[]): Uint8Array {
  const hash = sha256.create()
  for (const part of parts) hash.update(part)
  return hash.digest()
}
