import type { CID } from 'multiformats/cid'
import { equalBytes } from '../encoding/bytes.js'
import type { AbortOptions } from '../ports/abort.js'
import type { BlockStore } from '../ports/block-store.js'
import type { Crypto } from '../ports/crypto.js'
import { blockCid } from './block-cid.js'
import { invalid, PlainHash } from './manifest.js'
import { mapOrdered } from './map-ordered.js'
import { childrenIn, type PlacedChunk, type PlacedNode, readRoot, walkChunks } from './read-tree.js'
import type { ContentRef } from './types.js'

export interface FetchContentOptions extends AbortOptions {
  /** Where blocks are looked for and where `fetchBlocks` puts them. */
  store: Pick<BlockStore, 'get' | 'has'>
  crypto: Pick<Crypto, 'open' | 'openChunks' | 'hash'>
  /** Brings blocks into the store; resolves when all of them are there. Several calls run at once. */
  fetchBlocks: (cids: readonly CID[], options: AbortOptions) => Promise<void>
  /** Called with the bytes of content that are here, those that were here before included. */
  onProgress?: (bytes: number) => void
}

/** Chunks asked for in one call, and calls at once: enough that a fast link never waits for the next call. */
const BATCH_CHUNKS = 64
const BATCHES_AT_ONCE = 3

/**
 * Brings all blocks of a content into a store: the root, nodes level by level as they become known, then chunks in order. What is there
 * already is not asked for, so an interrupted call goes on where it was. Checks the whole manifest, `plain` included; chunks are opened
 * when they are read. Memory: the nodes on one path, and references to 192 chunks.
 *
 * @throws {PeerfoldError} `MANIFEST_INVALID`; and what `fetchBlocks` throws
 *
 * @example
 * ```ts
 * const fetchBlocks = (cids, options) => exchange.fetch(handle, cids, options)
 * await fetchContent(ref, { store, crypto, fetchBlocks, signal })
 * ```
 */
export async function fetchContent(ref: ContentRef, options: FetchContentOptions): Promise<void> {
  const { store, crypto, signal, onProgress } = options
  await fetchMissing([ref.root], options)
  const { body } = await readRoot(ref, { source: store, crypto, signal })
  if (body instanceof Uint8Array) return onProgress?.(ref.size)
  const range = { from: 0, to: ref.size }
  const onNode = async (placed: PlacedNode) => {
    if (placed.node.level === 0) return
    await fetchMissing(childrenIn(placed, range).map(toCid), options)
  }
  const chunks = walkChunks({ node: body, offset: 0, last: true }, range, {
    source: store,
    crypto,
    signal,
    onNode,
  })
  const plain = new PlainHash()
  const fetched = mapOrdered(
    batched(chunks),
    BATCHES_AT_ONCE,
    async (batch, signal) => {
      await fetchMissing(batch.map(toCid), { ...options, signal })
      return batch
    },
    signal,
  )
  for await (const batch of fetched) {
    for (const { entry } of batch) plain.add(entry.hash, entry.length)
    const last = batch[batch.length - 1] as PlacedChunk
    onProgress?.(last.offset + last.entry.length)
  }
  if (!equalBytes(plain.digest(), ref.plain)) invalid('other chunks than its reference says')
}

async function fetchMissing(
  cids: readonly CID[],
  { store, fetchBlocks, signal }: Pick<FetchContentOptions, 'store' | 'fetchBlocks' | 'signal'>,
): Promise<void> {
  const held = await store.has(cids, { signal })
  const missing = cids.filter((_, i) => !held[i])
  if (missing.length > 0) await fetchBlocks(unique(missing), { signal })
}

function unique(cids: readonly CID[]): CID[] {
  return [...new Map(cids.map((cid) => [cid.toString(), cid])).values()]
}

async function* batched(chunks: AsyncIterable<PlacedChunk>): AsyncGenerator<PlacedChunk[]> {
  let batch: PlacedChunk[] = []
  for await (const chunk of chunks) {
    batch.push(chunk)
    if (batch.length < BATCH_CHUNKS) continue
    yield batch
    batch = []
  }
  if (batch.length > 0) yield batch
}

function toCid({ entry }: PlacedChunk): CID {
  return blockCid(entry.digest)
}
