import { tagOf, toEntry } from './entry.js'
import { isLive } from './item-state.js'
import type { Layer, RowStore } from './row-store.js'
import { type RowDraft, RowView } from './row-view.js'
import { type ItemState, restOf } from './rows.js'
import type { TreeChange } from './types.js'

/** What a commit changes in the tree that people see. */
export async function changesOf(
  rows: RowDraft,
  store: RowStore,
  below: Layer[],
  shards: number,
): Promise<TreeChange[]> {
  const previous = new RowView(store, below)
  const changes: TreeChange[] = []
  for (const key of rows.changes.keys()) {
    if (!key.startsWith('i/')) continue
    const item = restOf(key)
    const before = rows.before.rows.get(key) as ItemState | undefined
    const after = rows.changes.get(key) as ItemState | undefined
    if (tag(item, before) === tag(item, after)) continue
    changes.push({
      item,
      before: await toEntry(previous, shards, item, before),
      after: await toEntry(rows, shards, item, after),
    })
  }
  return changes
}

function tag(item: string, state: ItemState | undefined): string | undefined {
  return isLive(state) ? tagOf(item, state) : undefined
}
