import type { CID } from 'multiformats/cid'
import type { ChunkIndex } from '../content/chunk-index.js'
import { readContent } from '../content/read-content.js'
import { readGearSeed } from '../content/read-tree.js'
import type { BlockSource, ByteSource, ContentKeys, ContentRef } from '../content/types.js'
import { identifyContent, writeContent } from '../content/write-content.js'
import { isPeerfoldError, PeerfoldError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'
import type { BlockStore, GetOptions } from '../ports/block-store.js'
import type { Crypto } from '../ports/crypto.js'
import type { ContentStore, IngestOptions, OpenOptions } from './content-store.js'
import type { Replicator } from './replicator.js'

export interface LocalContentInit {
  blocks: BlockStore
  /** Chunks that this device has checked. */
  chunks: ChunkIndex
  crypto: Crypto
  /** The secrets that new chunks are sealed under. */
  keys(): ContentKeys
  replicator: Replicator
}

/** A workspace's content over its block store, with peers for what is not here. */
export function createContentStore(init: LocalContentInit): ContentStore {
  const { blocks, replicator } = init
  const flush = shareCalls((options) => blocks.flush(options))
  return {
    ingest: (bytes, options) => ingest(init, bytes, options),
    identify: async (bytes, options) => {
      const gearSeed = await gearSeedOf(init, options?.base, options)
      return await identifyContent(bytes, { gearSeed, crypto: init.crypto, signal: options?.signal })
    },
    flush,
    open: (content, options) => openContent(init, content, options),
    available: (content, options) => replicator.available(content, options),
    fetch: (content, options) => replicator.fetch(content, options),
  }
}

async function ingest(
  { blocks, chunks, crypto, keys, replicator }: LocalContentInit,
  bytes: ByteSource,
  { base, signal, onProgress }: IngestOptions = {},
): Promise<ContentRef> {
  const content = await writeContent(bytes, {
    keys: keys(),
    crypto,
    sink: blocks,
    known: chunks,
    base: base === undefined ? undefined : { ref: base, source: blocks },
    signal,
    onProgress,
  })
  replicator.hold(content)
  return content
}

/** A base that is not here costs deduplication only. */
async function gearSeedOf(
  { blocks, crypto, keys }: LocalContentInit,
  base: ContentRef | undefined,
  options?: AbortOptions,
): Promise<Uint8Array> {
  if (base === undefined) return keys().gearSeed
  try {
    return await readGearSeed(base, { source: blocks, crypto, signal: options?.signal })
  } catch (error) {
    if (isPeerfoldError(error, 'BLOCK_NOT_FOUND') || isPeerfoldError(error, 'BLOCK_CORRUPT'))
      return keys().gearSeed
    throw error
  }
}

async function* openContent(
  { blocks, chunks, crypto, replicator }: LocalContentInit,
  content: ContentRef,
  { offset, length, signal, reuse, remote = false }: OpenOptions = {},
): AsyncGenerator<Uint8Array> {
  const source: BlockSource = remote
    ? { get: (cid, options) => getAnywhere(blocks, replicator, cid, options) }
    : blocks
  try {
    yield* readContent(content, { source, crypto, known: chunks, offset, length, reuse, signal })
  } catch (error) {
    if (!isPeerfoldError(error, 'BLOCK_NOT_FOUND') && !isPeerfoldError(error, 'BLOCK_CORRUPT')) throw error
    throw new PeerfoldError('BLOCKS_UNAVAILABLE', 'not all of the content is on this device', {
      cause: error,
    })
  }
}

async function getAnywhere(
  blocks: BlockStore,
  replicator: Replicator,
  cid: CID,
  options?: GetOptions,
): Promise<Uint8Array> {
  try {
    return await blocks.get(cid, options)
  } catch (error) {
    if (!isPeerfoldError(error, 'BLOCK_NOT_FOUND') && !isPeerfoldError(error, 'BLOCK_CORRUPT')) throw error
    await replicator.fetchBlocks([cid], options)
    return await blocks.get(cid, options)
  }
}

/** Callers that come while a call runs share the next one: it covers what all of them did before. */
function shareCalls(
  call: (options?: AbortOptions) => Promise<void>,
): (options?: AbortOptions) => Promise<void> {
  let running: Promise<void> | undefined
  let next: Promise<void> | undefined
  const begin = (): Promise<void> => {
    const started = call().finally(() => {
      if (running === started) running = undefined
    })
    running = started
    return started
  }
  return (options) => {
    options?.signal?.throwIfAborted()
    if (running === undefined) return begin()
    next ??= running
      .catch(() => {})
      .then(() => {
        next = undefined
        return begin()
      })
    return next
  }
}
