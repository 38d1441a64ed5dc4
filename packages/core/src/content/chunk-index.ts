import { concatBytes, equalBytes, toHex } from '../encoding/bytes.js'
import { sha256Now } from '../encoding/derive.js'
import type { AbortOptions } from '../ports/abort.js'
import type { BlockStore } from '../ports/block-store.js'
import type { KeyValue } from '../ports/key-value.js'
import { blockCid } from './block-cid.js'
import type { Entry } from './manifest.js'

/**
 * In-line deduplication: where the chunk with a given plaintext hash lies, sealed under whichever epoch's secret.
 *
 * Only chunks that this device sealed or opened itself may enter: a manifest by another author may lie, and a device that believed it
 * would publish garbage as its own.
 */
export interface ChunkIndex {
  /** For each hash the chunk, if its block is held here now. `hash` is SHA-256 of the plaintext. */
  lookup(hashes: readonly Uint8Array[], options?: AbortOptions): Promise<(Entry | undefined)[]>
  /** Enters chunks that this device has checked: their block is held and opens to a plaintext with this hash. */
  add(chunks: readonly Entry[], options?: AbortOptions): Promise<void>
}

export interface ChunkIndexInit {
  /** Holds the entries, under keys that begin with `prefix`. May be lost: then chunks are sealed again. */
  keyValue: Pick<KeyValue, 'getMany' | 'batch'>
  /** Asked on each look-up: what is not held any more is not known. */
  store: Pick<BlockStore, 'has'>
  /** @default 'chunk/' */
  prefix?: string
}

/** digest ‖ key ‖ length (32 bits) ‖ check (8 bytes) */
const VALUE_BYTES = 76

/**
 * A chunk index over a key-value store. Damaged or foreign values count as unknown, and the writer seals anew.
 */
export function createChunkIndex({ keyValue, store, prefix = 'chunk/' }: ChunkIndexInit): ChunkIndex {
  return {
    async lookup(hashes, options) {
      options?.signal?.throwIfAborted()
      const values = await keyValue.getMany(hashes.map((hash) => prefix + toHex(hash)))
      const found = values.map((value, i) => decodeValue(hashes[i] as Uint8Array, value))
      const candidates = found.filter((entry) => entry !== undefined)
      const held = await store.has(
        candidates.map((entry) => blockCid(entry.digest)),
        options,
      )
      const missing = new Set(candidates.filter((_, i) => !held[i]))
      return found.map((entry) => (entry !== undefined && missing.has(entry) ? undefined : entry))
    },
    async add(chunks, options) {
      options?.signal?.throwIfAborted()
      if (chunks.length === 0) return
      await keyValue.batch(
        chunks.map((entry) => ({ type: 'put', key: prefix + toHex(entry.hash), value: encodeValue(entry) })),
      )
    },
  }
}

function encodeValue({ digest, key, hash, length }: Entry): Uint8Array {
  const field = new Uint8Array(4)
  new DataView(field.buffer).setUint32(0, length)
  const body = concatBytes(digest, key, field)
  return concatBytes(body, checksum(hash, body))
}

function decodeValue(hash: Uint8Array, value: Uint8Array | undefined): Entry | undefined {
  if (value?.length !== VALUE_BYTES) return undefined
  const body = value.subarray(0, 68)
  if (!equalBytes(value.subarray(68), checksum(hash, body))) return undefined
  const length = new DataView(value.buffer, value.byteOffset).getUint32(64)
  return { digest: value.slice(0, 32), key: value.slice(32, 64), hash, length }
}

/** Key-value stores have been seen to give wrong bytes without an error, and a wrong key here would make a file unreadable. */
function checksum(hash: Uint8Array, body: Uint8Array): Uint8Array {
  return sha256Now(hash, body).subarray(0, 8)
}
