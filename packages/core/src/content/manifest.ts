import { sha256 } from '@noble/hashes/sha2.js'
import { decodeCbor, encodeCbor } from '../encoding/cbor.js'
import { PeerfoldError } from '../errors.js'
import {
  CHUNK_MAX,
  CHUNK_MIN,
  INLINE_MAX,
  LEVELS_MAX,
  NODE_ENTRIES_MAX,
  NODE_ENTRIES_MIN,
  ROOT_BYTES_MAX,
} from './sizes.js'

/**
 * Manifests (PROTOCOL.md §2.3): the list of a version's chunks, as a tree of sealed nodes.
 *
 * Whoever can write to a workspace may publish any bytes as a manifest, so decoding checks every number against what stands above
 * it. A node names its children by hash and has the level below its parent's: a cycle cannot be written down.
 */

/** One child of a node: a sealed chunk, or a sealed node of the level below. */
export interface Entry {
  /** SHA-256 of the block: the digest of its CID. */
  digest: Uint8Array
  key: Uint8Array
  /** SHA-256 of the plaintext. */
  hash: Uint8Array
  /** Bytes of content in or below it. */
  length: number
}

export interface ManifestNode {
  /** 0: children are chunks; n: children are nodes of level n − 1. */
  level: number
  entries: Entry[]
}

export interface ManifestRoot {
  gearSeed: Uint8Array
  plain: Uint8Array
  size: number
  /** Content itself when it is small, else the topmost node. */
  body: Uint8Array | ManifestNode
}

/** What a parent says about a node. */
export interface NodeExpectation {
  level: number
  length: number
  /** Whether it holds the content's end: only there may chunks and nodes be smaller than the least. */
  last: boolean
}

const FORMAT_VERSION = 1
const ENTRY_BYTES = 104
/** Most bytes of an encoded node: its entries and the frame. */
export const NODE_BYTES_MAX = NODE_ENTRIES_MAX * ENTRY_BYTES + 16

export function encodeRoot({ gearSeed, plain, size, body }: ManifestRoot): Uint8Array {
  const fields = [FORMAT_VERSION, gearSeed, plain, size]
  if (body instanceof Uint8Array) return encodeCbor([...fields, body])
  return encodeCbor([...fields, body.level, encodeEntries(body.entries)])
}

/**
 * @throws {PeerfoldError} `MANIFEST_INVALID`; `PROTOCOL_UNSUPPORTED` for versions of the format that are not known here
 */
export function decodeRoot(bytes: Uint8Array): ManifestRoot {
  if (bytes.length > ROOT_BYTES_MAX) invalid(`a root of ${bytes.length} bytes`)
  const fields = decodeCbor(bytes, 'MANIFEST_INVALID')
  if (!Array.isArray(fields)) invalid('a root that is no list')
  const [version, gearSeed, plain, size] = fields
  if (version !== FORMAT_VERSION) {
    throw new PeerfoldError(
      'PROTOCOL_UNSUPPORTED',
      `manifest format ${String(version).slice(0, 20)} is not known`,
    )
  }
  if (!isBytes(gearSeed, 32) || !isBytes(plain, 32) || !isSize(size)) invalid('a root with malformed fields')
  if (fields.length === 5) return { gearSeed, plain, size, body: inlineBody(fields[4], size) }
  if (fields.length !== 6) invalid(`a root of ${fields.length} fields`)
  if (size <= INLINE_MAX) invalid('a small content that is not inline')
  const body = readNode(fields[4], fields[5], { length: size, last: true })
  if (body.level > 0 && body.entries.length < 2) invalid('a root that only repeats its child')
  return { gearSeed, plain, size, body }
}

export function encodeNode({ level, entries }: ManifestNode): Uint8Array {
  return encodeCbor([level, encodeEntries(entries)])
}

/** @throws {PeerfoldError} `MANIFEST_INVALID` unless the node is what its parent says */
export function decodeNode(bytes: Uint8Array, expected: NodeExpectation): ManifestNode {
  if (bytes.length > NODE_BYTES_MAX) invalid(`a node of ${bytes.length} bytes`)
  const fields = decodeCbor(bytes, 'MANIFEST_INVALID')
  if (!Array.isArray(fields) || fields.length !== 2) invalid('a node that is no pair')
  if (fields[0] !== expected.level) invalid(`a node of another level than ${expected.level}`)
  return readNode(fields[0], fields[1], expected)
}

/** `plain`: SHA-256 over hash ‖ length (32 bits, big endian) of each chunk in order. */
export class PlainHash {
  readonly #sha = sha256.create()

  add(hash: Uint8Array, length: number): void {
    const field = new Uint8Array(4)
    new DataView(field.buffer).setUint32(0, length)
    this.#sha.update(hash).update(field)
  }

  digest(): Uint8Array {
    return this.#sha.digest()
  }
}

function inlineBody(body: unknown, size: number): Uint8Array {
  if (!(body instanceof Uint8Array) || body.length !== size || size > INLINE_MAX) {
    invalid('an inline content of another size')
  }
  return body
}

function readNode(level: unknown, packed: unknown, expected: Omit<NodeExpectation, 'level'>): ManifestNode {
  if (!isSize(level) || level > LEVELS_MAX) invalid('a level out of bounds')
  if (!(packed instanceof Uint8Array)) invalid('entries that are no bytes')
  const count = packed.length / ENTRY_BYTES
  const least = expected.last ? 1 : NODE_ENTRIES_MIN
  if (!Number.isInteger(count) || count < least || count > NODE_ENTRIES_MAX) {
    invalid(`${packed.length} bytes of entries`)
  }
  const entries = decodeEntries(packed)
  checkLengths(level, entries, expected)
  return { level, entries }
}

function checkLengths(
  level: number,
  entries: Entry[],
  { length, last }: Omit<NodeExpectation, 'level'>,
): void {
  let sum = 0
  for (const [i, entry] of entries.entries()) {
    const least = last && i === entries.length - 1 ? 1 : CHUNK_MIN
    if (entry.length < least) invalid(`a child of ${entry.length} bytes`)
    if (level === 0 && entry.length > CHUNK_MAX) invalid(`a chunk of ${entry.length} bytes`)
    sum += entry.length
    if (!Number.isSafeInteger(sum)) invalid('a size beyond 2^53')
  }
  if (sum !== length) invalid(`children of ${sum} bytes instead of ${length}`)
}

function encodeEntries(entries: readonly Entry[]): Uint8Array {
  const packed = new Uint8Array(entries.length * ENTRY_BYTES)
  const view = new DataView(packed.buffer)
  for (const [i, { digest, key, hash, length }] of entries.entries()) {
    const at = i * ENTRY_BYTES
    packed.set(digest, at)
    packed.set(key, at + 32)
    packed.set(hash, at + 64)
    view.setBigUint64(at + 96, BigInt(length))
  }
  return packed
}

function decodeEntries(packed: Uint8Array): Entry[] {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength)
  return Array.from({ length: packed.length / ENTRY_BYTES }, (_, i) => {
    const at = i * ENTRY_BYTES
    const length = Number(view.getBigUint64(at + 96))
    if (!Number.isSafeInteger(length)) invalid('a length beyond 2^53')
    return {
      digest: packed.slice(at, at + 32),
      key: packed.slice(at + 32, at + 64),
      hash: packed.slice(at + 64, at + 96),
      length,
    }
  })
}

function isBytes(value: unknown, length: number): value is Uint8Array {
  return value instanceof Uint8Array && value.length === length
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

/** @throws {PeerfoldError} `MANIFEST_INVALID` */
export function invalid(what: string, cause?: unknown): never {
  throw new PeerfoldError('MANIFEST_INVALID', `the manifest has ${what}`, { cause })
}
