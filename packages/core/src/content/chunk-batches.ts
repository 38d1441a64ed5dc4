import type { AbortOptions } from '../ports/abort.js'
import { buffers } from './buffer-pool.js'
import { pieces } from './byte-source.js'
import { CutFinder } from './chunker.js'
import type { GearTable } from './gear.js'
import { CHUNK_MAX, CHUNK_MIN, TAG_BYTES } from './sizes.js'
import type { ByteSource } from './types.js'

/** Chunks are hashed and sealed in batches of about so many bytes: worth a thread's while, small enough to hold several. */
const BATCH_BYTES = 512 * 1024
/** A batch ends with the chunk that fills it; each chunk has room for its tag behind it. */
const SLAB_BYTES = BATCH_BYTES + CHUNK_MAX + ((BATCH_BYTES + CHUNK_MAX) / CHUNK_MIN) * TAG_BYTES

/** Chunks in a row. They lie in one buffer, each with room for its tag behind it. */
export interface ChunkBatch {
  chunks: Uint8Array[]
  bytes: number
}

/** Cuts a content into batches, each of at least 512 KiB and at most 1.5 MiB. Whoever is done with one gives its buffer back to `buffers`. */
export async function* chunkBatches(
  source: ByteSource,
  gear: GearTable,
  { signal }: AbortOptions,
): AsyncGenerator<ChunkBatch> {
  const cutter = new Cutter(gear)
  for await (const piece of pieces(source, signal)) {
    for (let start = 0; start < piece.length; ) {
      start = cutter.push(piece, start)
      if (cutter.isFull) yield cutter.take()
    }
  }
  cutter.finish()
  if (cutter.bytes > 0) yield cutter.take()
}

class Cutter {
  readonly #cuts: CutFinder
  #slab: Uint8Array | undefined
  #chunks: Uint8Array[] = []
  #start = 0
  #end = 0
  bytes = 0

  constructor(gear: GearTable) {
    this.#cuts = new CutFinder(gear)
  }

  get isFull(): boolean {
    return this.bytes >= BATCH_BYTES
  }

  /** Takes a piece up to the end of the present chunk. @returns how far it was taken */
  push(piece: Uint8Array, start: number): number {
    const cut = this.#cuts.next(piece, start)
    const end = cut < 0 ? piece.length : cut
    this.#slab ??= buffers.take(SLAB_BYTES)
    this.#slab.set(piece.subarray(start, end), this.#end)
    this.#end += end - start
    if (cut >= 0) this.#endChunk()
    return end
  }

  finish(): void {
    if (this.#end > this.#start) this.#endChunk()
  }

  take(): ChunkBatch {
    const batch = { chunks: this.#chunks, bytes: this.bytes }
    this.#slab = undefined
    this.#chunks = []
    this.#start = 0
    this.#end = 0
    this.bytes = 0
    return batch
  }

  #endChunk(): void {
    const chunk = (this.#slab as Uint8Array).subarray(this.#start, this.#end)
    this.#chunks.push(chunk)
    this.bytes += chunk.length
    this.#end += TAG_BYTES
    this.#start = this.#end
  }
}
