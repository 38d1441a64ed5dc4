import type { AbortOptions } from './abort.js'

export interface SealJob {
  /** 32 bytes, used for this one plaintext only: the nonce is twelve zero bytes. */
  key: Uint8Array
  plaintext: Uint8Array
  /** Additional authenticated data. @default empty */
  aad?: Uint8Array
}

export interface OpenJob {
  key: Uint8Array
  /** Ciphertext followed by its 16-byte tag. */
  ciphertext: Uint8Array
  aad?: Uint8Array
}

export interface VerifyJob {
  publicKey: Uint8Array
  message: Uint8Array
  signature: Uint8Array
}

/** A chunk after sealing. All hashes are SHA-256, 32 bytes. */
export interface SealedChunk {
  /** Hash of the plaintext. */
  hash: Uint8Array
  key: Uint8Array
  /** Hash of `bytes`: the digest of the block's CID. */
  digest: Uint8Array
  /** AES-256-GCM ciphertext with its tag. */
  bytes: Uint8Array
}

export interface OpenChunkJob {
  key: Uint8Array
  bytes: Uint8Array
  /** Expected plaintext hash. */
  hash: Uint8Array
}

export interface SealChunksOptions extends AbortOptions {
  /**
   * The caller never touches the chunks again, and each owns its buffer: a backend may move them to another thread instead of copying.
   * @default false
   */
  giveUp?: boolean
  /**
   * With `giveUp`: the chunks lie in one buffer instead, each with room for its tag (16 bytes) behind it, and a backend may seal them where they
   * lie: then the results' `bytes` lie in that buffer. @default false
   */
  inPlace?: boolean
}

export interface OpenChunksOptions extends AbortOptions {
  /**
   * The caller never touches the jobs' `bytes` again, and each owns its buffer: a backend may move them to another thread instead of copying,
   * and open them where they lie. @default false
   */
  giveUp?: boolean
}

/**
 * Cryptography in batches, so that an implementation may spread a batch over worker threads.
 * Every backend gives the same bytes and the same verdicts; the conformance suite compares them.
 */
export interface Crypto {
  /** SHA-256 of each input. */
  hash(inputs: readonly Uint8Array[], options?: AbortOptions): Promise<Uint8Array[]>
  /** AES-256-GCM with a zero nonce under single-use keys. */
  seal(jobs: readonly SealJob[], options?: AbortOptions): Promise<Uint8Array[]>
  /** @throws {PeerfoldError} `DECRYPT_FAILED` with `details.index` of the first job whose tag does not match. */
  open(jobs: readonly OpenJob[], options?: AbortOptions): Promise<Uint8Array[]>
  /** hash → HKDF(dedup secret, hash) → seal → hash, for each chunk (PROTOCOL.md §2). */
  sealChunks(
    dedupSecret: Uint8Array,
    chunks: readonly Uint8Array[],
    options?: SealChunksOptions,
  ): Promise<SealedChunk[]>
  /** The inverse, checking the plaintext hash. @throws {PeerfoldError} `DECRYPT_FAILED` with `details.index` */
  openChunks(jobs: readonly OpenChunkJob[], options?: OpenChunksOptions): Promise<Uint8Array[]>
  /** Ed25519 (RFC 8032). `seed` is 32 bytes; the signature is 64. */
  sign(seed: Uint8Array, message: Uint8Array, options?: AbortOptions): Promise<Uint8Array>
  /** 32-byte Ed25519 public key of a seed. */
  publicKey(seed: Uint8Array): Uint8Array
  /**
   * Strict Ed25519: S < L, canonical point encodings, no small-order key or R. The same verdict on every backend.
   */
  verify(jobs: readonly VerifyJob[], options?: AbortOptions): Promise<boolean[]>
  /** Idempotent; ends worker threads. */
  close(): Promise<void>
}
