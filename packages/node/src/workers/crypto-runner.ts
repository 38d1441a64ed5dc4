import type { OpenChunkJob, OpenJob, SealedChunk, SealJob, VerifyJob } from '@peerfold/core'

/** What a thread is asked to do: one kind of work on several inputs. */
export type CryptoTask =
  | { kind: 'hash'; items: Uint8Array[] }
  | { kind: 'seal'; items: SealJob[] }
  | { kind: 'open'; items: OpenJob[] }
  | { kind: 'sealChunks'; items: Uint8Array[]; secret: Uint8Array; info: Uint8Array; inPlace: boolean }
  | { kind: 'openChunks'; items: OpenChunkJob[] }
  | { kind: 'verify'; items: VerifyJob[] }

export interface CryptoResults {
  hash: Uint8Array
  seal: Uint8Array
  open: Uint8Array
  sealChunks: SealedChunk
  openChunks: Uint8Array
  verify: boolean
}

/** Results in order of items, or the first item that does not open. */
export type CryptoOutcome = { results: unknown[] } | { failed: number; reason: string }

/**
 * OpenSSL, synchronously: runs on the main thread for small batches and in worker threads for the rest.
 *
 * Workers get this function **as its source text**, so that they need no file of their own and run alike from sources, from a build and
 * from a bundle. It must therefore refer to nothing but its parameters and to globals.
 */
export function createCryptoRunner(
  crypto: Pick<
    typeof import('node:crypto'),
    'createCipheriv' | 'createDecipheriv' | 'createHash' | 'createPublicKey' | 'hkdfSync' | 'verify'
  >,
  /** Whether inputs are this thread's alone, so that they may be written over. */
  owns: boolean,
): (task: CryptoTask) => CryptoOutcome {
  const NONCE = new Uint8Array(12)
  /**
   * What a cipher gives in one piece: large enough that glibc returns its memory to the system when V8 collects it (0074). Pieces below its
   * threshold pile up in its heaps.
   */
  const STEP = 256 * 1024
  /** SubjectPublicKeyInfo of an Ed25519 key up to its 32 bytes. */
  const SPKI = Uint8Array.of(0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00)

  class Refused {
    readonly reason: string

    constructor(reason: string) {
      this.reason = reason
    }
  }

  /** A plain `Uint8Array` with a buffer of its own, so that it can be moved to another thread. */
  function own(buffer: Uint8Array): Uint8Array {
    const whole = buffer.byteLength === buffer.buffer.byteLength
    return whole ? new Uint8Array(buffer.buffer) : new Uint8Array(buffer)
  }

  function sha256(bytes: Uint8Array): Uint8Array {
    return own(crypto.createHash('sha256').update(bytes).digest())
  }

  /** Into `sealed`, which may begin where the plaintext does: each step has been read before it is written. */
  function seal(
    key: Uint8Array,
    plaintext: Uint8Array,
    aad: Uint8Array | undefined,
    sealed: Uint8Array,
  ): Uint8Array {
    const cipher = crypto.createCipheriv('aes-256-gcm', key, NONCE)
    if (aad !== undefined && aad.length > 0) cipher.setAAD(aad)
    for (let at = 0; at < plaintext.length; at += STEP)
      sealed.set(cipher.update(plaintext.subarray(at, at + STEP)), at)
    cipher.final()
    sealed.set(cipher.getAuthTag(), plaintext.length)
    return sealed
  }

  function open(key: Uint8Array, ciphertext: Uint8Array, aad: Uint8Array | undefined): Uint8Array {
    const end = ciphertext.length - 16
    if (end < 0) throw new Refused('shorter than a tag')
    const decipher = crypto.createDecipheriv('aes-256-gcm', key, NONCE, { authTagLength: 16 })
    if (aad !== undefined && aad.length > 0) decipher.setAAD(aad)
    decipher.setAuthTag(ciphertext.subarray(end))
    const plaintext = owns ? ciphertext.subarray(0, end) : new Uint8Array(end)
    for (let at = 0; at < end; at += STEP)
      plaintext.set(decipher.update(ciphertext.subarray(at, Math.min(at + STEP, end))), at)
    try {
      decipher.final()
    } catch {
      throw new Refused('tag mismatch')
    }
    return plaintext
  }

  function sealed(plaintext: Uint8Array): Uint8Array {
    return new Uint8Array(plaintext.length + 16)
  }

  function sealChunk(
    chunk: Uint8Array,
    { secret, info, inPlace }: { secret: Uint8Array; info: Uint8Array; inPlace: boolean },
  ): SealedChunk {
    const hash = sha256(chunk)
    const key = new Uint8Array(crypto.hkdfSync('sha256', secret, hash, info, 32))
    const target = inPlace ? new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length + 16) : sealed(chunk)
    const bytes = seal(key, chunk, undefined, target)
    return { hash, key, digest: sha256(bytes), bytes }
  }

  function openChunk({ key, bytes, hash }: OpenChunkJob): Uint8Array {
    const plaintext = open(key, bytes, undefined)
    const actual = sha256(plaintext)
    if (actual.length !== hash.length || actual.some((byte, i) => byte !== hash[i])) {
      throw new Refused('another plaintext')
    }
    return plaintext
  }

  /** The equation only: what is strict about Ed25519 is checked on bytes before. */
  function verify({ publicKey, message, signature }: VerifyJob): boolean {
    const der = new Uint8Array(SPKI.length + 32)
    der.set(SPKI)
    der.set(publicKey, SPKI.length)
    const key = crypto.createPublicKey({ key: der as Buffer, format: 'der', type: 'spki' })
    return crypto.verify(null, message, key, signature)
  }

  function runEach<T>(items: T[], work: (item: T) => unknown): CryptoOutcome {
    const results: unknown[] = []
    for (const [index, item] of items.entries()) {
      try {
        results.push(work(item))
      } catch (error) {
        if (error instanceof Refused) return { failed: index, reason: error.reason }
        throw error
      }
    }
    return { results }
  }

  return (task) => {
    switch (task.kind) {
      case 'hash':
        return runEach(task.items, sha256)
      case 'seal':
        return runEach(task.items, ({ key, plaintext, aad }) => seal(key, plaintext, aad, sealed(plaintext)))
      case 'open':
        return runEach(task.items, ({ key, ciphertext, aad }) => open(key, ciphertext, aad))
      case 'sealChunks':
        return runEach(task.items, (chunk) => sealChunk(chunk, task))
      case 'openChunks':
        return runEach(task.items, openChunk)
      case 'verify':
        return runEach(task.items, verify)
    }
  }
}
