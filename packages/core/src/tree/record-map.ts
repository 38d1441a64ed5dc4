import type { CausalPast, Commit } from '../log/types.js'
import type { ItemId } from '../ports/ids.js'
import type { RecordRef } from './record.js'
import type { RowView } from './row-view.js'
import { type Chunk, type Clocks, keys, numberOf, type Ordinal } from './rows.js'

/**
 * Which commit wrote which record, about which item. A record that was superseded has left the Yjs document, and its clock alone no longer
 * tells; so the index keeps it for ever.
 */
export interface FoundRecord {
  ordinal: Ordinal
  item: ItemId
  type: Chunk['entries'][number]['type']
}

/** @param guess an item that the record is probably about: its live records need no search */
export async function findRecord(
  rows: RowView,
  shard: number,
  ref: RecordRef,
  guess?: ItemId,
): Promise<FoundRecord | undefined> {
  if (guess !== undefined) {
    const live = await findLive(rows, guess, ref)
    if (live) return live
  }
  const bucket = keys.chunk(shard, ref.writer)
  const after = keys.chunk(shard, ref.writer, ref.clock + 1)
  for await (const [key, { ordinal, entries }] of rows.range(bucket, { reverse: true, after, page: 1 })) {
    const entry = entries[ref.clock - numberOf(key)]
    return entry && { ordinal, ...entry }
  }
  return undefined
}

async function findLive(rows: RowView, item: ItemId, ref: RecordRef): Promise<FoundRecord | undefined> {
  const state = await rows.get(keys.item(item))
  const same = (other: RecordRef) => other.writer === ref.writer && other.clock === ref.clock
  const place = state?.places.find(same)
  if (place) return { ordinal: place.ordinal, item, type: 'p' }
  const content = state?.contents.find(same)
  return content && { ordinal: content.ordinal, item, type: 'c' }
}

export async function isCovered(rows: RowView, past: CausalPast, ordinal: Ordinal): Promise<boolean> {
  const commit = await rows.get(keys.commit(ordinal))
  return commit !== undefined && past.covers(commit.writer, commit.seq)
}

/** Where the next record of a commit's writer goes in a shard. */
export async function nextClocks(
  {
    rows,
    commit,
    past,
  }: { rows: RowView; commit: Pick<Commit, 'writer' | 'signedWriter'>; past: CausalPast },
  shard: number,
): Promise<Clocks> {
  const known = await rows.get(keys.clocks(shard, commit.writer))
  if (known) return known
  if (commit.writer === commit.signedWriter) return { base: 0, next: 0 }
  // The first update of a forked feed's branch goes on where the branch left the feed.
  let next = 0
  for (const writer of past.aliases(commit.signedWriter)) {
    next = Math.max(next, await endOfCovered(rows, past, shard, writer))
  }
  return { base: next, next }
}

async function endOfCovered(rows: RowView, past: CausalPast, shard: number, writer: number): Promise<number> {
  const chunks = rows.range(keys.chunk(shard, writer), { reverse: true })
  for await (const [key, { ordinal, entries }] of chunks) {
    if (await isCovered(rows, past, ordinal)) return numberOf(key) + entries.length
  }
  return 0
}
