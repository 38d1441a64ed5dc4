import { equalBytes } from '../encoding/bytes.js'
import { PeerfoldError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'
import type { Crypto, OpenChunkJob, OpenJob, SealedChunk, SealJob, VerifyJob } from '../ports/crypto.js'
import { checkLength, decryptFailed } from './arguments.js'
import { chunkKey } from './chunk-key.js'
import { naclPublicKey } from './nacl.js'
import { chooseEd25519, type Ed25519 } from './web-ed25519.js'

const ZERO_NONCE = new Uint8Array(12)

export interface WebCryptoInit {
  /** @default globalThis.crypto.subtle, which browsers give to secure contexts only */
  subtle?: SubtleCrypto
}

/**
 * The `Crypto` port over WebCrypto: for every platform. Ed25519 falls back to TweetNaCl where WebCrypto has none.
 *
 * @throws {PeerfoldError} `INTERNAL` where there is no WebCrypto (a page without HTTPS)
 *
 * @example
 * ```ts
 * const crypto = createWebCrypto()
 * const [hash] = await crypto.hash([new TextEncoder().encode('abc')])
 * ```
 */
export function createWebCrypto(init: WebCryptoInit = {}): Crypto {
  const subtle = init.subtle ?? globalThis.crypto?.subtle
  if (subtle === undefined) {
    throw new PeerfoldError('INTERNAL', 'WebCrypto is missing', {
      hint: 'Browsers offer it on HTTPS pages and on localhost only.',
    })
  }
  return new WebCrypto(subtle)
}

class WebCrypto implements Crypto {
  readonly #subtle: SubtleCrypto
  #ed25519: Promise<Ed25519> | undefined
  #closed = false

  constructor(subtle: SubtleCrypto) {
    this.#subtle = subtle
  }

  async hash(inputs: readonly Uint8Array[], options?: AbortOptions): Promise<Uint8Array[]> {
    return this.#each(inputs, options, (input) => this.#digest(input))
  }

  async seal(jobs: readonly SealJob[], options?: AbortOptions): Promise<Uint8Array[]> {
    return this.#each(jobs, options, (job) => this.#seal(job))
  }

  async open(jobs: readonly OpenJob[], options?: AbortOptions): Promise<Uint8Array[]> {
    return this.#each(jobs, options, (job, index) => this.#open(job, index))
  }

  async sealChunks(
    dedupSecret: Uint8Array,
    chunks: readonly Uint8Array[],
    options?: AbortOptions,
  ): Promise<SealedChunk[]> {
    checkLength(dedupSecret, 32, 'dedup secret')
    return this.#each(chunks, options, async (plaintext) => {
      const hash = await this.#digest(plaintext)
      const key = chunkKey(dedupSecret, hash)
      const bytes = await this.#seal({ key, plaintext })
      return { hash, key, digest: await this.#digest(bytes), bytes }
    })
  }

  async openChunks(jobs: readonly OpenChunkJob[], options?: AbortOptions): Promise<Uint8Array[]> {
    return this.#each(jobs, options, async ({ key, bytes, hash }, index) => {
      const plaintext = await this.#open({ key, ciphertext: bytes }, index)
      if (!equalBytes(await this.#digest(plaintext), hash)) throw decryptFailed(index, 'another plaintext')
      return plaintext
    })
  }

  async sign(seed: Uint8Array, message: Uint8Array, options?: AbortOptions): Promise<Uint8Array> {
    this.#check(options)
    checkLength(seed, 32, 'seed')
    return (await this.#signer()).sign(seed, message)
  }

  publicKey(seed: Uint8Array): Uint8Array {
    checkLength(seed, 32, 'seed')
    return naclPublicKey(seed)
  }

  async verify(jobs: readonly VerifyJob[], options?: AbortOptions): Promise<boolean[]> {
    this.#check(options)
    const ed25519 = await this.#signer()
    return this.#each(jobs, options, (job) => ed25519.verify(job))
  }

  async close(): Promise<void> {
    this.#closed = true
  }

  #signer(): Promise<Ed25519> {
    this.#ed25519 ??= chooseEd25519(this.#subtle)
    return this.#ed25519
  }

  /** All jobs at once: the platform has threads of its own. The first failure in order of jobs wins. */
  async #each<J, R>(
    jobs: readonly J[],
    options: AbortOptions | undefined,
    run: (job: J, index: number) => Promise<R>,
  ): Promise<R[]> {
    this.#check(options)
    const outcomes = await Promise.allSettled(jobs.map(run))
    this.#check(options)
    return outcomes.map((outcome) => {
      if (outcome.status === 'rejected') throw outcome.reason
      return outcome.value
    })
  }

  #check(options: AbortOptions | undefined): void {
    if (this.#closed) throw new PeerfoldError('CLOSED', 'the crypto backend is closed')
    options?.signal?.throwIfAborted()
  }

  async #digest(bytes: Uint8Array): Promise<Uint8Array> {
    return new Uint8Array(await this.#subtle.digest('SHA-256', bytes as BufferSource))
  }

  async #seal({ key, plaintext, aad }: SealJob): Promise<Uint8Array> {
    const cryptoKey = await this.#importKey(key, 'encrypt')
    return new Uint8Array(await this.#subtle.encrypt(gcm(aad), cryptoKey, plaintext as BufferSource))
  }

  async #open({ key, ciphertext, aad }: OpenJob, index: number): Promise<Uint8Array> {
    const cryptoKey = await this.#importKey(key, 'decrypt')
    try {
      return new Uint8Array(await this.#subtle.decrypt(gcm(aad), cryptoKey, ciphertext as BufferSource))
    } catch (error) {
      if (error instanceof Error && error.name === 'OperationError')
        throw decryptFailed(index, 'tag mismatch')
      throw error
    }
  }

  async #importKey(key: Uint8Array, usage: 'encrypt' | 'decrypt'): Promise<CryptoKey> {
    checkLength(key, 32, 'key')
    return this.#subtle.importKey('raw', key as BufferSource, 'AES-GCM', false, [usage])
  }
}

function gcm(aad: Uint8Array | undefined): AesGcmParams {
  const params: AesGcmParams = { name: 'AES-GCM', iv: ZERO_NONCE, tagLength: 128 }
  if (aad !== undefined && aad.length > 0) params.additionalData = aad as BufferSource
  return params
}
