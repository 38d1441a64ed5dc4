import type { CID } from 'multiformats/cid'
import { equalBytes } from '../encoding/bytes.js'
import { isPeerfoldError, PeerfoldError } from '../errors.js'
import { blockCid } from './block-cid.js'
import { buffers } from './buffer-pool.js'
import type { ChunkIndex } from './chunk-index.js'
import { invalid, PlainHash } from './manifest.js'
import { mapOrdered } from './map-ordered.js'
import {
  childrenIn,
  openChecked,
  type PlacedChunk,
  type PlacedNode,
  type Range,
  type ReadTreeOptions,
  readRoot,
  walkChunks,
} from './read-tree.js'
import { TAG_BYTES } from './sizes.js'
import type { ContentRef } from './types.js'

export interface ReadContentOptions extends ReadTreeOptions {
  /** First byte. @default 0 */
  offset?: number
  /** @default to the end; what lies beyond it is left out */
  length?: number
  /** Bytes of content fetched and opened ahead of the consumer. @default 4 MiB */
  readAhead?: number
  /** Chunks that were read are checked, so they may be entered for deduplication. */
  known?: Pick<ChunkIndex, 'add'>
  /** A piece's memory may be used again once the next piece is asked for. @default false */
  reuse?: boolean
  /** Called with the bytes handed out so far. */
  onProgress?: (bytes: number) => void
}

const BATCH_BYTES = 1024 * 1024
const READ_AHEAD = 4 * 1024 * 1024

/**
 * Streams a content or a range of it. Each piece is checked against the manifest before it is handed out; a whole content also against
 * the reference's `plain` at its end. Memory: `readAhead`, as ciphertext and as plaintext, and one batch of 2 MiB.
 *
 * @throws {PeerfoldError} `MANIFEST_INVALID` when the author's description and the content differ; `INVALID_ARGUMENT` for a range that
 * is no range; and what the source throws (`BLOCK_NOT_FOUND`, …)
 *
 * @example
 * ```ts
 * for await (const piece of readContent(ref, { source: store, crypto, offset: 1000, length: 50 })) use(piece)
 * ```
 */
export async function* readContent(
  ref: ContentRef,
  options: ReadContentOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { signal } = options
  signal?.throwIfAborted()
  const range = toRange(ref.size, options)
  const root = await readRoot(ref, options)
  const pieces =
    root.body instanceof Uint8Array
      ? [root.body.subarray(range.from, range.to)]
      : chunkPieces(ref, { node: root.body, offset: 0, last: true }, range, options)
  let bytes = 0
  for await (const piece of pieces) {
    signal?.throwIfAborted()
    if (piece.length === 0) continue
    bytes += piece.length
    options.onProgress?.(bytes)
    yield piece
  }
}

function toRange(size: number, { offset = 0, length }: ReadContentOptions): Range {
  for (const [name, value] of Object.entries({ offset, length: length ?? 0 })) {
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new PeerfoldError('INVALID_ARGUMENT', `${name} is ${value}, not a count of bytes`)
    }
  }
  const from = Math.min(offset, size)
  return { from, to: length === undefined ? size : Math.min(size, from + length) }
}

async function* chunkPieces(
  ref: ContentRef,
  top: PlacedNode,
  range: Range,
  options: ReadContentOptions,
): AsyncGenerator<Uint8Array> {
  const { source, signal, readAhead = READ_AHEAD } = options
  const onNode = async (node: PlacedNode) => source.prefetch?.(childrenIn(node, range).map(toCid), { signal })
  const chunks = walkChunks(top, range, source.prefetch === undefined ? options : { ...options, onNode })
  const atOnce = Math.max(1, Math.floor(readAhead / BATCH_BYTES))
  const plain = new PlainHash()
  const opened = mapOrdered(
    batched(chunks),
    atOnce,
    (batch, signal) => openBatch(batch, { ...options, signal }),
    signal,
  )
  for await (const batch of opened) {
    for (const { entry, offset, bytes } of batch) {
      plain.add(entry.hash, entry.length)
      yield bytes.subarray(Math.max(0, range.from - offset), range.to - offset)
      if (options.reuse) buffers.give(bytes)
    }
  }
  const whole = range.from === 0 && range.to === ref.size
  if (whole && !equalBytes(plain.digest(), ref.plain)) invalid('other chunks than its reference says')
}

async function* batched(chunks: AsyncIterable<PlacedChunk>): AsyncGenerator<PlacedChunk[]> {
  let batch: PlacedChunk[] = []
  let bytes = 0
  for await (const chunk of chunks) {
    batch.push(chunk)
    bytes += chunk.entry.length
    if (bytes < BATCH_BYTES) continue
    yield batch
    batch = []
    bytes = 0
  }
  if (batch.length > 0) yield batch
}

async function openBatch(
  batch: readonly PlacedChunk[],
  { source, crypto, known, reuse, signal }: ReadContentOptions,
): Promise<(PlacedChunk & { bytes: Uint8Array })[]> {
  const plaintexts = await openAll(batch, { source, crypto, reuse, signal })
  const wrong = batch.find(({ entry }, i) => entry.length !== plaintexts[i]?.length)
  if (wrong !== undefined) invalid(`a chunk of another length than ${wrong.entry.length}`)
  if (known !== undefined) {
    await known.add(
      batch.map(({ entry }) => entry),
      { signal },
    )
  }
  return batch.map((chunk, i) => ({ ...chunk, bytes: plaintexts[i] as Uint8Array }))
}

/** Opening authenticates every byte, so the source need not hash as well; when something does not open, it does. */
async function openAll(
  batch: readonly PlacedChunk[],
  options: Pick<ReadContentOptions, 'source' | 'crypto' | 'reuse' | 'signal'>,
): Promise<Uint8Array[]> {
  const { source, crypto, reuse, signal } = options
  const jobs = await Promise.all(
    batch.map(async ({ entry: { key, hash, digest, length } }) => {
      const into = reuse ? buffers.take(length + TAG_BYTES) : undefined
      return { key, hash, bytes: await source.get(blockCid(digest), { signal, unchecked: true, into }) }
    }),
  )
  try {
    return await crypto.openChunks(jobs, { signal, giveUp: true })
  } catch (error) {
    if (!isPeerfoldError(error, 'DECRYPT_FAILED')) throw error
    return await Promise.all(batch.map(({ entry }) => openChecked(entry, options)))
  }
}

function toCid({ entry }: PlacedChunk): CID {
  return blockCid(entry.digest)
}
