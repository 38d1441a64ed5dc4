import type { AbortOptions } from '../ports/abort.js'
import type { ItemId } from '../ports/ids.js'
import { readEntry } from './entry.js'
import { isLive, labelOf } from './item-state.js'
import { compareNames, parseSuffixed } from './names.js'
import type { RowView } from './row-view.js'
import { keys, restOf } from './rows.js'
import { ROOT_ITEM, type TreeEntry } from './types.js'

/** Reading the merged tree out of the index. No shard is loaded for it. */

/** The item that shows this name. */
export async function findChild(rows: RowView, parent: ItemId, name: string): Promise<ItemId | undefined> {
  const members = await rows.get(keys.members(parent, name))
  if (members) return members[0]!.item
  return parseSuffixed(name) === undefined ? undefined : rows.get(keys.suffixed(parent, name))
}

export async function findPath(rows: RowView, path: readonly string[]): Promise<ItemId | undefined> {
  let item: ItemId | undefined = ROOT_ITEM
  for (const name of path) {
    item = await findChild(rows, item, name)
    if (item === undefined) return undefined
  }
  return item
}

/** Shown names with their items, in order: record names merged with the few suffixed ones. */
export async function* listNames(
  rows: RowView,
  parent: ItemId,
  options: AbortOptions = {},
): AsyncGenerator<[name: string, item: ItemId]> {
  const suffixed: Array<[string, ItemId]> = []
  for await (const [key, item] of rows.range(keys.suffixed(parent), options))
    suffixed.push([restOf(key), item])
  let next = 0
  for await (const [key, members] of rows.range(keys.members(parent), options)) {
    const name = restOf(key)
    while (next < suffixed.length && compareNames(suffixed[next]![0], name) < 0) yield suffixed[next++]!
    yield [name, members[0]!.item]
  }
  yield* suffixed.slice(next)
}

const PAGE = 128

export async function* listChildren(
  rows: RowView,
  shards: number,
  parent: ItemId,
  options: AbortOptions = {},
): AsyncGenerator<TreeEntry> {
  let page: ItemId[] = []
  for await (const [, item] of listNames(rows, parent, options)) {
    page.push(item)
    if (page.length < PAGE) continue
    yield* readEntries(rows, shards, page)
    page = []
  }
  yield* readEntries(rows, shards, page)
}

async function* readEntries(
  rows: RowView,
  shards: number,
  items: readonly ItemId[],
): AsyncGenerator<TreeEntry> {
  await rows.prefetch(items.map(keys.item))
  for (const item of items) {
    const entry = await readEntry(rows, shards, item)
    if (entry) yield entry
  }
}

/** Shown names from the root. Of removed items too, unless `live`. */
export async function findNames(
  rows: RowView,
  item: ItemId,
  options: AbortOptions & { live: boolean },
): Promise<string[] | undefined> {
  const names: string[] = []
  let at: ItemId | '' = item
  while (at !== ROOT_ITEM) {
    options.signal?.throwIfAborted()
    const state = at === '' ? undefined : await rows.get(keys.item(at))
    if (state === undefined || (options.live && !isLive(state))) return undefined
    names.push(state.shown || labelOf(at, state).name)
    at = state.parent
  }
  return names.reverse()
}
