import { PeerfoldError } from '@peerfold/core'
import type { SegmentFile, SegmentFiles } from '@peerfold/core/platform'
import crc32c from 'crc-32/crc32c.js'
import { decodeFrame, FRAME_HEAD, findFrame, frameLength, MAX_RECORD_BYTES } from './frame.js'

/**
 * A file of frames (PROTOCOL.md §8.1). Header, 20 bytes: `PFLOG`, 0, 0, version 1; the position of its first record (8 bytes); CRC-32C of these
 * 16 bytes. The name is the same position in 16 decimal digits.
 */
export const SEGMENT_HEAD = 20
const MAGIC = [0x50, 0x46, 0x4c, 0x4f, 0x47, 0, 0]
const VERSION = 1
const NAME = /^(\d{16})\.log$/

export interface Segment {
  name: string
  /** Position of its first record. */
  start: number
  /** Position behind its last durable byte. */
  end: number
  file: SegmentFile
}

export function segmentName(start: number): string {
  return `${String(start).padStart(16, '0')}.log`
}

/** Start of the segment of that name; undefined when it is no segment's. */
export function segmentStart(name: string): number | undefined {
  const digits = NAME.exec(name)?.[1]
  return digits === undefined ? undefined : Number(digits)
}

export async function createSegment(files: SegmentFiles, start: number): Promise<Segment> {
  const name = segmentName(start)
  const file = await files.open(name, true)
  try {
    await file.write(encodeHeader(start), 0)
    await file.datasync()
    await files.sync()
    return { name, start, end: start, file }
  } catch (error) {
    await file.close()
    await files.remove(name)
    throw error
  }
}

/** Opens a segment; undefined (and removed) when a crash left not even its header. */
export async function openSegment(
  files: SegmentFiles,
  name: string,
  start: number,
): Promise<Segment | undefined> {
  const file = await files.open(name, false)
  const size = await file.size()
  const header = new Uint8Array(SEGMENT_HEAD)
  await file.read(header, 0)
  const sound = isHeader(header, start)
  if (sound && header[7] !== VERSION) {
    await file.close()
    throw new PeerfoldError('PROTOCOL_UNSUPPORTED', `segment ${name} has version ${header[7]}`)
  }
  if (!sound && size <= SEGMENT_HEAD) {
    await file.close()
    await files.remove(name)
    return undefined
  }
  return { name, start, end: start + size - SEGMENT_HEAD, file }
}

/**
 * Cuts off what a crash left behind the last valid frame. Damage with a valid frame after it is no torn tail: it stays, and reading
 * reports it.
 */
export async function cutTornTail(segment: Segment): Promise<void> {
  const bytes = await readRange(segment, segment.start, segment.end)
  let offset = 0
  while (offset < bytes.length) {
    const sound = decodeFrame(bytes, offset, segment.start + offset) !== undefined
    const next = sound
      ? offset + (frameLength(bytes, offset) as number)
      : findFrame(bytes, offset + 1, segment.start)
    if (next === undefined) break
    offset = next
  }
  if (offset === bytes.length) return
  await segment.file.truncate(SEGMENT_HEAD + offset)
  await segment.file.datasync()
  segment.end = segment.start + offset
}

export async function readRange(segment: Segment, from: number, to: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(Math.max(0, to - from))
  const read = await segment.file.read(bytes, SEGMENT_HEAD + from - segment.start)
  return bytes.subarray(0, read)
}

/** Bytes that surely hold the frame at `position`, if there is one. */
export async function readFrame(segment: Segment, position: number): Promise<Uint8Array> {
  const head = await readRange(segment, position, Math.min(segment.end, position + FRAME_HEAD))
  if (head.length < FRAME_HEAD) return head
  const length = new DataView(head.buffer).getUint32(0)
  if (length > MAX_RECORD_BYTES) return head
  return readRange(segment, position, Math.min(segment.end, position + FRAME_HEAD + length))
}

/** Where reading can go on after damage at `position`: the next valid frame, or the end of the segment. */
export async function afterDamage(segment: Segment, position: number): Promise<number> {
  const bytes = await readRange(segment, position, segment.end)
  const offset = findFrame(bytes, 1, position)
  return offset === undefined ? segment.end : position + offset
}

/** Whether a frame, valid or damaged, starts at `position`: found by going through the segment from its start. */
export async function startsFrame(segment: Segment, position: number): Promise<boolean> {
  const bytes = await readRange(segment, segment.start, segment.end)
  const wanted = position - segment.start
  let offset = 0
  while (offset < wanted) {
    const sound = decodeFrame(bytes, offset, segment.start + offset) !== undefined
    const next = sound
      ? offset + (frameLength(bytes, offset) as number)
      : findFrame(bytes, offset + 1, segment.start)
    if (next === undefined) return false
    offset = next
  }
  return offset === wanted
}

function encodeHeader(start: number): Uint8Array {
  const header = new Uint8Array(SEGMENT_HEAD)
  const view = new DataView(header.buffer)
  header.set(MAGIC)
  header[7] = VERSION
  view.setBigUint64(8, BigInt(start))
  view.setUint32(16, crc32c.buf(header.subarray(0, 16), 0) >>> 0)
  return header
}

function isHeader(header: Uint8Array, start: number): boolean {
  const view = new DataView(header.buffer)
  return (
    MAGIC.every((byte, i) => header[i] === byte) &&
    view.getBigUint64(8) === BigInt(start) &&
    view.getUint32(16) === crc32c.buf(header.subarray(0, 16), 0) >>> 0
  )
}
