import { deriveKey } from '../encoding/derive.js'

/** Bytes that sealing adds: the tag of AES-256-GCM. */
export const SEAL_OVERHEAD = 16

/** HKDF-SHA-256 purpose of chunk keys; platform backends that derive by other means use the same (PROTOCOL.md §2). */
export const CHUNK_KEY_PURPOSE = 'chunk'

/**
 * The key that seals a plaintext with this hash. Equal chunks under one dedup secret are equal blocks; whoever lacks the secret cannot
 * tell whether a known chunk is there (PROTOCOL.md §2).
 */
export function chunkKey(dedupSecret: Uint8Array, hash: Uint8Array): Uint8Array {
  return deriveKey(dedupSecret, CHUNK_KEY_PURPOSE, hash)
}
