import crc32c from 'crc-32/crc32c.js'

/**
 * One record in a segment (PROTOCOL.md §8.2): length (4 bytes), CRC-32C (4 bytes) over the record's position in the log (8 bytes), the length
 * and the record, then the record. Numbers are big-endian. The position makes a frame valid in one place only.
 */
export const FRAME_HEAD = 8
export const MAX_RECORD_BYTES = 1024 * 1024

export function encodeFrame(position: number, record: Uint8Array): Uint8Array {
  const frame = new Uint8Array(FRAME_HEAD + record.length)
  const view = new DataView(frame.buffer)
  view.setUint32(0, record.length)
  view.setUint32(4, checksum(position, record))
  frame.set(record, FRAME_HEAD)
  return frame
}

/** The record of the frame at `offset`, or undefined when no valid frame for `position` lies there. */
export function decodeFrame(bytes: Uint8Array, offset: number, position: number): Uint8Array | undefined {
  const length = frameLength(bytes, offset)
  if (length === undefined) return undefined
  const record = bytes.subarray(offset + FRAME_HEAD, offset + length)
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  return view.getUint32(offset + 4) === checksum(position, record) ? record : undefined
}

/** Bytes of the frame that its length field claims; undefined when it would not fit into `bytes`. */
export function frameLength(bytes: Uint8Array, offset: number): number | undefined {
  if (offset + FRAME_HEAD > bytes.length) return undefined
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(offset)
  if (length > MAX_RECORD_BYTES || offset + FRAME_HEAD + length > bytes.length) return undefined
  return FRAME_HEAD + length
}

/**
 * The next offset from `from` on where a valid frame lies, after damage; undefined when there is none. In rubbish hardly any length is
 * plausible, so hardly any checksum is computed.
 *
 * @param base position in the log of offset 0
 */
export function findFrame(bytes: Uint8Array, from: number, base: number): number | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  for (let offset = from; offset + FRAME_HEAD <= bytes.length; offset++) {
    const zeros = view.getUint32(offset) === 0 && view.getUint32(offset + 4) === 0
    if (!zeros && decodeFrame(bytes, offset, base + offset) !== undefined) return offset
  }
  return undefined
}

function checksum(position: number, record: Uint8Array): number {
  const head = new Uint8Array(12)
  const view = new DataView(head.buffer)
  view.setBigUint64(0, BigInt(position))
  view.setUint32(8, record.length)
  return crc32c.buf(record, crc32c.buf(head, 0)) >>> 0
}
