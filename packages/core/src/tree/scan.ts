import { PeerfoldError } from '../errors.js'
import type { CausalPast, Commit } from '../log/types.js'
import type { ItemId, WriterId } from '../ports/ids.js'
import { shardOf } from './item-id.js'
import {
  type ContentRecord,
  compareRefs,
  decodeRecord,
  type PlaceRecord,
  type PurgeRecord,
  type RecordRef,
  sameRef,
  type TreeRecord,
} from './record.js'
import { findRecord, isCovered, nextClocks } from './record-map.js'
import type { RowView } from './row-view.js'
import { type Chunk, type Clocks, keys, type Ordinal } from './rows.js'
import { decodeUpdate, encodeUpdate, type TreeUpdate } from './update.js'

/** Updates larger than this are refused, in one commit and shard. */
export const MAX_UPDATE_BYTES = 64 * 1024 * 1024

/** A record of the shard, under the name that it has on this device, and the commit that made it. */
export interface FoundRef extends RecordRef {
  ordinal: Ordinal
}

export interface Scanned<Record> {
  record: Record
  clock: number
  over: FoundRef[]
  base: FoundRef[]
  removed: FoundRef | undefined
}

type NamedRecord = Exclude<TreeRecord, { type: 'v' }>

/** What a commit says about one item. */
export interface ItemChange {
  place?: Scanned<PlaceRecord>
  content?: Scanned<ContentRecord>
  purge?: Scanned<PurgeRecord>
}

export interface ScannedShard {
  shard: number
  /** As it goes to Yjs on this device. */
  update: Uint8Array
  clock: number
  clocks: Clocks
  entries: Chunk['entries']
}

/** A commit whose updates were found valid. */
export interface ScannedCommit {
  shards: ScannedShard[]
  items: Map<ItemId, ItemChange>
}

export interface ScanContext {
  rows: RowView
  shards: number
  commit: Commit
  past: CausalPast
}

/**
 * Checks the updates of a commit before anything of them is applied (PROTOCOL.md §5.4). The verdict depends only on the commit and its causal
 * past.
 *
 * @throws {PeerfoldError} `UPDATE_INVALID`
 */
export async function scanCommit(context: ScanContext): Promise<ScannedCommit> {
  const scanned: ScannedCommit = { shards: [], items: new Map() }
  const decoded = decodeShards(context)
  await context.rows.prefetch(rowsOf(context.commit.writer, decoded))
  for (const part of decoded) scanned.shards.push(await scanShard(context, part, scanned.items))
  return scanned
}

interface DecodedShard {
  shard: number
  bytes: Uint8Array
  update: TreeUpdate
  records: TreeRecord[]
}

function decodeShards({ commit, shards }: ScanContext): DecodedShard[] {
  let last = -1
  return commit.updates.map(({ shard, update: bytes }) => {
    if (!Number.isInteger(shard) || shard <= last || shard >= shards)
      throw invalid('shards out of order or range')
    if (bytes.length > MAX_UPDATE_BYTES) throw invalid('too large')
    last = shard
    const update = decodeUpdate(bytes)
    if (update.writer !== commit.signedWriter) throw invalid('of a writer that is not the feed’s')
    return { shard, bytes, update, records: update.records.map(decodeRecord) }
  })
}

/** Rows that scanning and applying will ask for, to be read at once. */
function rowsOf(writer: WriterId, decoded: readonly DecodedShard[]): Set<string> {
  const wanted = new Set<string>()
  for (const { shard, records } of decoded) {
    wanted.add(keys.clocks(shard, writer))
    for (const record of records) {
      if (record.type === 'v') continue
      wanted.add(keys.item(record.item))
      if (record.type !== 'p') continue
      wanted.add(keys.item(record.parent))
      wanted.add(keys.members(record.parent, record.name))
    }
  }
  return wanted
}

async function scanShard(
  context: ScanContext,
  part: DecodedShard,
  items: Map<ItemId, ItemChange>,
): Promise<ScannedShard> {
  const { shard, update, records } = part
  const clocks = await nextClocks(context, shard)
  if (update.clock !== clocks.next) throw invalid('clocks that do not follow')
  const found: FoundRef[] = []
  for (const [i, record] of records.entries()) {
    if (record.type === 'v') continue
    const scanned = await scanRecord(context, shard, record, update.clock + i)
    for (const ref of scanned.over) found.push(ref)
    keep(items, record, scanned)
  }
  checkDeletions(update.deletions, records)
  return {
    shard,
    update: await localise(context, part, clocks, found),
    clock: update.clock,
    clocks: { base: clocks.base, next: clocks.next + records.length },
    entries: records.map((record) => ({ type: record.type, item: record.type === 'v' ? '' : record.item })),
  }
}

/** At most one placement and one content, or else one purge, for each item and commit. */
function keep(items: Map<ItemId, ItemChange>, record: NamedRecord, scanned: Scanned<NamedRecord>): void {
  const change = items.get(record.item) ?? {}
  const slot = record.type === 'p' ? 'place' : record.type === 'c' ? 'content' : 'purge'
  const clash = slot === 'purge' ? change.place || change.content : change.purge
  if (change[slot] || clash) throw invalid('two records of one kind for one item')
  items.set(record.item, { ...change, [slot]: scanned })
}

async function scanRecord<R extends NamedRecord>(
  context: ScanContext,
  shard: number,
  record: R,
  clock: number,
): Promise<Scanned<R>> {
  if (record.stamp !== context.commit.stamp) throw invalid('a stamp that is not the commit’s')
  if (shardOf(record.item, context.shards) !== shard) throw invalid('an item of another shard')
  const find = (ref: RecordRef, types: string) => findSeen(context, shard, record.item, ref, types)
  const own = record.type === 'x' ? 'pc' : record.type
  const over: FoundRef[] = []
  for (const ref of record.over) over.push(await find(ref, own))
  const base: FoundRef[] = []
  if (record.type === 'c') for (const ref of record.base) base.push(await find(ref, 'c'))
  const removed = record.type === 'p' && record.removed ? await find(record.removed, 'p') : undefined
  return { record, clock, over, base, removed }
}

/** A record that the commit names: it must lie in its causal past, and speak of the same item in the same way. */
async function findSeen(
  context: ScanContext,
  shard: number,
  item: ItemId,
  ref: RecordRef,
  types: string,
): Promise<FoundRef> {
  const { rows, past } = context
  for (const writer of past.aliases(ref.writer)) {
    const found = await findRecord(rows, shard, { writer, clock: ref.clock }, item)
    if (found === undefined || !(await isCovered(rows, past, found.ordinal))) continue
    if (found.item !== item || !types.includes(found.type)) break
    return { writer, clock: ref.clock, ordinal: found.ordinal }
  }
  throw invalid('a record that its author cannot mean')
}

/** What the update deletes is exactly what its records say they supersede. */
function checkDeletions(deletions: readonly RecordRef[], records: readonly TreeRecord[]): void {
  const named: RecordRef[] = []
  for (const record of records) if (record.type !== 'v') named.push(...record.over)
  named.sort(compareRefs)
  const deleted = [...deletions].sort(compareRefs)
  const same = named.length === deleted.length && named.every((ref, i) => sameRef(ref, deleted[i]!))
  if (!same) throw invalid('deletions that its records do not name')
}

/** Under the names that forked feeds have here; usually just what came. */
async function localise(
  { rows, commit }: ScanContext,
  { shard, bytes, update }: DecodedShard,
  { base }: Clocks,
  found: readonly FoundRef[],
): Promise<Uint8Array> {
  let changed = commit.writer !== commit.signedWriter || base > 0
  const deletions: RecordRef[] = []
  for (const { writer, clock } of found) {
    const from = (await rows.get(keys.clocks(shard, writer)))?.base ?? 0
    deletions.push({ writer, clock: clock - from })
    changed ||= from > 0
  }
  const deleted = [...update.deletions].sort(compareRefs)
  changed ||= deletions.sort(compareRefs).some((ref, i) => !sameRef(ref, deleted[i]!))
  if (!changed) return bytes
  return encodeUpdate({
    writer: commit.writer,
    clock: update.clock - base,
    records: update.records,
    deletions,
  })
}

function invalid(what: string): PeerfoldError {
  return new PeerfoldError('UPDATE_INVALID', `tree update: ${what}`)
}
