import { expect } from 'vitest'
import type { ItemId } from '../../src/ports/ids.js'
import { foldTree, type LiveRecord } from '../../src/tree/fold.js'
import { recordId, shardOf } from '../../src/tree/item-id.js'
import type { ContentRecord, PlaceRecord } from '../../src/tree/record.js'
import { decodeRecord } from '../../src/tree/record.js'
import type { MergedIndex } from '../../src/tree/tree.js'
import { ROOT_ITEM, type TreeReader } from '../../src/tree/types.js'
import { decodeUpdate } from '../../src/tree/update.js'
import type { Sent } from './replica.js'

export interface Shown {
  parent: ItemId
  name: string
  recordName: string
  ghost: boolean
  heads: string[]
}

/** The merged tree as reading shows it, by item. */
export async function dump(tree: TreeReader): Promise<Map<ItemId, Shown>> {
  const shown = new Map<ItemId, Shown>()
  const open: ItemId[] = [ROOT_ITEM]
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    for await (const entry of tree.children(at)) {
      const { parent, name, recordName, ghost, heads } = entry
      shown.set(entry.item, { parent, name, recordName, ghost, heads: heads.map(({ id }) => id) })
      if (entry.kind === 'folder') open.push(entry.item)
    }
  }
  return shown
}

/** Which commit wrote which record: what every replica would find out, kept once for all of them. */
export class Records {
  readonly #commits = new Map<string, Sent>()
  readonly all: Array<{ id: string; sent: Sent; record: PlaceRecord | ContentRecord }> = []

  add(sent: Sent): void {
    for (const { shard, update } of sent.commit.updates) {
      const { writer, clock, records } = decodeUpdate(update)
      for (const [i, text] of records.entries()) {
        const id = recordId(shard, writer, clock + i)
        const record = decodeRecord(text)
        this.#commits.set(id, sent)
        if (record.type === 'p' || record.type === 'c') this.all.push({ id, sent, record })
      }
    }
  }

  sentOf(id: string): Sent {
    return this.#commits.get(id)!
  }

  covers(deletion: string, earlier: string): boolean {
    const { commit } = this.#commits.get(earlier)!
    return (this.#commits.get(deletion)!.vector.get(commit.writer) ?? 0) >= commit.seq
  }
}

/** The merged tree as the fold's definition gives it for the live records of the replica's Yjs documents. */
export async function refold(
  tree: MergedIndex,
  shards: number,
  records: Records,
): Promise<Map<ItemId, Shown>> {
  const live: Array<LiveRecord<PlaceRecord | ContentRecord>> = []
  for (let shard = 0; shard < shards; shard++) {
    for (const one of await tree.documents.records(shard)) {
      const { record } = one
      if (record.type === 'p' || record.type === 'c') live.push({ ...one, record })
    }
  }
  const id = ({ item, writer, clock }: { item: ItemId; writer: number; clock: number }) =>
    recordId(shardOf(item, shards), writer, clock)
  const folded = foldTree(live, (deletion, earlier) => records.covers(id(deletion), id(earlier)))
  const shown = new Map<ItemId, Shown>()
  for (const [item, { parent, name, recordName, ghost, heads }] of folded) {
    const ids = heads.map((head) => id({ item, ...head }))
    shown.set(item, { parent, name, recordName, ghost, heads: ids })
  }
  return shown
}

export function expectSame(actual: Map<ItemId, Shown>, expected: Map<ItemId, Shown>, what: string): void {
  const text = (tree: Map<ItemId, Shown>) => JSON.stringify([...tree].sort(([a], [b]) => (a < b ? -1 : 1)))
  if (text(actual) === text(expected)) return
  expect(Object.fromEntries(actual), what).toEqual(Object.fromEntries(expected))
}
