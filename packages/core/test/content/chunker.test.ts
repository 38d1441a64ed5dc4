import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { CHUNK_SIZES, Chunker, type ChunkSizes } from '../../src/content/chunker.js'
import { createGearTable } from '../../src/content/gear.js'
import { concatBytes, toHex } from '../../src/encoding/bytes.js'
import { sha256Now } from '../../src/encoding/derive.js'
import { createSeededRandom } from '../../src/testing/seeded-random.js'

const gear = createGearTable(new Uint8Array(32).fill(1))

/** Small sizes make many chunks of few bytes: the rule is the same. */
const SMALL: ChunkSizes = { min: 64, average: 256, max: 1024, normalisation: 2 }

function cut(pieces: Iterable<Uint8Array>, sizes = CHUNK_SIZES, table = gear): Uint8Array[] {
  const chunker = new Chunker(table, sizes)
  const chunks: Uint8Array[] = []
  for (const piece of pieces) chunks.push(...chunker.push(piece))
  const last = chunker.finish()
  return last === undefined ? chunks : [...chunks, last]
}

const lengths = (chunks: Uint8Array[]) => chunks.map((chunk) => chunk.length)

describe('chunker', () => {
  test('cuts alike however the stream is split', () => {
    const seed = 20_240_101
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 20_000 }),
        fc.integer(),
        fc.array(fc.integer({ min: 0, max: 3000 }), { maxLength: 60 }),
        fc.boolean(),
        (size, label, splits, runs) => {
          const random = createSeededRandom(label)
          const content = runs ? new Uint8Array(size).fill(label & 3) : random.bytes(size)
          const whole = cut([content], SMALL)
          expect(lengths(cut(split(content, splits), SMALL))).toEqual(lengths(whole))
          expect(toHex(concatBytes(...whole))).toBe(toHex(content))
        },
      ),
      { numRuns: 300, seed },
    )
  })

  test('cuts alike when the source reuses its buffer', () => {
    const content = createSeededRandom('reuse').bytes(3_000_000)
    const buffer = new Uint8Array(50_000)
    function* reusing() {
      for (let at = 0; at < content.length; at += buffer.length) {
        const part = content.subarray(at, at + buffer.length)
        buffer.set(part)
        yield buffer.subarray(0, part.length)
      }
    }
    expect(cut(reusing()).map((chunk) => toHex(sha256Now(chunk)))).toEqual(
      cut([content]).map((chunk) => toHex(sha256Now(chunk))),
    )
  })

  test('keeps to its sizes, except for the last chunk', () => {
    const chunks = cut([createSeededRandom('sizes').bytes(30_000_000)])
    for (const length of lengths(chunks).slice(0, -1)) {
      expect(length).toBeGreaterThanOrEqual(CHUNK_SIZES.min)
      expect(length).toBeLessThanOrEqual(CHUNK_SIZES.max)
    }
    const mean = 30_000_000 / chunks.length
    expect(mean).toBeGreaterThan(CHUNK_SIZES.average * 0.8)
    expect(mean).toBeLessThan(CHUNK_SIZES.average * 1.4)
  })

  test('finds its old cuts again behind an insertion, a deletion and a change', () => {
    const content = createSeededRandom('edit').bytes(20_000_000)
    const names = (bytes: Uint8Array) => new Set(cut([bytes]).map((chunk) => toHex(sha256Now(chunk))))
    const before = names(content)
    const at = 7_654_321
    const edits = [
      concatBytes(content.subarray(0, at), new Uint8Array(1), content.subarray(at)),
      concatBytes(content.subarray(0, at), content.subarray(at + 5000)),
      concatBytes(content.subarray(0, at), new Uint8Array(3), content.subarray(at + 3)),
    ]
    for (const edit of edits) {
      const changed = [...names(edit)].filter((name) => !before.has(name))
      expect(changed.length).toBeGreaterThan(0)
      expect(changed.length).toBeLessThanOrEqual(4)
    }
  })

  test('cuts elsewhere under another key', () => {
    const content = createSeededRandom('keys').bytes(5_000_000)
    const other = createGearTable(new Uint8Array(32).fill(2))
    const theirs = new Set(ends(cut([content], CHUNK_SIZES, other)))
    const common = ends(cut([content])).filter((end) => theirs.has(end))
    expect(common).toEqual([content.length])
  })

  test('makes chunks of the greatest size from what never matches', () => {
    expect(lengths(cut([new Uint8Array(2_500_000)]))).toEqual([1_048_576, 1_048_576, 402_848])
  })

  test('makes no chunk of nothing', () => {
    expect(cut([])).toEqual([])
    expect(cut([new Uint8Array(), new Uint8Array()])).toEqual([])
  })

  test('serves the next content after finish', () => {
    const chunker = new Chunker(gear)
    const content = createSeededRandom('again').bytes(1_000_000)
    const first = [...chunker.push(content), chunker.finish() as Uint8Array]
    const second = [...chunker.push(content), chunker.finish() as Uint8Array]
    expect(lengths(second)).toEqual(lengths(first))
    expect(chunker.finish()).toBeUndefined()
  })
})

function* split(content: Uint8Array, sizes: readonly number[]): Iterable<Uint8Array> {
  let at = 0
  for (const size of sizes) {
    yield content.subarray(at, at + size)
    at += size
  }
  yield content.subarray(at)
}

function ends(chunks: Uint8Array[]): number[] {
  let end = 0
  return chunks.map((chunk) => {
    end += chunk.length
    return end
  })
}
