import { gcm } from '@noble/ciphers/aes.js'
import { sha512 } from '@noble/hashes/sha2.js'
import { checkLength, decryptFailed } from '../crypto/arguments.js'
import { chunkKey } from '../crypto/chunk-key.js'
import { naclPublicKey, naclSign, naclVerify } from '../crypto/nacl.js'
import { concatBytes, equalBytes, toHex, toUtf8 } from '../encoding/bytes.js'
import { sha256Now } from '../encoding/derive.js'
import { PeerfoldError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'
import type { Crypto } from '../ports/crypto.js'

const ZERO_NONCE = new Uint8Array(12)

export interface DeterministicCryptoInit {
  /**
   * `real` Ed25519 takes milliseconds in plain JavaScript. `simulated` signatures are hashes of the same sizes: quick, deterministic,
   * refused when a bit changes, and **forgeable by anyone**: for simulations of honest devices and faulty networks only.
   * @default 'real'
   */
  signatures?: 'real' | 'simulated'
}

/**
 * The `Crypto` port in plain JavaScript on one thread. Each call settles in the microtask after it, so that the order of events in a
 * simulation depends on its seed alone, which platform threads cannot give.
 */
export function createDeterministicCrypto(init: DeterministicCryptoInit = {}): Crypto {
  const scheme = init.signatures === 'simulated' ? simulated : real
  let closed = false
  const check = (options?: AbortOptions) => {
    if (closed) throw new PeerfoldError('CLOSED', 'the crypto backend is closed')
    options?.signal?.throwIfAborted()
  }
  return {
    async hash(inputs, options) {
      check(options)
      return inputs.map((input) => sha256Now(input))
    },
    async seal(jobs, options) {
      check(options)
      return jobs.map(({ key, plaintext, aad }) => seal(key, plaintext, aad))
    },
    async open(jobs, options) {
      check(options)
      return jobs.map(({ key, ciphertext, aad }, index) => open(index, key, ciphertext, aad))
    },
    async sealChunks(dedupSecret, chunks, options) {
      check(options)
      checkLength(dedupSecret, 32, 'dedup secret')
      return chunks.map((plaintext) => {
        const hash = sha256Now(plaintext)
        const key = chunkKey(dedupSecret, hash)
        const bytes = seal(key, plaintext)
        return { hash, key, digest: sha256Now(bytes), bytes }
      })
    },
    async openChunks(jobs, options) {
      check(options)
      return jobs.map(({ key, bytes, hash }, index) => {
        const plaintext = open(index, key, bytes)
        if (!equalBytes(sha256Now(plaintext), hash)) throw decryptFailed(index, 'another plaintext')
        return plaintext
      })
    },
    async sign(seed, message, options) {
      check(options)
      checkLength(seed, 32, 'seed')
      return scheme.sign(seed, message)
    },
    publicKey(seed) {
      checkLength(seed, 32, 'seed')
      return scheme.publicKey(seed)
    },
    async verify(jobs, options) {
      check(options)
      return jobs.map(({ publicKey, message, signature }) => scheme.verify(publicKey, message, signature))
    },
    async close() {
      closed = true
    },
  }
}

function seal(key: Uint8Array, plaintext: Uint8Array, aad?: Uint8Array): Uint8Array {
  checkLength(key, 32, 'key')
  return gcm(key, ZERO_NONCE, aad).encrypt(plaintext)
}

function open(index: number, key: Uint8Array, ciphertext: Uint8Array, aad?: Uint8Array): Uint8Array {
  checkLength(key, 32, 'key')
  try {
    return gcm(key, ZERO_NONCE, aad).decrypt(ciphertext)
  } catch {
    throw decryptFailed(index, 'tag mismatch')
  }
}

interface SignatureScheme {
  sign(seed: Uint8Array, message: Uint8Array): Uint8Array
  publicKey(seed: Uint8Array): Uint8Array
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean
}

const real: SignatureScheme = { sign: naclSign, publicKey: naclPublicKey, verify: naclVerify }

const simulated: SignatureScheme = {
  sign: (seed, message) => simulatedSignature(simulated.publicKey(seed), message),
  publicKey: (seed) => sha256Now(toUtf8('simulated public key'), seed),
  verify: (publicKey, message, signature) =>
    toHex(simulatedSignature(publicKey, message)) === toHex(signature),
}

function simulatedSignature(publicKey: Uint8Array, message: Uint8Array): Uint8Array {
  return sha512(concatBytes(publicKey, message))
}
