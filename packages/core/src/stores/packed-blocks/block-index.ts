import crc32c from 'crc-32/crc32c.js'
import { fromHex } from '../../encoding/bytes.js'
import type { KeyValue, KeyValueOperation } from '../../ports/key-value.js'
import { DigestFilter } from './digest-filter.js'

/** Where a block lies. */
export interface Place {
  segment: number
  offset: number
  /** Bytes of its frame. */
  length: number
}

/** What is known of a segment: enough to notice when rows of the index were lost. */
export interface SegmentSummary {
  /** Everything before this offset is in the index. */
  indexedTo: number
  /** Blocks whose newest copy lies here, and the bytes of their frames. */
  rows: number
  live: number
  /** Exclusive or of the first eight bytes of their digests. */
  low: number
  high: number
}

/** New places by digest in hexadecimal; null where a block was deleted. */
export type Changes = ReadonlyMap<string, Place | null>

const ROW = 'b'
const SUMMARY = 's'
const ROW_BYTES = 16
const SUMMARY_BYTES = 28
const MOST_RECENT = 4096

/**
 * The index of the segments: a cache that answers quickly and is never believed blindly. Rows carry a checksum, and each segment's rows are
 * counted and summed at opening, because key-value stores have been seen to lose synced rows without a word.
 */
export class BlockIndex {
  readonly #db: KeyValue
  readonly #filter = new DigestFilter()
  /** Rows entered lately, newest last: what was put is read soon, to be sent or written to a folder. */
  readonly #recent = new Map<string, Place>()
  readonly summaries = new Map<number, SegmentSummary>()

  constructor(db: KeyValue) {
    this.#db = db
  }

  /** Reads the summaries; false when the rows do not match them, so that the index has to be built anew. */
  async load(): Promise<boolean> {
    this.summaries.clear()
    const counted = new Map<number, SegmentSummary>()
    for await (const [key, value] of this.#db.iterator()) {
      if (key.startsWith(SUMMARY)) {
        const summary = decodeSummary(value)
        if (summary === undefined) return false
        this.summaries.set(Number(key.slice(1)), summary)
      } else {
        const place = decodeRow(key.slice(1), value)
        if (!key.startsWith(ROW) || place === undefined) return false
        count(counted, key.slice(1), place, 1)
        this.#filter.add(key.slice(1))
      }
    }
    return sameRows(this.summaries, counted)
  }

  async clear(): Promise<void> {
    await this.#db.clear()
    this.summaries.clear()
    this.#filter.clear()
    this.#recent.clear()
  }

  /** @throws {DamagedRow} */
  async lookup(digests: readonly string[]): Promise<(Place | undefined)[]> {
    const asked = digests.filter((digest) => !this.#recent.has(digest) && this.#filter.mayHold(digest))
    const found = asked.length === 0 ? new Map() : await this.#read(asked)
    return digests.map((digest) => this.#recent.get(digest) ?? found.get(digest))
  }

  async #read(digests: readonly string[]): Promise<Map<string, Place>> {
    const values = await this.#db.getMany(digests.map((digest) => ROW + digest))
    const found = new Map<string, Place>()
    for (const [i, digest] of digests.entries()) {
      const value = values[i]
      if (value === undefined) continue
      const place = decodeRow(digest, value)
      if (place === undefined) throw new DamagedRow()
      found.set(digest, place)
    }
    return found
  }

  /** Enters changes and how far each segment is now indexed, atomically. */
  async apply(changes: Changes, indexedTo: ReadonlyMap<number, number>): Promise<void> {
    const digests = [...changes.keys()]
    const before = await this.lookup(digests)
    const touched = new Set(indexedTo.keys())
    const summaries = new Map([...this.summaries].map(([segment, summary]) => [segment, { ...summary }]))
    const batch: KeyValueOperation[] = []
    for (const [i, digest] of digests.entries()) {
      const old = before[i]
      const place = changes.get(digest)
      if (old !== undefined) touched.add(count(summaries, digest, old, -1))
      if (place) {
        touched.add(count(summaries, digest, place, 1))
        batch.push({ type: 'put', key: ROW + digest, value: encodeRow(digest, place) })
        this.#filter.add(digest)
      } else if (old !== undefined) batch.push({ type: 'del', key: ROW + digest })
    }
    for (const [segment, end] of indexedTo) summaryOf(summaries, segment).indexedTo = end
    for (const segment of touched) {
      const value = encodeSummary(summaryOf(summaries, segment))
      batch.push({ type: 'put', key: summaryKey(segment), value })
    }
    await this.#db.batch(batch)
    this.#remember(changes)
    for (const [segment, summary] of summaries) this.summaries.set(segment, summary)
  }

  #remember(changes: Changes): void {
    for (const [digest, place] of changes) {
      this.#recent.delete(digest)
      if (place) this.#recent.set(digest, place)
    }
    for (const digest of this.#recent.keys()) {
      if (this.#recent.size <= MOST_RECENT) break
      this.#recent.delete(digest)
    }
  }

  async forget(segment: number): Promise<void> {
    await this.#db.del(summaryKey(segment))
    this.summaries.delete(segment)
  }

  async *list(): AsyncGenerator<string> {
    for await (const key of this.#db.keys({ gte: ROW, lt: SUMMARY })) yield key.slice(1)
  }

  close(): Promise<void> {
    return this.#db.close()
  }
}

/** A row that is not what was written: the whole index is in doubt. */
export class DamagedRow extends Error {
  override readonly name = 'DamagedRow'
}

function summaryOf(summaries: Map<number, SegmentSummary>, segment: number): SegmentSummary {
  const summary = summaries.get(segment) ?? { indexedTo: 0, rows: 0, live: 0, low: 0, high: 0 }
  summaries.set(segment, summary)
  return summary
}

/** Adds (1) or takes away (−1) a row; returns its segment. */
function count(
  summaries: Map<number, SegmentSummary>,
  digest: string,
  { segment, length }: Place,
  sign: 1 | -1,
): number {
  const summary = summaryOf(summaries, segment)
  summary.rows += sign
  summary.live += sign * length
  summary.high = (summary.high ^ Number.parseInt(digest.slice(0, 8), 16)) >>> 0
  summary.low = (summary.low ^ Number.parseInt(digest.slice(8, 16), 16)) >>> 0
  return segment
}

function sameRows(
  said: ReadonlyMap<number, SegmentSummary>,
  counted: ReadonlyMap<number, SegmentSummary>,
): boolean {
  const none = { rows: 0, live: 0, low: 0, high: 0 }
  return [...new Set([...said.keys(), ...counted.keys()])].every((segment) => {
    const a = said.get(segment) ?? none
    const b = counted.get(segment) ?? none
    return a.rows === b.rows && a.live === b.live && a.low === b.low && a.high === b.high
  })
}

function summaryKey(segment: number): string {
  return SUMMARY + String(segment).padStart(8, '0')
}

function encodeRow(digest: string, { segment, offset, length }: Place): Uint8Array {
  const row = new Uint8Array(ROW_BYTES)
  const view = new DataView(row.buffer)
  for (const [i, value] of [segment, offset, length].entries()) view.setUint32(4 * i, value)
  view.setUint32(12, rowChecksum(digest, row))
  return row
}

function decodeRow(digest: string, row: Uint8Array): Place | undefined {
  if (row.length !== ROW_BYTES) return undefined
  const view = new DataView(row.buffer, row.byteOffset)
  if (view.getUint32(12) !== rowChecksum(digest, row)) return undefined
  return { segment: view.getUint32(0), offset: view.getUint32(4), length: view.getUint32(8) }
}

function rowChecksum(digest: string, row: Uint8Array): number {
  return crc32c.buf(row.subarray(0, 12), crc32c.buf(fromHex(digest), 0)) >>> 0
}

function encodeSummary({ indexedTo, rows, live, low, high }: SegmentSummary): Uint8Array {
  const value = new Uint8Array(SUMMARY_BYTES)
  const view = new DataView(value.buffer)
  view.setBigUint64(0, BigInt(live))
  for (const [i, field] of [indexedTo, rows, low, high].entries()) view.setUint32(8 + 4 * i, field)
  view.setUint32(24, crc32c.buf(value.subarray(0, 24), 0) >>> 0)
  return value
}

function decodeSummary(value: Uint8Array): SegmentSummary | undefined {
  if (value.length !== SUMMARY_BYTES) return undefined
  const view = new DataView(value.buffer, value.byteOffset)
  if (view.getUint32(24) !== crc32c.buf(value.subarray(0, 24), 0) >>> 0) return undefined
  return {
    live: Number(view.getBigUint64(0)),
    indexedTo: view.getUint32(8),
    rows: view.getUint32(12),
    low: view.getUint32(16),
    high: view.getUint32(20),
  }
}
