import { createHash } from 'node:crypto'
import { Chunker, type ChunkSizes, createGearTable } from '@peerfold/core/platform'

/** Two states of one content, by name. */
export interface CorpusPair {
  name: string
  before: Uint8Array
  after: Uint8Array
}

export interface SweepRow {
  corpus: string
  sizes: ChunkSizes
  /** Chunks of the second state. */
  chunks: number
  /** Mean bytes of a chunk. */
  mean: number
  /** Bytes of the second state that the first one does not have: what an edit sends. */
  fresh: number
  /** `fresh`, and 104 bytes for each chunk's entry in the manifest nodes that change, at worst all. */
  sent: number
}

const KiB = 1024

/** From fine to coarse; the ratio of least, average and greatest varies with the normalisation. */
export const CANDIDATES: ChunkSizes[] = [64, 128, 256, 512, 1024].flatMap((average) =>
  [1, 2, 3].map((normalisation) => ({
    min: (average * KiB) / 4,
    average: average * KiB,
    max: average * KiB * 4,
    normalisation,
  })),
)

/** How well each choice of chunk sizes finds the old content in the new one (docs/decisions/0010-chunk-sizes.md). */
export function sweepChunkSizes(pairs: readonly CorpusPair[], candidates = CANDIDATES): SweepRow[] {
  return pairs.flatMap(({ name, before, after }) =>
    candidates.map((sizes) => sweepOne(name, before, after, sizes)),
  )
}

function sweepOne(corpus: string, before: Uint8Array, after: Uint8Array, sizes: ChunkSizes): SweepRow {
  const known = new Set(cut(before, sizes).map(({ hash }) => hash))
  const chunks = cut(after, sizes)
  const fresh = chunks.filter(({ hash }) => !known.has(hash)).reduce((sum, { length }) => sum + length, 0)
  const sent = fresh + 104 * chunks.length
  return { corpus, sizes, chunks: chunks.length, mean: after.length / chunks.length, fresh, sent }
}

function cut(content: Uint8Array, sizes: ChunkSizes): { hash: string; length: number }[] {
  const chunker = new Chunker(createGearTable(new Uint8Array(32)), sizes)
  const chunks = chunker.push(content)
  const rest = chunker.finish()
  return [...chunks, ...(rest === undefined ? [] : [rest])].map((chunk) => ({
    hash: createHash('sha256').update(chunk).digest('base64'),
    length: chunk.length,
  }))
}

/** Pairs that anyone can make again: random bytes edited as people and programs edit files. */
export function syntheticPairs(size = 64 * KiB * KiB): CorpusPair[] {
  const before = noise('before', size)
  return [
    { name: 'insertions: 64 of 100 bytes', before, after: insert(before, 64, 100) },
    { name: 'database: 200 pages of 4 KiB overwritten', before, after: overwrite(before, 200, 4 * KiB) },
    { name: 'one byte changed', before, after: overwrite(before, 1, 1) },
  ]
}

function noise(seed: string, size: number): Uint8Array {
  const bytes = new Uint8Array(size)
  for (let at = 0, i = 0; at < size; at += 32, i++) {
    bytes.set(
      createHash('sha256')
        .update(`${seed} ${i}`)
        .digest()
        .subarray(0, size - at),
      at,
    )
  }
  return bytes
}

function places(count: number, size: number): number[] {
  const random = noise('places', count * 4)
  const view = new DataView(random.buffer)
  return Array.from({ length: count }, (_, i) => view.getUint32(4 * i) % size).sort((a, b) => a - b)
}

function insert(content: Uint8Array, count: number, length: number): Uint8Array {
  const parts: Uint8Array[] = []
  let from = 0
  for (const [i, at] of places(count, content.length).entries()) {
    parts.push(content.subarray(from, at), noise(`insertion ${i}`, length))
    from = at
  }
  return new Uint8Array(Buffer.concat([...parts, content.subarray(from)]))
}

function overwrite(content: Uint8Array, count: number, length: number): Uint8Array {
  const copy = content.slice()
  for (const [i, at] of places(count, content.length - length).entries()) {
    copy.set(noise(`page ${i}`, length), at - (at % length))
  }
  return copy
}
