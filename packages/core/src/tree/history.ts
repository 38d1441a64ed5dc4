import type { AbortOptions } from '../ports/abort.js'
import type { DeviceId, ItemId, RecordId, WriterId } from '../ports/ids.js'
import { toVersion } from './entry.js'
import { parseRecordId, shardOf } from './item-id.js'
import { findNames } from './reads.js'
import { findRecord } from './record-map.js'
import type { RowView } from './row-view.js'
import { keys, restOf, type WriterRow } from './rows.js'
import type { FileVersion } from './types.js'

/** Rows of what was: they outlive the live records of the Yjs documents. */

export async function* listVersions(
  rows: RowView,
  shards: number,
  writers: ReadonlyMap<WriterId, WriterRow>,
  item: ItemId,
  options?: AbortOptions,
): AsyncGenerator<FileVersion & { device: DeviceId }> {
  for await (const [, content] of rows.range(keys.version(item), { ...options, reverse: true })) {
    const version = await toVersion(rows, shardOf(item, shards), content)
    yield { ...version, device: writers.get(content.writer)!.device }
  }
}

export async function findVersion(
  rows: RowView,
  id: RecordId,
): Promise<{ item: ItemId; version: FileVersion } | undefined> {
  const address = parseRecordId(id)
  const found = address && (await findRecord(rows, address.shard, address))
  if (found?.type !== 'c') return undefined
  const { stamp, writer } = (await rows.get(keys.commit(found.ordinal)))!
  const content = await rows.get(keys.version(found.item, stamp, writer))
  return content && { item: found.item, version: await toVersion(rows, address!.shard, content) }
}

export async function* listRemoved(
  rows: RowView,
  options?: AbortOptions,
): AsyncGenerator<{ item: ItemId; path: string[]; time: number }> {
  for await (const [key] of rows.range(keys.removed(), options)) {
    const item = restOf(key).slice(14)
    const path = await findNames(rows, item, { ...options, live: false })
    if (path) yield { item, path, time: (await rows.get(keys.item(item)))!.removedAt }
  }
}
