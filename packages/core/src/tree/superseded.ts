import { PeerfoldError } from '../errors.js'
import type { ItemId, RecordId } from '../ports/ids.js'
import { parseRecordId, recordId, shardOf } from './item-id.js'
import { compareRefs, sameRef } from './record.js'
import { findRecord } from './record-map.js'
import type { RowView } from './row-view.js'
import type { Content } from './rows.js'
import type { FoundRef, ItemChange } from './scan.js'

/**
 * What a new version takes the place of: live heads (`over`), each with those of equal content, for which the first was shown; and versions that
 * others had superseded already (`base`), which it only names.
 *
 * @throws {PeerfoldError} `VERSION_NOT_FOUND`
 */
export async function findSuperseded(
  rows: RowView,
  shards: number,
  item: ItemId,
  heads: readonly Content[],
  basedOn: readonly RecordId[] | undefined,
  pending: ItemChange | undefined,
): Promise<{ over: FoundRef[]; base: FoundRef[] }> {
  const shard = shardOf(item, shards)
  const own = pending?.content
  const over: FoundRef[] = own ? [...own.over] : []
  const base: FoundRef[] = own ? [...own.base] : []
  const named = basedOn ?? heads.map(({ writer, clock }) => recordId(shard, writer, clock))
  for (const id of named) {
    const head = heads.find(({ writer, clock }) => recordId(shard, writer, clock) === id)
    if (head) add(over, ...heads.filter(({ content }) => content.plain === head.content.plain))
    else if (own === undefined || parseRecordId(id)?.clock !== own.clock)
      add(base, await find(rows, shard, item, id))
  }
  return { over: over.sort(compareRefs), base: base.sort(compareRefs) }
}

function add(refs: FoundRef[], ...more: readonly FoundRef[]): void {
  for (const { writer, clock, ordinal } of more) {
    if (!refs.some((ref) => sameRef(ref, { writer, clock }))) refs.push({ writer, clock, ordinal })
  }
}

async function find(rows: RowView, shard: number, item: ItemId, id: RecordId): Promise<FoundRef> {
  const address = parseRecordId(id)
  const found = address?.shard === shard ? await findRecord(rows, shard, address) : undefined
  if (address === undefined || found?.item !== item || found.type !== 'c') {
    throw new PeerfoldError('VERSION_NOT_FOUND', `no version ${id} of this file`)
  }
  return { writer: address.writer, clock: address.clock, ordinal: found.ordinal }
}
