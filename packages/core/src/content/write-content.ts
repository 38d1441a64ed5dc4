import { concatBytes } from '../encoding/bytes.js'
import { PeerfoldError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'
import type { Block } from '../ports/block-store.js'
import type { Crypto, SealedChunk } from '../ports/crypto.js'
import { blockCid } from './block-cid.js'
import { buffers } from './buffer-pool.js'
import { pieces } from './byte-source.js'
import { type ChunkBatch, chunkBatches } from './chunk-batches.js'
import type { ChunkIndex } from './chunk-index.js'
import { createGearTable } from './gear.js'
import { type Entry, encodeRoot, PlainHash } from './manifest.js'
import { ManifestBuilder } from './manifest-builder.js'
import { mapOrdered } from './map-ordered.js'
import { readGearSeed } from './read-tree.js'
import { INLINE_MAX } from './sizes.js'
import type { BlockSink, BlockSource, ByteSource, ContentKeys, ContentRef } from './types.js'

export interface WriteContentOptions extends AbortOptions {
  /** The workspace's present secrets. */
  keys: ContentKeys
  crypto: Pick<Crypto, 'hash' | 'sealChunks' | 'open' | 'openChunks'>
  /** Gets each block that is not known yet, in batches, several at once. */
  sink: BlockSink
  /** Chunks held already are not sealed again; new ones are entered. @default none */
  known?: ChunkIndex
  /** The version that this one is based on: its gear seed is kept, so that unchanged parts are cut alike. */
  base?: { ref: ContentRef; source: BlockSource }
  /** Called with the bytes of content that were taken so far. */
  onProgress?: (bytes: number) => void
}

const BATCHES_AT_ONCE = 3

/**
 * Cuts, seals and stores a content, in bounded memory: four batches of at most 1.5 MiB whatever the size, each
 * sealed where it lies if the backend can. Blocks are durable once the sink is flushed.
 *
 * Equal content under equal keys gives the same root, unless `known` holds some of its chunks sealed under an earlier epoch's secret.
 *
 * @example
 * ```ts
 * const ref = await writeContent([bytes], { keys, crypto, sink: store })
 * await store.flush()
 * ```
 */
export async function writeContent(source: ByteSource, options: WriteContentOptions): Promise<ContentRef> {
  const { signal, base } = options
  const gearSeed = base === undefined ? options.keys.gearSeed : await baseSeed(base, options)
  const writer = new ContentWriter(gearSeed, options)
  const start = await takeStart(source, signal)
  if (start.ended) {
    options.onProgress?.(start.bytes.length)
    return await writer.writeSmall(start.bytes)
  }
  const batches = chunkBatches(start.source, createGearTable(gearSeed), { signal })
  let taken = 0
  for await (const batch of mapOrdered(batches, BATCHES_AT_ONCE, writer.storeBatch, signal)) {
    await writer.append(batch)
    taken += batch.bytes
    options.onProgress?.(taken)
  }
  return writer.finish()
}

/**
 * What `writeContent` would call `plain`, without storing anything: tells whether a content is one that is known already.
 *
 * @param options.gearSeed the workspace's, or the base version's (`readGearSeed`)
 */
export async function identifyContent(
  source: ByteSource,
  options: AbortOptions & { gearSeed: Uint8Array; crypto: Pick<Crypto, 'hash'> },
): Promise<{ plain: Uint8Array; size: number }> {
  const { signal, crypto } = options
  const plain = new PlainHash()
  let size = 0
  const batches = chunkBatches(source, createGearTable(options.gearSeed), { signal })
  const hashed = mapOrdered(
    batches,
    BATCHES_AT_ONCE,
    async ({ chunks }, signal) => {
      const hashes = await crypto.hash(chunks, { signal })
      giveBack(chunks)
      return chunks.map((chunk, i) => ({ hash: hashes[i] as Uint8Array, length: chunk.length }))
    },
    signal,
  )
  for await (const batch of hashed) {
    for (const { hash, length } of batch) {
      plain.add(hash, length)
      size += length
    }
  }
  return { plain: plain.digest(), size }
}

/** Most files are small: those that fit into their root are not worth a chunker and a pipeline. */
async function takeStart(
  source: ByteSource,
  signal: AbortSignal | undefined,
): Promise<{ ended: true; bytes: Uint8Array } | { ended: false; source: ByteSource }> {
  const taken: Uint8Array[] = []
  let length = 0
  const rest = pieces(source, signal)
  for (;;) {
    const next = await rest.next()
    if (next.done === true) return { ended: true, bytes: concatBytes(...taken) }
    length += next.value.length
    if (length > INLINE_MAX) return { ended: false, source: resume([...taken, next.value], rest) }
    // A copy, since a source may reuse its buffer.
    taken.push(next.value.slice())
  }
}

async function* resume(taken: Uint8Array[], rest: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* taken
    yield* rest
  } finally {
    await rest.return(undefined)
  }
}

interface StoredBatch {
  bytes: number
  entries: Entry[]
}

type SealedEntry = SealedChunk & Entry

class ContentWriter {
  readonly #gearSeed: Uint8Array
  readonly #options: WriteContentOptions
  readonly #plain = new PlainHash()
  readonly #builder = new ManifestBuilder((plaintext, length) => this.#storeNode(plaintext, length))
  /** The whole content, where it travels in the root. */
  #inline: Uint8Array | undefined
  #size = 0
  /** Whether the last look-up found anything: then it pays to hash and ask before sealing. */
  #expectKnown = true

  constructor(gearSeed: Uint8Array, options: WriteContentOptions) {
    this.#gearSeed = gearSeed
    this.#options = options
  }

  /** A content that fits into its root. */
  async writeSmall(content: Uint8Array): Promise<ContentRef> {
    const { crypto, signal } = this.#options
    if (content.length > 0) {
      const [hash] = await crypto.hash([content], { signal })
      this.#plain.add(hash as Uint8Array, content.length)
    }
    this.#inline = content
    this.#size = content.length
    return await this.finish()
  }

  /** Runs for several batches at once. */
  readonly storeBatch = async ({ chunks, bytes }: ChunkBatch, signal: AbortSignal): Promise<StoredBatch> => {
    return { bytes, entries: await this.#storeChunks(chunks, signal) }
  }

  /** Takes batches in order. */
  async append({ entries, bytes }: StoredBatch): Promise<void> {
    this.#size += bytes
    for (const entry of entries) {
      this.#plain.add(entry.hash, entry.length)
      await this.#builder.add(entry)
    }
  }

  async finish(): Promise<ContentRef> {
    const plain = this.#plain.digest()
    const body = this.#inline ?? (await this.#builder.finish())
    const root = encodeRoot({ gearSeed: this.#gearSeed, plain, size: this.#size, body })
    const { digest, key } = await this.#storeNode(root, this.#size)
    return { root: blockCid(digest), key, plain, size: this.#size }
  }

  /**
   * Either asks before sealing, or, while nothing is found that way, seals at once and asks after: one trip to another thread instead
   * of two, and still nothing is put twice.
   */
  async #storeChunks(chunks: Uint8Array[], signal: AbortSignal): Promise<Entry[]> {
    const { known, crypto } = this.#options
    if (known === undefined) return this.#put(await this.#seal(chunks, signal, true), signal)
    if (!this.#expectKnown) {
      const sealed = await this.#seal(chunks, signal, true)
      return this.#putUnknown(sealed, await this.#ask(known, sealed, signal), signal)
    }
    const hashes = await crypto.hash(chunks, { signal })
    const asked = chunks.map(({ length }, i) => ({ hash: hashes[i] as Uint8Array, length }))
    const found = await this.#ask(known, asked, signal)
    const unknown = chunks.filter((_, i) => found[i] === undefined)
    if (unknown.length === 0) giveBack(chunks)
    const sealed = (await this.#seal(unknown, signal, true)).values()
    const all = found.map((entry) => entry ?? (sealed.next().value as SealedEntry))
    return this.#putUnknown(all, found, signal)
  }

  async #ask(
    known: ChunkIndex,
    chunks: readonly { hash: Uint8Array; length: number }[],
    signal: AbortSignal,
  ): Promise<(Entry | undefined)[]> {
    const hashes = chunks.map((chunk) => chunk.hash)
    const found = await known.lookup(hashes, { signal })
    this.#expectKnown = found.some((entry) => entry !== undefined)
    return found.map((entry, i) => (entry?.length === chunks[i]?.length ? entry : undefined))
  }

  async #putUnknown(
    all: readonly (Entry | SealedEntry)[],
    found: readonly (Entry | undefined)[],
    signal: AbortSignal,
  ): Promise<Entry[]> {
    const fresh = all.filter((_, i) => found[i] === undefined) as SealedEntry[]
    const entries = await this.#put(fresh, signal)
    await this.#options.known?.add(entries, { signal })
    const next = entries.values()
    return found.map((entry) => entry ?? (next.next().value as Entry))
  }

  async #seal(
    chunks: Uint8Array[],
    signal: AbortSignal | undefined,
    inPlace = false,
  ): Promise<SealedEntry[]> {
    if (chunks.length === 0) return []
    const { crypto, keys } = this.#options
    // Chunks that are given up may have no length afterwards.
    const lengths = chunks.map((chunk) => chunk.length)
    const sealed = await crypto.sealChunks(keys.dedupSecret, chunks, { signal, giveUp: true, inPlace })
    return sealed.map((chunk, i) => ({ ...chunk, length: lengths[i] as number }))
  }

  async #put(sealed: readonly SealedEntry[], signal: AbortSignal | undefined): Promise<Entry[]> {
    if (sealed.length > 0) await this.#options.sink.put(sealed.map(toBlock), { signal, named: true })
    giveBack(sealed.map(({ bytes }) => bytes))
    return sealed.map(({ bytes: _, ...entry }) => entry)
  }

  async #storeNode(plaintext: Uint8Array, length: number): Promise<Entry> {
    const { signal } = this.#options
    const [entry] = await this.#put(await this.#seal([plaintext], signal), signal)
    return { ...(entry as Entry), length }
  }
}

/** Chunks of one batch lie in one buffer, sealed ones may. */
function giveBack(all: readonly Uint8Array[]): void {
  for (const bytes of all) buffers.give(bytes)
}

function toBlock({ digest, bytes }: SealedChunk): Block {
  return { cid: blockCid(digest), bytes }
}

/** The base's gear seed; the workspace's own when the base cannot be read here, which costs some deduplication only. */
async function baseSeed(
  base: { ref: ContentRef; source: BlockSource },
  { keys, crypto, signal }: WriteContentOptions,
): Promise<Uint8Array> {
  try {
    return await readGearSeed(base.ref, { source: base.source, crypto, signal })
  } catch (error) {
    signal?.throwIfAborted()
    if (error instanceof PeerfoldError) return keys.gearSeed
    throw error
  }
}
