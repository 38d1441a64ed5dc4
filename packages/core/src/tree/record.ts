import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import * as Digest from 'multiformats/hashes/digest'
import { sha256 } from 'multiformats/hashes/sha2'
import type { ContentRef } from '../content/types.js'
import { PeerfoldError } from '../errors.js'
import type { ItemId, WriterId } from '../ports/ids.js'
import { decode16, decodeBytes, encode16, encodeBytes, is16, is32 } from './base64.js'
import { isFolder, kindOf, RECOVERED, TRASH } from './item-id.js'
import { isValidName } from './names.js'
import { type FileMeta, ROOT_ITEM } from './types.js'

/**
 * Records: what a commit says about one item (PROTOCOL.md §5.2). Each is one string in its writer's array: a JSON array by position, in the
 * one form that `JSON.stringify` gives it.
 */
export type TreeRecord = PlaceRecord | ContentRecord | PurgeRecord | VoidRecord

/** A record of the same shard. */
export interface RecordRef {
  writer: WriterId
  clock: number
}

/** When a name was given: it orders siblings that want the same. */
export interface NameStamp {
  counter: number
  writer: WriterId
}

export interface PlaceRecord {
  type: 'p'
  item: ItemId
  stamp: number
  /** `TRASH`: a deletion. */
  parent: ItemId
  name: string
  /** Where it lay before. */
  previous: ItemId
  /** Undefined: the name was given by this very record. */
  named: NameStamp | undefined
  /** Placements that it supersedes: the update deletes exactly these. */
  over: RecordRef[]
  /** Deletions: the placement that was removed. */
  removed: RecordRef | undefined
}

export interface ContentRecord {
  type: 'c'
  item: ItemId
  stamp: number
  content: PackedContent
  mtime: number
  /** 1 executable, 2 symbolic link. */
  mode: number
  over: RecordRef[]
  /** Versions that it was based on besides, which others had superseded before. */
  base: RecordRef[]
  /** Where the file lay, for `Recovered`. */
  parent: ItemId
  name: string
}

/** Ends an item for good: supersedes all of its records. */
export interface PurgeRecord {
  type: 'x'
  item: ItemId
  stamp: number
  over: RecordRef[]
}

/** Says nothing: the place of a record that its transaction took back, so that the ids of others stay what they were. */
export interface VoidRecord {
  type: 'v'
}

/** A `ContentRef` with its hashes as unpadded base64. */
export interface PackedContent {
  root: string
  key: string
  plain: string
  size: number
}

/** @throws {PeerfoldError} `INVALID_ARGUMENT` for references that a record cannot carry */
export function packContent(content: ContentRef): PackedContent {
  const { root, key, plain, size } = content
  const fits = root.version === 1 && root.code === raw.code && root.multihash.code === sha256.code
  if (!fits || key.length !== 32 || plain.length !== 32 || !isCount(size)) {
    throw new PeerfoldError('INVALID_ARGUMENT', 'not a content reference')
  }
  return {
    root: encodeBytes(root.multihash.digest),
    key: encodeBytes(key),
    plain: encodeBytes(plain),
    size,
  }
}

export function unpackContent(packed: PackedContent): ContentRef {
  const digest = Digest.create(sha256.code, decodeBytes(packed.root))
  return {
    root: CID.createV1(raw.code, digest),
    key: decodeBytes(packed.key),
    plain: decodeBytes(packed.plain),
    size: packed.size,
  }
}

/** @throws {PeerfoldError} `INVALID_ARGUMENT` */
export function packMeta(meta: FileMeta): { mtime: number; mode: number } {
  const mtime = Math.floor(meta.mtime)
  if (!Number.isSafeInteger(mtime)) throw new PeerfoldError('INVALID_ARGUMENT', 'mtime is not a time')
  return { mtime, mode: (meta.executable ? 1 : 0) + (meta.type === 'symlink' ? 2 : 0) }
}

export function unpackMeta(packed: { mtime: number; mode: number }): FileMeta {
  return {
    mtime: packed.mtime,
    type: packed.mode >= 2 ? 'symlink' : 'file',
    executable: packed.mode % 2 === 1,
  }
}

export function encodeRecord(record: TreeRecord): string {
  switch (record.type) {
    case 'p':
      return JSON.stringify(placeFields(record))
    case 'c':
      return JSON.stringify(contentFields(record))
    case 'x':
      return JSON.stringify(['x', encode16(record.item), record.stamp, flatten(record.over)])
    case 'v':
      return '["v"]'
  }
}

function placeFields(record: PlaceRecord): unknown[] {
  const { item, stamp, name, previous, named, over, removed } = record
  return [
    'p',
    encode16(item),
    stamp,
    encodeParent(record.parent),
    name,
    encodeParent(previous),
    named === undefined ? 0 : [named.counter, named.writer],
    flatten(over),
    ...(removed === undefined ? [] : [flatten([removed])]),
  ]
}

function contentFields(record: ContentRecord): unknown[] {
  const { root, key, plain, size } = record.content
  const { mtime, mode, over, base, name } = record
  const what = ['c', encode16(record.item), record.stamp, root, key, plain, size, mtime, mode]
  return [...what, flatten(over), flatten(base), encodeParent(record.parent), name]
}

/**
 * Strict: text that `encodeRecord` would not give again is refused.
 *
 * @throws {PeerfoldError} `UPDATE_INVALID`
 */
export function decodeRecord(text: string): TreeRecord {
  const record = readRecord(parseArray(text))
  if (record === undefined || encodeRecord(record) !== text) {
    throw new PeerfoldError('UPDATE_INVALID', 'not a canonical record')
  }
  return record
}

function parseArray(text: string): unknown[] {
  // Cheap and before parsing: no record nests deeper than two arrays, so neither may the parser's stack.
  if (!/^\["[pcxv]"/.test(text)) return []
  try {
    const value: unknown = JSON.parse(text)
    return Array.isArray(value) ? value : []
  } catch {
    return []
  }
}

function readRecord(fields: unknown[]): TreeRecord | undefined {
  switch (fields[0]) {
    case 'p':
      return readPlace(fields)
    case 'c':
      return readContent(fields)
    case 'x':
      return readPurge(fields)
    case 'v':
      return { type: 'v' }
    default:
      return undefined
  }
}

function readPlace([, id, stamp, to, name, from, name_, over_, gone]: unknown[]): PlaceRecord | undefined {
  const item = readItem(id)
  const parent = readParent(to)
  const previous = readParent(from)
  const named = name_ === 0 ? undefined : readStamp(name_)
  const over = readRefs(over_)
  const removed = gone === undefined ? undefined : readRefs(gone)?.[0]
  if (item === undefined || parent === undefined || previous === undefined || over === undefined)
    return undefined
  if (!isStamp(stamp) || typeof name !== 'string' || !isValidName(name)) return undefined
  if (named === null || (named !== undefined && named.counter > stamp)) return undefined
  if (previous === TRASH || (parent === TRASH) !== (removed !== undefined)) return undefined
  return { type: 'p', item, stamp, parent, name, previous, named, over, removed }
}

function readContent(fields: unknown[]): ContentRecord | undefined {
  const [, id, stamp, root, key, plain, size, mtime, mode, over_, base_, in_, name] = fields
  const item = readItem(id)
  const over = readRefs(over_)
  const base = readRefs(base_)
  const parent = readParent(in_)
  if (item === undefined || kindOf(item) !== 'file' || over === undefined || base === undefined)
    return undefined
  if (parent === undefined || parent === TRASH || typeof name !== 'string' || !isValidName(name))
    return undefined
  if (!isStamp(stamp) || !is32(root) || !is32(key) || !is32(plain) || !isCount(size)) return undefined
  if (!Number.isSafeInteger(mtime) || !isCount(mode) || mode > 3) return undefined
  const content = { root, key, plain, size }
  return { type: 'c', item, stamp, content, mtime: mtime as number, mode, over, base, parent, name }
}

function readPurge([, id, stamp, over_]: unknown[]): PurgeRecord | undefined {
  const item = readItem(id)
  const over = readRefs(over_)
  if (item === undefined || over === undefined || over.length === 0 || !isStamp(stamp)) return undefined
  return { type: 'x', item, stamp, over }
}

function readItem(value: unknown): ItemId | undefined {
  if (!is16(value)) return undefined
  const item = decode16(value)
  return item === ROOT_ITEM || item === TRASH || item === RECOVERED ? undefined : item
}

function encodeParent(parent: ItemId): string {
  return parent === ROOT_ITEM ? '' : parent === TRASH ? '-' : encode16(parent)
}

function readParent(value: unknown): ItemId | undefined {
  if (value === '') return ROOT_ITEM
  if (value === '-') return TRASH
  if (!is16(value)) return undefined
  const parent = decode16(value)
  return isFolder(parent) ? parent : undefined
}

function flatten(refs: readonly RecordRef[]): number[] {
  const flat: number[] = []
  for (const { writer, clock } of refs) flat.push(writer, clock)
  return flat
}

/** Sorted by writer and clock, each once. */
function readRefs(value: unknown): RecordRef[] | undefined {
  if (!Array.isArray(value) || value.length % 2 !== 0 || !value.every(isCount)) return undefined
  const refs: RecordRef[] = []
  for (let i = 0; i < value.length; i += 2) refs.push({ writer: value[i]!, clock: value[i + 1]! })
  for (let i = 1; i < refs.length; i++) if (compareRefs(refs[i - 1]!, refs[i]!) >= 0) return undefined
  return refs
}

export function compareRefs(a: RecordRef, b: RecordRef): number {
  return a.writer - b.writer || a.clock - b.clock
}

export function sameRef(a: RecordRef, b: RecordRef): boolean {
  return a.writer === b.writer && a.clock === b.clock
}

function readStamp(value: unknown): NameStamp | null {
  if (!Array.isArray(value) || value.length !== 2 || !value.every(isCount)) return null
  return { counter: value[0]!, writer: value[1]! }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function isStamp(value: unknown): value is number {
  return isCount(value) && value > 0
}
