import { concatBytes, fromHex, toHex } from '../encoding/bytes.js'
import { PeerfoldError } from '../errors.js'
import type { WorkspaceHandle } from '../ports/ids.js'
import { MAX_BLOCK, MAX_CREDIT, MAX_DIGESTS } from './limits.js'

/** SHA-256 of a block's ciphertext in hexadecimal: the digest of its CID. */
export type BlockDigest = string

/** What is said about blocks of one workspace (PROTOCOL.md §7.3). */
export interface DigestsMessage<T extends string> {
  type: T
  handle: WorkspaceHandle
  digests: BlockDigest[]
}

export type Request =
  | DigestsMessage<'want'>
  | DigestsMessage<'cancel'>
  /** The server may send this many bytes of BLOCK frames more. */
  | { type: 'credit'; bytes: number }

export type Response =
  | { type: 'block'; handle: WorkspaceHandle; digest: BlockDigest; bytes: Uint8Array }
  | DigestsMessage<'missing'>
  | DigestsMessage<'have'>
  | DigestsMessage<'busy'>
  | { type: 'refused'; handle: WorkspaceHandle }

const TYPES = {
  want: 1,
  credit: 2,
  cancel: 3,
  block: 16,
  missing: 17,
  have: 18,
  busy: 19,
  refused: 20,
} as const
const HASH = 32
/** Type, handle and digest before the bytes of a block. */
const BLOCK_HEADER = 1 + 2 * HASH

/** Largest frame that a server sends, without its length. */
export const MAX_RESPONSE_FRAME = BLOCK_HEADER + MAX_BLOCK

/** What a BLOCK frame costs of the credit: all of it but the length. */
export function blockCost(size: number): number {
  return BLOCK_HEADER + size
}

/** A whole frame, length included. */
export function encodeRequest(message: Request): Uint8Array {
  if (message.type === 'credit') return frame(TYPES.credit, uint32(message.bytes))
  return encodeDigests(message)
}

/** @throws {PeerfoldError} `MESSAGE_INVALID` */
export function decodeRequest(payload: Uint8Array): Request {
  switch (payload[0]) {
    case TYPES.want:
      return decodeDigests('want', payload)
    case TYPES.cancel:
      return decodeDigests('cancel', payload)
    case TYPES.credit:
      return { type: 'credit', bytes: decodeCredit(payload) }
    default:
      throw new PeerfoldError('MESSAGE_INVALID', `no request has type ${payload[0]}`)
  }
}

/** A whole frame, length included. For blocks see `encodeBlockHeader`, which spares a copy. */
export function encodeResponse(message: Response): Uint8Array {
  switch (message.type) {
    case 'block':
      return concatBytes(
        encodeBlockHeader(message.handle, message.digest, message.bytes.length),
        message.bytes,
      )
    case 'refused':
      return frame(TYPES.refused, fromHex(message.handle))
    default:
      return encodeDigests(message)
  }
}

/** @throws {PeerfoldError} `MESSAGE_INVALID` */
export function decodeResponse(payload: Uint8Array): Response {
  switch (payload[0]) {
    case TYPES.block:
      return decodeBlock(payload)
    case TYPES.missing:
      return decodeDigests('missing', payload)
    case TYPES.have:
      return decodeDigests('have', payload)
    case TYPES.busy:
      return decodeDigests('busy', payload)
    case TYPES.refused:
      if (payload.length !== 1 + HASH) throw new PeerfoldError('MESSAGE_INVALID', 'REFUSED of a wrong length')
      return { type: 'refused', handle: toHex(payload.subarray(1)) }
    default:
      throw new PeerfoldError('MESSAGE_INVALID', `no response has type ${payload[0]}`)
  }
}

/** What stands before the bytes of a block in its frame, length included. */
export function encodeBlockHeader(handle: WorkspaceHandle, digest: BlockDigest, size: number): Uint8Array {
  const header = new Uint8Array(4 + BLOCK_HEADER)
  header.set(uint32(BLOCK_HEADER + size))
  header[4] = TYPES.block
  header.set(fromHex(handle), 5)
  header.set(fromHex(digest), 5 + HASH)
  return header
}

function decodeBlock(payload: Uint8Array): Response {
  if (payload.length <= BLOCK_HEADER) throw new PeerfoldError('MESSAGE_INVALID', 'BLOCK without bytes')
  return {
    type: 'block',
    handle: toHex(payload.subarray(1, 1 + HASH)),
    digest: toHex(payload.subarray(1 + HASH, BLOCK_HEADER)),
    bytes: payload.subarray(BLOCK_HEADER),
  }
}

function encodeDigests(message: DigestsMessage<Exclude<keyof typeof TYPES, 'credit' | 'block' | 'refused'>>) {
  return frame(TYPES[message.type], fromHex(message.handle), ...message.digests.map(fromHex))
}

function decodeDigests<T extends string>(type: T, payload: Uint8Array): DigestsMessage<T> {
  const count = (payload.length - 1 - HASH) / HASH
  if (!Number.isInteger(count) || count < 1 || count > MAX_DIGESTS) {
    throw new PeerfoldError('MESSAGE_INVALID', `${type} of ${payload.length} bytes`)
  }
  const at = (index: number) => toHex(payload.subarray(1 + HASH * index, 1 + HASH * (index + 1)))
  return { type, handle: at(0), digests: Array.from({ length: count }, (_, i) => at(i + 1)) }
}

function decodeCredit(payload: Uint8Array): number {
  if (payload.length !== 5) throw new PeerfoldError('MESSAGE_INVALID', 'CREDIT of a wrong length')
  const bytes = new DataView(payload.buffer, payload.byteOffset).getUint32(1)
  if (bytes === 0 || bytes > MAX_CREDIT)
    throw new PeerfoldError('MESSAGE_INVALID', `CREDIT of ${bytes} bytes`)
  return bytes
}

function frame(type: number, ...parts: Uint8Array[]): Uint8Array {
  const size = 1 + parts.reduce((sum, part) => sum + part.length, 0)
  return concatBytes(uint32(size), Uint8Array.of(type), ...parts)
}

function uint32(value: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, value)
  return bytes
}
