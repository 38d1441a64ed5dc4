import { concatBytes } from '../encoding/bytes.js'
import type { GearTable } from './gear.js'
import { CHUNK_AVERAGE, CHUNK_MAX, CHUNK_MIN } from './sizes.js'

export interface ChunkSizes {
  min: number
  /** A power of two. */
  average: number
  max: number
  /** Bits by which the mask is harder before `average` and easier behind it. */
  normalisation: number
}

export const CHUNK_SIZES: ChunkSizes = {
  min: CHUNK_MIN,
  average: CHUNK_AVERAGE,
  max: CHUNK_MAX,
  normalisation: 2,
}

/** Finds where FastCDC with normalised chunking cuts a byte stream (PROTOCOL.md §2.1). Holds no bytes. */
export class CutFinder {
  readonly #gear: GearTable
  readonly #sizes: ChunkSizes
  readonly #hardMask: number
  readonly #easyMask: number
  /** Bytes of the present chunk in earlier pieces. */
  #length = 0
  #hash = 0

  constructor(gear: GearTable, sizes: ChunkSizes = CHUNK_SIZES) {
    const bits = Math.log2(sizes.average)
    this.#gear = gear
    this.#sizes = sizes
    this.#hardMask = topBits(bits + sizes.normalisation)
    this.#easyMask = topBits(bits - sizes.normalisation)
  }

  /** Where in `piece` the chunk that goes on at `start` ends; −1 when it goes on behind the piece. */
  next(piece: Uint8Array, start: number): number {
    const cut = this.#find(piece, start)
    this.#length = cut < 0 ? this.#length + piece.length - start : 0
    if (cut >= 0) this.#hash = 0
    return cut
  }

  /** There is no more: the next byte begins a new content. */
  reset(): void {
    this.#length = 0
    this.#hash = 0
  }

  #find(piece: Uint8Array, start: number): number {
    const { min, average, max } = this.#sizes
    /** Positions in the piece of the chunk's own 0, min, average and max. */
    const origin = start - this.#length
    const end = Math.min(piece.length, origin + max)
    const middle = Math.min(end, origin + average)
    let cut = this.#scan(piece, Math.max(start, origin + min), middle, this.#hardMask)
    if (cut < 0) cut = this.#scan(piece, Math.max(start, middle, origin + min), end, this.#easyMask)
    if (cut >= 0) return cut
    return end - origin === max ? end : -1
  }

  /** Rolls the hash over [from, to); the position behind the first byte where it matches, or −1. */
  #scan(piece: Uint8Array, from: number, to: number, mask: number): number {
    const gear = this.#gear
    let hash = this.#hash
    let i = from
    // Four bytes at a time, until one of them matches: a third faster, since fewer steps wait for the one before.
    for (; i + 3 < to; i += 4) {
      const a = gear[piece[i] as number] as number
      const b = gear[piece[i + 1] as number] as number
      const c = gear[piece[i + 2] as number] as number
      const d = gear[piece[i + 3] as number] as number
      const first = ((hash << 1) + a) | 0
      const second = ((hash << 2) + (((a << 1) + b) | 0)) | 0
      const third = ((second << 1) + c) | 0
      const fourth = ((second << 2) + (((c << 1) + d) | 0)) | 0
      if ((first & mask) === 0 || (second & mask) === 0 || (third & mask) === 0 || (fourth & mask) === 0)
        break
      hash = fourth
    }
    for (; i < to; i++) {
      hash = ((hash << 1) + (gear[piece[i] as number] as number)) | 0
      if ((hash & mask) === 0) return i + 1
    }
    this.#hash = hash
    return -1
  }
}

/**
 * FastCDC with normalised chunking (PROTOCOL.md §2.1): cuts a byte stream where its content says so. However the stream is split into
 * pieces, the chunks are the same. Holds at most one chunk.
 *
 * @example
 * ```ts
 * const chunker = new Chunker(createGearTable(gearSeed))
 * for await (const piece of file) for (const chunk of chunker.push(piece)) store(chunk)
 * const last = chunker.finish()
 * ```
 */
export class Chunker {
  readonly #cuts: CutFinder
  /** What of the present chunk came in earlier pieces: copies, since a source may reuse its buffer. */
  #held: Uint8Array[] = []

  constructor(gear: GearTable, sizes: ChunkSizes = CHUNK_SIZES) {
    this.#cuts = new CutFinder(gear, sizes)
  }

  /** The chunks that end in this piece. Each has a buffer of its own. */
  push(piece: Uint8Array): Uint8Array[] {
    const chunks: Uint8Array[] = []
    let start = 0
    while (start < piece.length) {
      const cut = this.#cuts.next(piece, start)
      const part = piece.subarray(start, cut < 0 ? piece.length : cut)
      if (cut < 0) {
        this.#held.push(part.slice())
        break
      }
      chunks.push(this.#take(part))
      start = cut
    }
    return chunks
  }

  /** The rest, which ends no chunk of its own; undefined when there is none. The chunker can be used anew. */
  finish(): Uint8Array | undefined {
    this.#cuts.reset()
    return this.#held.length === 0 ? undefined : this.#take(new Uint8Array())
  }

  #take(part: Uint8Array): Uint8Array {
    const chunk = concatBytes(...this.#held, part)
    this.#held = []
    return chunk
  }
}

/** The upper bits of a gear hash depend on the most bytes: bit i on the last i + 1. */
function topBits(count: number): number {
  return count === 0 ? 0 : (-1 << (32 - count)) | 0
}
