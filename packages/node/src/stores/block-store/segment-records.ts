import type { SegmentFile } from '../log-store/files.js'
import { decodeFrame, encodeFrame, FRAME_HEAD, findFrame, frameLength } from '../log-store/frame.js'
import { SMALL_BELOW } from './limits.js'

/**
 * Segments of small blocks (PROTOCOL.md §8.5): a header, `PFBLK` 0 0 and version 1, then frames as in the log. A frame's record is its kind
 * (1 block, 2 tombstone), the block's digest, and the block.
 */
export const SEGMENT_HEADER = Uint8Array.of(0x50, 0x46, 0x42, 0x4c, 0x4b, 0, 0, 1)

export type SegmentRecord =
  | { kind: 'block'; digest: Uint8Array; bytes: Uint8Array }
  | { kind: 'tombstone'; digest: Uint8Array }

const KINDS = { block: 1, tombstone: 2 }
export const RECORD_HEAD = 33

const NAME = /^(\d{8})\.blocks$/

export function segmentName(segment: number): string {
  return `${String(segment).padStart(8, '0')}.blocks`
}

/** The number of the segment with this name; undefined when it is no segment's. */
export function segmentNumber(name: string): number | undefined {
  const digits = NAME.exec(name)?.[1]
  return digits === undefined ? undefined : Number(digits)
}

/** A place in the store that no other frame has: its checksum holds there and nowhere else. */
function position(segment: number, offset: number): number {
  return segment * 2 ** 32 + offset
}

export function encodeRecord(segment: number, offset: number, record: SegmentRecord): Uint8Array {
  const body = record.kind === 'block' ? record.bytes : new Uint8Array()
  const bytes = new Uint8Array(RECORD_HEAD + body.length)
  bytes[0] = KINDS[record.kind]
  bytes.set(record.digest, 1)
  bytes.set(body, RECORD_HEAD)
  return encodeFrame(position(segment, offset), bytes)
}

/** The record of the frame that begins at `at` in `bytes` and at `offset` in the segment; undefined when none does. */
export function decodeRecord(
  bytes: Uint8Array,
  at: number,
  segment: number,
  offset: number,
): SegmentRecord | undefined {
  const record = decodeFrame(bytes, at, position(segment, offset))
  if (record === undefined || record.length < RECORD_HEAD) return undefined
  const digest = record.slice(1, RECORD_HEAD)
  if (record[0] === KINDS.block) return { kind: 'block', digest, bytes: record.slice(RECORD_HEAD) }
  if (record[0] === KINDS.tombstone && record.length === RECORD_HEAD) return { kind: 'tombstone', digest }
  return undefined
}

/** What lies in a segment, in order. Every byte behind the header belongs to one item. */
export type Scanned =
  | { type: 'record'; offset: number; length: number; record: SegmentRecord }
  | { type: 'damage'; offset: number; length: number }

const FRAME_MAX = FRAME_HEAD + RECORD_HEAD + SMALL_BELOW
const WINDOW = 4 * 1024 * 1024

/** Reads a segment from `from` to `end`, window by window. After damage it goes on at the next valid frame. */
export async function* scanSegment(
  file: Pick<SegmentFile, 'read'>,
  segment: number,
  from: number,
  end: number,
): AsyncGenerator<Scanned> {
  let damagedFrom: number | undefined
  let offset = from
  while (offset < end) {
    const window = new Uint8Array(Math.min(WINDOW, end - offset))
    const bytes = window.subarray(0, await file.read(window, offset))
    if (bytes.length === 0) break
    // A frame that does not end in this window is read again at the beginning of the next one.
    const last = offset + bytes.length >= end
    const limit = last ? bytes.length : bytes.length - FRAME_MAX
    let at = 0
    while (at < limit) {
      const record = decodeRecord(bytes, at, segment, offset + at)
      if (record !== undefined) {
        if (damagedFrom !== undefined)
          yield { type: 'damage', offset: damagedFrom, length: offset + at - damagedFrom }
        damagedFrom = undefined
        const length = frameLength(bytes, at) as number
        yield { type: 'record', offset: offset + at, length, record }
        at += length
        continue
      }
      damagedFrom ??= offset + at
      at = Math.min(findFrame(bytes, at + 1, position(segment, offset)) ?? limit, limit)
    }
    offset += Math.max(at, 1)
  }
  if (damagedFrom !== undefined) yield { type: 'damage', offset: damagedFrom, length: end - damagedFrom }
}
