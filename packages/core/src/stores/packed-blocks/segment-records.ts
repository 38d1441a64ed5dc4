import crc32c from 'crc-32/crc32c.js'
import { equalBytes } from '../../encoding/bytes.js'
import type { Crypto } from '../../ports/crypto.js'
import type { SegmentFile } from './block-disk.js'
import { MAX_BLOCK, SMALL_BELOW } from './limits.js'

/**
 * Segments of blocks (PROTOCOL.md §8.5): a header, `PFBLK` 0 0 and version 2, then frames: length (4 bytes), CRC-32C (4 bytes), record. A record
 * is its kind (1 small block, 2 tombstone, 3 large block), the block's digest, and the block.
 *
 * The checksum covers the record's position in the store, its length and the record; of a large block only what comes before the block itself,
 * which its digest vouches for already.
 */
export const SEGMENT_HEADER = Uint8Array.of(0x50, 0x46, 0x42, 0x4c, 0x4b, 0, 0, 2)

export type SegmentRecord =
  | { kind: 'block'; digest: Uint8Array; bytes: Uint8Array }
  | { kind: 'tombstone'; digest: Uint8Array }

const KINDS = { small: 1, tombstone: 2, large: 3 }
const FRAME_HEAD = 8
const RECORD_HEAD = 33
/** Where in its frame a block begins. */
export const BLOCK_AT = FRAME_HEAD + RECORD_HEAD
/** Bytes of the largest frame. */
export const FRAME_MAX = BLOCK_AT + MAX_BLOCK

/** Bytes that the block in a record of each kind may have. */
const LENGTHS = new Map([
  [KINDS.small, [0, SMALL_BELOW - 1] as const],
  [KINDS.tombstone, [0, 0] as const],
  [KINDS.large, [SMALL_BELOW, MAX_BLOCK] as const],
])

const NAME = /^(\d{8})\.blocks$/

export function segmentName(segment: number): string {
  return `${String(segment).padStart(8, '0')}.blocks`
}

/** The number of the segment with this name; undefined when it is no segment's. */
export function segmentNumber(name: string): number | undefined {
  const digits = NAME.exec(name)?.[1]
  return digits === undefined ? undefined : Number(digits)
}

export function frameLength(record: SegmentRecord): number {
  return BLOCK_AT + (record.kind === 'block' ? record.bytes.length : 0)
}

/** Writes the frame of a record that is to lie at `offset` of a segment into `bytes` at `at`. */
export function encodeRecord(
  bytes: Uint8Array,
  at: number,
  segment: number,
  offset: number,
  record: SegmentRecord,
): void {
  const length = frameLength(record)
  const frame = bytes.subarray(at, at + length)
  frame[FRAME_HEAD] = kindOf(record)
  frame.set(record.digest, FRAME_HEAD + 1)
  if (record.kind === 'block') frame.set(record.bytes, BLOCK_AT)
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length)
  view.setUint32(0, length - FRAME_HEAD)
  view.setUint32(4, checksum(segment, offset, frame))
}

function kindOf(record: SegmentRecord): number {
  if (record.kind === 'tombstone') return KINDS.tombstone
  return record.bytes.length < SMALL_BELOW ? KINDS.small : KINDS.large
}

/**
 * The record of the frame that begins at `at` in `bytes` and at `offset` in the segment, a view; undefined when no whole one does. Whether a
 * large block has its name is for the caller to see.
 */
export function decodeRecord(
  bytes: Uint8Array,
  at: number,
  segment: number,
  offset: number,
): SegmentRecord | undefined {
  const length = claimedLength(bytes, at)
  if (length === undefined) return undefined
  const frame = bytes.subarray(at, at + length)
  const kind = frame[FRAME_HEAD]
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length)
  if (view.getUint32(4) !== checksum(segment, offset, frame)) return undefined
  const digest = frame.slice(FRAME_HEAD + 1, BLOCK_AT)
  if (kind === KINDS.tombstone) return { kind: 'tombstone', digest }
  return { kind: 'block', digest, bytes: frame.subarray(BLOCK_AT) }
}

/** Bytes of the frame that its length field claims; undefined when none of its kind has that length, or it would not fit into `bytes`. */
function claimedLength(bytes: Uint8Array, at: number): number | undefined {
  if (at + BLOCK_AT > bytes.length) return undefined
  const length = FRAME_HEAD + new DataView(bytes.buffer, bytes.byteOffset).getUint32(at)
  if (at + length > bytes.length) return undefined
  const block = length - BLOCK_AT
  const [least, most] = LENGTHS.get(bytes[at + FRAME_HEAD] as number) ?? [0, -1]
  return block < least || block > most ? undefined : length
}

/** A frame's checksum holds at its place in the store and nowhere else. */
function checksum(segment: number, offset: number, frame: Uint8Array): number {
  const head = new Uint8Array(12)
  const view = new DataView(head.buffer)
  view.setUint32(0, segment)
  view.setUint32(4, offset)
  view.setUint32(8, frame.length - FRAME_HEAD)
  const end = frame[FRAME_HEAD] === KINDS.large ? BLOCK_AT : frame.length
  return crc32c.buf(frame.subarray(FRAME_HEAD, end), crc32c.buf(head, 0)) >>> 0
}

/** What lies in a segment, in order. Every byte behind the header belongs to one item. */
export type Scanned =
  | { type: 'record'; offset: number; length: number; record: SegmentRecord }
  | { type: 'damage'; offset: number; length: number }

const WINDOW = 4 * 1024 * 1024

/** Reads a segment from `from` to `end`, window by window. After damage it goes on at the next valid frame. */
export async function* scanSegment(
  file: Pick<SegmentFile, 'read'>,
  segment: number,
  { from, end, crypto }: { from: number; end: number; crypto: Pick<Crypto, 'hash'> },
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
      const record = await soundRecord(bytes, at, segment, offset + at, crypto)
      if (record !== undefined) {
        if (damagedFrom !== undefined)
          yield { type: 'damage', offset: damagedFrom, length: offset + at - damagedFrom }
        damagedFrom = undefined
        const length = frameLength(record)
        yield { type: 'record', offset: offset + at, length, record }
        at += length
        continue
      }
      damagedFrom ??= offset + at
      at = nextFrame(bytes, at + 1, limit, segment, offset)
    }
    offset += Math.max(at, 1)
  }
  if (damagedFrom !== undefined) yield { type: 'damage', offset: damagedFrom, length: end - damagedFrom }
}

/** Small ones are vouched for by their checksum. */
async function soundRecord(
  bytes: Uint8Array,
  at: number,
  segment: number,
  offset: number,
  crypto: Pick<Crypto, 'hash'>,
): Promise<SegmentRecord | undefined> {
  const record = decodeRecord(bytes, at, segment, offset)
  if (record?.kind !== 'block' || record.bytes.length < SMALL_BELOW) return record
  const [hash] = await crypto.hash([record.bytes])
  return equalBytes(hash as Uint8Array, record.digest) ? record : undefined
}

/** Where the next frame with a right checksum begins, at most `limit`. In rubbish hardly any length is plausible, so hardly any checksum is computed. */
function nextFrame(bytes: Uint8Array, from: number, limit: number, segment: number, offset: number): number {
  for (let at = from; at < limit; at++)
    if (claimedLength(bytes, at) !== undefined && decodeRecord(bytes, at, segment, offset + at)) return at
  return limit
}
