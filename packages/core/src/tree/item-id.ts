import { concatBytes, fromHex, toHex, toUtf8 } from '../encoding/bytes.js'
import { sha256Now } from '../encoding/derive.js'
import type { ItemId, RecordId, WorkspaceId, WriterId } from '../ports/ids.js'
import type { ItemKind } from './types.js'

/** Parent of what was removed. Never an item of the tree. */
export const TRASH: ItemId = 'ffffffffffffffffffffffffffffffff'

/** The folder, never written by anyone, that shows content whose placements are all gone. */
export const RECOVERED: ItemId = '00000000000000000000000000000002'

const PURPOSE = toUtf8('peerfold/1/item\0')

/**
 * The id of the `generation`-th item made under a parent with a name (PROTOCOL.md §5.1). Devices that make the same file or folder
 * without knowing of each other make the same item.
 */
export function deriveItemId(
  workspace: WorkspaceId,
  parent: ItemId,
  name: string,
  kind: ItemKind,
  generation: number,
): ItemId {
  const count = new Uint8Array(4)
  new DataView(count.buffer).setUint32(0, generation)
  const hash = sha256Now(concatBytes(PURPOSE, fromHex(workspace), fromHex(parent), count, toUtf8(name)))
  const id = hash.slice(0, 16)
  id[15] = (id[15]! & 0xfe) | (kind === 'file' ? 1 : 0)
  return toHex(id)
}

/** The last bit of an item's id says what it is. */
export function kindOf(item: ItemId): ItemKind {
  return Number.parseInt(item[31]!, 16) % 2 === 1 ? 'file' : 'folder'
}

export function isFolder(item: ItemId): boolean {
  return kindOf(item) === 'folder'
}

/** The first bits of the id choose the shard; `shards` is a power of two up to 65,536. */
export function shardOf(item: ItemId, shards: number): number {
  return Math.floor(Number.parseInt(item.slice(0, 4), 16) / (65_536 / shards))
}

/** Names a record of any shard for ever (PROTOCOL.md §5.1). */
export function recordId(shard: number, writer: WriterId, clock: number): RecordId {
  return `${shard}.${writer}.${clock}`
}

export interface RecordAddress {
  shard: number
  writer: WriterId
  clock: number
}

/** Undefined for text that is no record id. */
export function parseRecordId(id: RecordId): RecordAddress | undefined {
  if (!/^\d{1,5}\.\d{1,16}\.\d{1,16}$/.test(id)) return undefined
  const [shard, writer, clock] = id.split('.').map(Number) as [number, number, number]
  return { shard, writer, clock }
}
