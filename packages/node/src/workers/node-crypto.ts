import * as openssl from 'node:crypto'
import { availableParallelism } from 'node:os'
import {
  type AbortOptions,
  type Crypto,
  type OpenChunkJob,
  type OpenChunksOptions,
  type OpenJob,
  PeerfoldError,
  type SealChunksOptions,
  type SealedChunk,
  type SealJob,
  type VerifyJob,
} from '@peerfold/core'
import { CHUNK_KEY_PURPOSE, checkLength, decryptFailed, isStrictSignature } from '@peerfold/core/platform'
import {
  type CryptoOutcome,
  type CryptoResults,
  type CryptoTask,
  createCryptoRunner,
} from './crypto-runner.js'
import { WorkerPool } from './worker-pool.js'

export interface NodeCryptoInit {
  /** Worker threads at most. @default the cores, 8 at most */
  threads?: number
  /** Batches up to this many bytes are done at once on the calling thread. @default 64 KiB, some tenths of a millisecond */
  inlineBytes?: number
}

const INLINE_BYTES = 64 * 1024
/** What one signature costs, in bytes hashed in the same time. */
const VERIFY_COST = 128 * 1024
/** Batches above this are split over the threads. */
const PART_BYTES = 512 * 1024

/** Buffers of more bytes are moved to a thread instead of copied. */
const MOVE_ABOVE = 4096

const CHUNK_INFO = new TextEncoder().encode(`peerfold/1/${CHUNK_KEY_PURPOSE}`)
/** PKCS #8 of an Ed25519 private key up to its 32-byte seed. */
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex')

/**
 * The `Crypto` port over OpenSSL: small batches on the calling thread, larger ones in worker threads that start when they are needed.
 *
 * @example
 * ```ts
 * const crypto = createNodeCrypto()
 * const [hash] = await crypto.hash([new TextEncoder().encode('abc')])
 * await crypto.close()
 * ```
 */
export function createNodeCrypto(init: NodeCryptoInit = {}): Crypto {
  return new NodeCrypto(
    init.threads ?? Math.min(8, Math.max(1, availableParallelism() - 1)),
    init.inlineBytes ?? INLINE_BYTES,
  )
}

/** Making a key takes longer than signing: a seed that is used again keeps its key. */
const privateKeys = new WeakMap<Uint8Array, openssl.KeyObject>()

const runNow = createCryptoRunner(openssl, false)

class NodeCrypto implements Crypto {
  readonly #pool: WorkerPool
  readonly #inlineBytes: number
  #closed = false

  constructor(threads: number, inlineBytes: number) {
    this.#pool = new WorkerPool({ threads })
    this.#inlineBytes = inlineBytes
  }

  /**
   * Larger batches go to libuv's threads, not to the workers: those copy into memory of their own, which V8 neither counts nor collects, while
   * every buffer that moves to a worker brings the next collection nearer.
   */
  async hash(inputs: readonly Uint8Array[], options?: AbortOptions): Promise<Uint8Array[]> {
    this.#check(options)
    const bytes = inputs.reduce((sum, input) => sum + input.length, 0)
    if (bytes <= this.#inlineBytes) return unwrap(runNow({ kind: 'hash', items: [...inputs] }), 0)
    const digests: Uint8Array[] = []
    // One after the other: each is copied when it begins. Whoever calls several times at once uses several threads.
    for (const input of inputs) {
      digests.push(new Uint8Array(await openssl.webcrypto.subtle.digest('SHA-256', input)))
      this.#check(options)
    }
    return digests
  }

  seal(jobs: readonly SealJob[], options?: AbortOptions): Promise<Uint8Array[]> {
    return this.#run<'seal'>(
      jobs,
      ({ plaintext }) => plaintext.length,
      options,
      (items, copier) => ({
        kind: 'seal',
        items: items.map(({ key, plaintext, aad }) => {
          checkLength(key, 32, 'key')
          return { key: copier.copy(key), plaintext: copier.copy(plaintext), aad: aad && copier.copy(aad) }
        }),
      }),
    )
  }

  open(jobs: readonly OpenJob[], options?: AbortOptions): Promise<Uint8Array[]> {
    return this.#run<'open'>(
      jobs,
      ({ ciphertext }) => ciphertext.length,
      options,
      (items, copier) => ({
        kind: 'open',
        items: items.map(({ key, ciphertext, aad }) => {
          checkLength(key, 32, 'key')
          return { key: copier.copy(key), ciphertext: copier.copy(ciphertext), aad: aad && copier.copy(aad) }
        }),
      }),
    )
  }

  async sealChunks(
    dedupSecret: Uint8Array,
    chunks: readonly Uint8Array[],
    options?: SealChunksOptions,
  ): Promise<SealedChunk[]> {
    checkLength(dedupSecret, 32, 'dedup secret')
    const inPlace = options?.giveUp === true && options.inPlace === true
    return this.#run<'sealChunks'>(
      chunks,
      (chunk) => 3 * chunk.length,
      options,
      (items, copier) => ({
        kind: 'sealChunks',
        items: items.map(inPlace ? copier.moveShared : options?.giveUp ? copier.move : copier.copy),
        secret: copier.copy(dedupSecret),
        info: CHUNK_INFO,
        inPlace,
      }),
      inPlace ? Number.POSITIVE_INFINITY : PART_BYTES,
    )
  }

  openChunks(jobs: readonly OpenChunkJob[], options?: OpenChunksOptions): Promise<Uint8Array[]> {
    return this.#run<'openChunks'>(
      jobs,
      ({ bytes }) => 2 * bytes.length,
      options,
      (items, copier) => ({
        kind: 'openChunks',
        items: items.map(({ key, bytes, hash }) => {
          checkLength(key, 32, 'key')
          const worthMoving = options?.giveUp && bytes.length > MOVE_ABOVE
          const moved = worthMoving ? copier.moveShared(bytes) : copier.copy(bytes)
          return { key: copier.copy(key), bytes: moved, hash: copier.copy(hash) }
        }),
      }),
    )
  }

  async sign(seed: Uint8Array, message: Uint8Array, options?: AbortOptions): Promise<Uint8Array> {
    this.#check(options)
    return new Uint8Array(openssl.sign(null, message, privateKey(seed)))
  }

  publicKey(seed: Uint8Array): Uint8Array {
    const der = openssl.createPublicKey(privateKey(seed)).export({ format: 'der', type: 'spki' })
    return new Uint8Array(der.subarray(-32))
  }

  async verify(jobs: readonly VerifyJob[], options?: AbortOptions): Promise<boolean[]> {
    const strict = jobs.map(({ publicKey, signature }) => isStrictSignature(publicKey, signature))
    const verdicts = await this.#run<'verify'>(
      jobs.filter((_, i) => strict[i]),
      ({ message }) => VERIFY_COST + message.length,
      options,
      (items, copier) => ({
        kind: 'verify',
        items: items.map(({ publicKey, message, signature }) => ({
          publicKey: copier.copy(publicKey),
          message: copier.copy(message),
          signature: copier.copy(signature),
        })),
      }),
    )
    const next = verdicts.values()
    return strict.map((sound) => sound && next.next().value === true)
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#pool.close()
  }

  /** Runs items here, or in parts on the threads. */
  async #run<K extends CryptoTask['kind'], I = ItemOf<K>>(
    items: readonly I[],
    costOf: (item: I) => number,
    options: AbortOptions | undefined,
    toTask: (items: readonly I[], copier: Copier) => CryptoTask,
    partBytes = PART_BYTES,
  ): Promise<CryptoResults[K][]> {
    this.#check(options)
    const cost = items.reduce((sum, item) => sum + costOf(item), 0)
    if (cost <= this.#inlineBytes) return unwrap(runNow(toTask(items, IN_PLACE)), 0)
    const parts = split(items, costOf, Math.max(partBytes, cost / this.#pool.threads))
    const outcomes = await Promise.all(
      parts.map(({ items: part }) => this.#pool.run(() => prepared(part, toTask), options)),
    )
    return outcomes.flatMap((outcome, i) => unwrap<CryptoResults[K]>(outcome, parts[i]?.start ?? 0))
  }

  #check(options: AbortOptions | undefined): void {
    if (this.#closed) throw new PeerfoldError('CLOSED', 'the crypto backend is closed')
    options?.signal?.throwIfAborted()
  }
}

type ItemOf<K extends CryptoTask['kind']> = Extract<CryptoTask, { kind: K }>['items'][number]

/** How bytes get into a task: as they are, or moved to another thread. */
interface Copier {
  copy(bytes: Uint8Array): Uint8Array
  /** For bytes that the caller gave up. */
  move(bytes: Uint8Array): Uint8Array
  /** The same, with the whole buffer that they lie in, which nobody but their task needs. */
  moveShared(bytes: Uint8Array): Uint8Array
}

const same = (bytes: Uint8Array) => bytes
const IN_PLACE: Copier = { copy: same, move: same, moveShared: same }

function prepared<I>(items: readonly I[], toTask: (items: readonly I[], copier: Copier) => CryptoTask) {
  const move = new Set<ArrayBuffer>()
  // One copy, then moved: posting a view would copy all of its buffer, twice. Moving a few bytes costs more than posting a copy of them.
  const copy = (bytes: Uint8Array) => {
    const own = new Uint8Array(bytes)
    if (own.length > MOVE_ABOVE) move.add(own.buffer)
    return own
  }
  const give = (bytes: Uint8Array) => {
    const { buffer, byteLength } = bytes
    if (!(buffer instanceof ArrayBuffer) || buffer.byteLength !== byteLength || move.has(buffer))
      return copy(bytes)
    move.add(buffer)
    return bytes
  }
  const giveShared = (bytes: Uint8Array) => {
    if (!(bytes.buffer instanceof ArrayBuffer)) return copy(bytes)
    move.add(bytes.buffer)
    return bytes
  }
  const task = toTask(items, { copy, move: give, moveShared: giveShared })
  return { task, move: [...move] }
}

/** Neighbours that cost about `target` together. */
function split<I>(
  items: readonly I[],
  costOf: (item: I) => number,
  target: number,
): { start: number; items: I[] }[] {
  const parts: { start: number; items: I[] }[] = []
  let cost = Number.POSITIVE_INFINITY
  for (const [i, item] of items.entries()) {
    if (cost >= target) {
      parts.push({ start: i, items: [] })
      cost = 0
    }
    parts.at(-1)?.items.push(item)
    cost += costOf(item)
  }
  return parts
}

function unwrap<R>(outcome: CryptoOutcome, start: number): R[] {
  if ('results' in outcome) return outcome.results as R[]
  throw decryptFailed(start + outcome.failed, outcome.reason)
}

function privateKey(seed: Uint8Array): openssl.KeyObject {
  const known = privateKeys.get(seed)
  if (known !== undefined) return known
  checkLength(seed, 32, 'seed')
  const key = openssl.createPrivateKey({
    key: Buffer.concat([PKCS8, seed]),
    format: 'der',
    type: 'pkcs8',
  })
  privateKeys.set(seed, key)
  return key
}
