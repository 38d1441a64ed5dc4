import type { CausalPast, Commit } from '../log/types.js'
import type { ItemId, WriterId } from '../ports/ids.js'
import { type Heads, integrate } from './integrate.js'
import { compareStamps } from './item-state.js'
import { lagOf } from './ordinals.js'
import { sameRef } from './record.js'
import type { RowDraft } from './row-view.js'
import {
  type Content,
  EMPTY_META,
  type ItemState,
  keys,
  type Ordinal,
  type Place,
  type WriterRow,
} from './rows.js'
import type { FoundRef, ItemChange, ScannedCommit, ScannedShard } from './scan.js'

/** Rows of the index after a commit (PROTOCOL.md §5.5). */
export async function applyCommit(
  rows: RowDraft,
  commit: Commit,
  past: CausalPast,
  scanned: ScannedCommit,
  writers: ReadonlyMap<WriterId, WriterRow>,
): Promise<void> {
  const before = await rows.get(keys.meta)
  const meta = { ...(before ?? EMPTY_META) }
  meta.ordinal++
  await writeHistory(rows, meta.ordinal, commit, past, scanned, writers)
  const changes = new Map<ItemId, Heads>()
  for (const [item, change] of scanned.items) {
    const state = await rows.get(keys.item(item))
    changes.set(item, headsAfter(state, change, meta.ordinal, commit.writer))
  }
  await integrate(rows, meta, changes)
  rows.put(keys.meta, meta, before)
}

/** What is kept of a commit for ever, whatever the fold makes of it. */
export async function writeHistory(
  rows: RowDraft,
  ordinal: Ordinal,
  commit: Commit,
  past: CausalPast,
  scanned: ScannedCommit,
  writers: ReadonlyMap<WriterId, WriterRow>,
): Promise<void> {
  writeCommit(rows, ordinal, commit, past, writers)
  for (const part of scanned.shards) await writeShard(rows, ordinal, commit.writer, part)
  for (const [item, { content }] of scanned.items) {
    if (content)
      rows.put(keys.version(item, commit.stamp, commit.writer), toContent(content, ordinal, commit.writer))
  }
}

function writeCommit(
  rows: RowDraft,
  ordinal: Ordinal,
  commit: Commit,
  past: CausalPast,
  writers: ReadonlyMap<WriterId, WriterRow>,
): void {
  const { id, writer, seq, stamp, time, device } = commit
  rows.put(keys.commit(ordinal), { id, writer, seq, stamp, time, behind: lagOf(past, writers) })
  const known = writers.get(writer)
  rows.put(keys.writer(writer), { device, first: known?.first ?? seq, seq }, known)
}

async function writeShard(
  rows: RowDraft,
  ordinal: Ordinal,
  writer: WriterId,
  { shard, update, clock, clocks, entries }: ScannedShard,
): Promise<void> {
  const key = keys.clocks(shard, writer)
  rows.put(key, clocks, await rows.get(key))
  rows.put(keys.chunk(shard, writer, clock), { ordinal, entries })
  rows.put(keys.update(shard, ordinal), update)
}

/** An item's live records: a record takes the place of those that it supersedes, and of no others. */
export function headsAfter(
  state: ItemState | undefined,
  { place, content, purge }: ItemChange,
  ordinal: Ordinal,
  writer: WriterId,
): Heads {
  let places = without(state?.places ?? [], [...(place?.over ?? []), ...(purge?.over ?? [])])
  let contents = without(state?.contents ?? [], [...(content?.over ?? []), ...(purge?.over ?? [])])
  if (place) places = [...places, toPlace(place, ordinal, writer)].sort(compareStamps)
  if (content) contents = [...contents, toContent(content, ordinal, writer)].sort(compareStamps)
  return { places, contents }
}

function without<T extends Place | Content>(records: readonly T[], over: readonly FoundRef[]): T[] {
  return records.filter((record) => !over.some((ref) => sameRef(ref, record)))
}

function toPlace(
  { record, clock, removed }: NonNullable<ItemChange['place']>,
  ordinal: Ordinal,
  writer: WriterId,
): Place {
  const { stamp, parent, name, previous } = record
  const named = record.named ?? { counter: stamp, writer }
  return { writer, clock, ordinal, stamp, parent, name, previous, named, removed }
}

function toContent(
  { record, clock, over, base }: NonNullable<ItemChange['content']>,
  ordinal: Ordinal,
  writer: WriterId,
): Content {
  const { stamp, content, mtime, mode, name } = record
  const basedOn = [...over, ...base].map(({ writer, clock }) => ({ writer, clock }))
  return { writer, clock, ordinal, stamp, content, mtime, mode, basedOn, name }
}
