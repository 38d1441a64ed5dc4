import { PeerfoldError } from '../errors.js'
import type { LogStore } from '../ports/log-store.js'

/**
 * One record of a workspace's `LogStore` (PROTOCOL.md §4.8): kind (1 byte, 1 = commit), when it was first received here (8 bytes,
 * big-endian milliseconds), the sealed commit.
 */
const COMMIT = 1
const HEAD = 9

export function encodeRecord(received: number, envelope: Uint8Array): Uint8Array {
  const record = new Uint8Array(HEAD + envelope.length)
  record[0] = COMMIT
  new DataView(record.buffer).setBigUint64(1, BigInt(Math.max(0, Math.floor(received))))
  record.set(envelope, HEAD)
  return record
}

/** @throws {PeerfoldError} `LOG_CORRUPT` when it is no record of a commit */
export function decodeRecord(record: Uint8Array): { received: number; envelope: Uint8Array } {
  if (record.length < HEAD || record[0] !== COMMIT) {
    throw new PeerfoldError('LOG_CORRUPT', 'a record of the log is not a commit')
  }
  const received = new DataView(record.buffer, record.byteOffset).getBigUint64(1)
  return { received: Number(received), envelope: record.subarray(HEAD) }
}

export async function readEnvelope(
  store: Pick<LogStore, 'get'>,
  position: number,
  signal?: AbortSignal,
): Promise<{ received: number; envelope: Uint8Array }> {
  return decodeRecord((await store.get(position, signal ? { signal } : {})).bytes)
}
