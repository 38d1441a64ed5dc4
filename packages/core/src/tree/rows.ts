import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import type { CommitId, DeviceId, ItemId, WriterId } from '../ports/ids.js'
import { bytes16, hex16 } from './base64.js'
import type { NameStamp, PackedContent, RecordRef } from './record.js'

/**
 * Rows of the tree's index: what this device derived from commits, rebuilt from the log whenever in doubt (docs/decisions/0031). A row's key
 * begins with its table; what stands after the last `/` orders it among its neighbours.
 */
export type Key<Row> = string & { readonly row?: Row }

/** Numbers commits in the order in which this device applied them. */
export type Ordinal = number

/** A live placement record. */
export interface Place extends RecordRef {
  ordinal: Ordinal
  stamp: number
  parent: ItemId
  name: string
  previous: ItemId
  named: NameStamp
  /** Deletions: the placement that was removed, and its commit. */
  removed: (RecordRef & { ordinal: Ordinal }) | undefined
}

/** A content record. */
export interface Content extends RecordRef {
  ordinal: Ordinal
  stamp: number
  content: PackedContent
  mtime: number
  mode: number
  basedOn: RecordRef[]
  name: string
}

/** One item: its live records, highest stamp first, and what the fold derived from them. */
export interface ItemState {
  places: Place[]
  contents: Content[]
  /** Where it lies; '' when it lies nowhere. */
  parent: ItemId | ''
  /** It could not have its first choice of parent, because that would have closed a cycle. */
  displaced: boolean
  /** Commits whose deletions, made above, cover its placement. */
  inherited: Ordinal[]
  /** Its own deletions took effect. */
  removed: boolean
  /** Deleted, by itself or from above. A dead folder with live children is shown all the same: a ghost. */
  dead: boolean
  /** Live children. */
  kids: number
  /** The name shown, where it is not the record's. */
  shown: string
  /** Its row in the list of removed items; 0 for none. */
  removedAt: number
  /** Parents that it would rather have, but which have no placement. */
  waits: ItemId[]
}

/** A live child among those with the same record name under the same parent, first comes who shows it. */
export interface Member extends NameStamp {
  item: ItemId
}

export interface CommitRow {
  id: CommitId
  writer: WriterId
  seq: number
  stamp: number
  time: number
  /** Writers of whom its causal past lacks what this device had applied before: the last commit it has. */
  behind: Array<{ writer: WriterId; seq: number }>
}

export interface WriterRow {
  device: DeviceId
  /** First and last seq with updates; the branch of a forked feed does not begin at 1. */
  first: number
  seq: number
}

/** Records that one commit appended to one shard, from the clock in the key on. */
export interface Chunk {
  ordinal: Ordinal
  entries: Array<{ type: 'p' | 'c' | 'x' | 'v'; item: ItemId }>
}

/** The clocks of one writer in one shard. Yjs counts from `base`, which is not 0 only for branches of a forked feed. */
export interface Clocks {
  base: number
  next: number
}

export interface Meta {
  ordinal: Ordinal
  files: number
  folders: number
  bytes: number
  conflicts: number
  displaced: number
  waiting: number
  suffixed: number
}

export const EMPTY_META: Meta = {
  ordinal: 0,
  files: 0,
  folders: 0,
  bytes: 0,
  conflicts: 0,
  displaced: 0,
  waiting: 0,
  suffixed: 0,
}

/** Numbers as 14 hexadecimal digits, so that keys sort by them. */
function pad(value: number): string {
  return value.toString(16).padStart(14, '0')
}

export const keys = {
  meta: 'o/' as Key<Meta>,
  item: (item: ItemId): Key<ItemState> => `i/${item}`,
  members: (parent: ItemId, name = ''): Key<Member[]> => `n/${parent}/${name}`,
  suffixed: (parent: ItemId, shown = ''): Key<ItemId> => `s/${parent}/${shown}`,
  dead: (parent: ItemId, item = ''): Key<true> => `k/${parent}/${item}`,
  waiting: (parent: ItemId, item = ''): Key<true> => `h/${parent}/${item}`,
  displaced: (item = ''): Key<true> => `d/${item}`,
  conflict: (item = ''): Key<true> => `c/${item}`,
  /** Newest first. */
  removed: (time?: number, item = ''): Key<true> =>
    time === undefined ? 't/' : `t/${pad(Number.MAX_SAFE_INTEGER - time)}${item}`,
  version: (item: ItemId, stamp?: number, writer = 0): Key<Content> =>
    stamp === undefined ? `v/${item}/` : `v/${item}/${pad(stamp)}${pad(writer)}`,
  versions: 'v/' as Key<Content>,
  commit: (ordinal: Ordinal): Key<CommitRow> => `m/${pad(ordinal)}`,
  writer: (writer?: WriterId): Key<WriterRow> => (writer === undefined ? 'w/' : `w/${pad(writer)}`),
  chunk: (shard: number, writer: WriterId, clock?: number): Key<Chunk> =>
    `r/${shard}/${writer}/${clock === undefined ? '' : pad(clock)}`,
  clocks: (shard: number, writer?: WriterId): Key<Clocks> =>
    writer === undefined ? `q/${shard}/` : `q/${shard}/${pad(writer)}`,
  update: (shard: number, ordinal?: Ordinal): Key<Uint8Array> =>
    `u/${shard}/${ordinal === undefined ? '' : pad(ordinal)}`,
  state: (shard: number): Key<Uint8Array> => `y/${shard}`,
}

/** What stands after the last `/` of a key. */
export function restOf(key: string): string {
  return key.slice(key.lastIndexOf('/') + 1)
}

export function bucketOf(key: string): string {
  return key.slice(0, key.lastIndexOf('/') + 1)
}

/** A padded number at the end of a key. */
export function numberOf(key: string): number {
  return Number.parseInt(restOf(key), 16)
}

interface Codec<Row> {
  write(encoder: encoding.Encoder, row: Row): void
  read(decoder: decoding.Decoder): Row
}

const uint = encoding.writeVarUint
const readUint = decoding.readVarUint

function writeItem(encoder: encoding.Encoder, item: ItemId | ''): void {
  if (item === '') encoding.writeUint8(encoder, 0)
  else encoding.writeVarUint8Array(encoder, bytes16(item))
}

function readItem(decoder: decoding.Decoder): ItemId {
  return hex16(decoding.readVarUint8Array(decoder))
}

function writeList<T>(
  encoder: encoding.Encoder,
  list: readonly T[],
  write: (e: encoding.Encoder, v: T) => void,
): void {
  uint(encoder, list.length)
  for (const value of list) write(encoder, value)
}

function readList<T>(decoder: decoding.Decoder, read: (decoder: decoding.Decoder) => T): T[] {
  return Array.from({ length: readUint(decoder) }, () => read(decoder))
}

function writeRef(encoder: encoding.Encoder, ref: RecordRef): void {
  uint(encoder, ref.writer)
  uint(encoder, ref.clock)
}

function readRef(decoder: decoding.Decoder): RecordRef {
  return { writer: readUint(decoder), clock: readUint(decoder) }
}

function writePlace(encoder: encoding.Encoder, place: Place): void {
  writeRef(encoder, place)
  uint(encoder, place.ordinal)
  uint(encoder, place.stamp)
  writeItem(encoder, place.parent)
  encoding.writeVarString(encoder, place.name)
  writeItem(encoder, place.previous)
  uint(encoder, place.named.counter)
  uint(encoder, place.named.writer)
  writeList(encoder, place.removed ? [place.removed] : [], (to, removed) => {
    writeRef(to, removed)
    uint(to, removed.ordinal)
  })
}

function readPlace(decoder: decoding.Decoder): Place {
  return {
    ...readRef(decoder),
    ordinal: readUint(decoder),
    stamp: readUint(decoder),
    parent: readItem(decoder),
    name: decoding.readVarString(decoder),
    previous: readItem(decoder),
    named: { counter: readUint(decoder), writer: readUint(decoder) },
    removed: readList(decoder, (from) => ({ ...readRef(from), ordinal: readUint(from) }))[0],
  }
}

const content: Codec<Content> = {
  write(encoder, row) {
    writeRef(encoder, row)
    uint(encoder, row.ordinal)
    uint(encoder, row.stamp)
    encoding.writeVarString(encoder, row.content.root)
    encoding.writeVarString(encoder, row.content.key)
    encoding.writeVarString(encoder, row.content.plain)
    uint(encoder, row.content.size)
    encoding.writeVarInt(encoder, row.mtime)
    encoding.writeUint8(encoder, row.mode)
    writeList(encoder, row.basedOn, writeRef)
    encoding.writeVarString(encoder, row.name)
  },
  read: (decoder) => ({
    ...readRef(decoder),
    ordinal: readUint(decoder),
    stamp: readUint(decoder),
    content: {
      root: decoding.readVarString(decoder),
      key: decoding.readVarString(decoder),
      plain: decoding.readVarString(decoder),
      size: readUint(decoder),
    },
    mtime: decoding.readVarInt(decoder),
    mode: decoding.readUint8(decoder),
    basedOn: readList(decoder, readRef),
    name: decoding.readVarString(decoder),
  }),
}

const item: Codec<ItemState> = {
  write(encoder, row) {
    writeList(encoder, row.places, writePlace)
    writeList(encoder, row.contents, content.write)
    writeItem(encoder, row.parent)
    encoding.writeUint8(encoder, (row.displaced ? 1 : 0) + (row.removed ? 2 : 0) + (row.dead ? 4 : 0))
    writeList(encoder, row.inherited, uint)
    uint(encoder, row.kids)
    encoding.writeVarString(encoder, row.shown)
    uint(encoder, row.removedAt)
    writeList(encoder, row.waits, writeItem)
  },
  read(decoder) {
    const places = readList(decoder, readPlace)
    const contents = readList(decoder, content.read)
    const parent = readItem(decoder)
    const flags = decoding.readUint8(decoder)
    return {
      places,
      contents,
      parent,
      displaced: (flags & 1) > 0,
      removed: (flags & 2) > 0,
      dead: (flags & 4) > 0,
      inherited: readList(decoder, readUint),
      kids: readUint(decoder),
      shown: decoding.readVarString(decoder),
      removedAt: readUint(decoder),
      waits: readList(decoder, readItem),
    }
  },
}

const members: Codec<Member[]> = {
  write: (encoder, row) =>
    writeList(encoder, row, (to, member) => {
      writeItem(to, member.item)
      uint(to, member.counter)
      uint(to, member.writer)
    }),
  read: (decoder) =>
    readList(decoder, (from) => ({ item: readItem(from), counter: readUint(from), writer: readUint(from) })),
}

const commit: Codec<CommitRow> = {
  write(encoder, row) {
    encoding.writeVarUint8Array(encoder, bytes16(row.id))
    uint(encoder, row.writer)
    uint(encoder, row.seq)
    uint(encoder, row.stamp)
    encoding.writeVarInt(encoder, row.time)
    writeList(encoder, row.behind, (to, { writer, seq }) => writeRef(to, { writer, clock: seq }))
  },
  read: (decoder) => ({
    id: hex16(decoding.readVarUint8Array(decoder)),
    writer: readUint(decoder),
    seq: readUint(decoder),
    stamp: readUint(decoder),
    time: decoding.readVarInt(decoder),
    behind: readList(decoder, (from) => ({ writer: readUint(from), seq: readUint(from) })),
  }),
}

const writer: Codec<WriterRow> = {
  write(encoder, row) {
    encoding.writeVarUint8Array(encoder, bytes16(row.device))
    uint(encoder, row.first)
    uint(encoder, row.seq)
  },
  read: (decoder) => ({
    device: hex16(decoding.readVarUint8Array(decoder)),
    first: readUint(decoder),
    seq: readUint(decoder),
  }),
}

const TYPES = ['p', 'c', 'x', 'v'] as const

const chunk: Codec<Chunk> = {
  write(encoder, row) {
    uint(encoder, row.ordinal)
    writeList(encoder, row.entries, (to, entry) => {
      encoding.writeUint8(to, TYPES.indexOf(entry.type))
      writeItem(to, entry.item)
    })
  },
  read: (decoder) => ({
    ordinal: readUint(decoder),
    entries: readList(decoder, (from) => ({ type: TYPES[decoding.readUint8(from)]!, item: readItem(from) })),
  }),
}

const clocks: Codec<Clocks> = {
  write(encoder, row) {
    uint(encoder, row.base)
    uint(encoder, row.next)
  },
  read: (decoder) => ({ base: readUint(decoder), next: readUint(decoder) }),
}

const META_FIELDS = Object.keys(EMPTY_META) as Array<keyof Meta>

const meta: Codec<Meta> = {
  write: (encoder, row) => {
    for (const field of META_FIELDS) uint(encoder, row[field])
  },
  read: (decoder) => {
    const row = { ...EMPTY_META }
    for (const field of META_FIELDS) row[field] = readUint(decoder)
    return row
  },
}

const bytes: Codec<Uint8Array> = {
  write: encoding.writeUint8Array,
  read: decoding.readTailAsUint8Array,
}

const mark: Codec<true> = { write: () => {}, read: () => true }

const id: Codec<ItemId> = { write: writeItem, read: readItem }

const CODECS: Record<string, Codec<any>> = {
  o: meta,
  i: item,
  n: members,
  s: id,
  k: mark,
  h: mark,
  d: mark,
  c: mark,
  t: mark,
  v: content,
  m: commit,
  w: writer,
  r: chunk,
  q: clocks,
  u: bytes,
  y: bytes,
}

export function encodeRow<Row>(key: Key<Row>, row: Row): Uint8Array {
  const encoder = encoding.createEncoder()
  CODECS[key[0]!]!.write(encoder, row)
  return encoding.toUint8Array(encoder)
}

export function decodeRow<Row>(key: Key<Row>, value: Uint8Array): Row {
  return CODECS[key[0]!]!.read(decoding.createDecoder(value))
}
