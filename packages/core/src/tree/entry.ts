import type { ItemId } from '../ports/ids.js'
import { kindOf, recordId, shardOf } from './item-id.js'
import { distinctHeads, isGhost, isLive, labelOf } from './item-state.js'
import { unpackContent, unpackMeta } from './record.js'
import type { RowView } from './row-view.js'
import { type Content, type ItemState, keys } from './rows.js'
import { type FileVersion, ROOT_ITEM, type TreeEntry } from './types.js'

export const ROOT_ENTRY: TreeEntry = Object.freeze({
  item: ROOT_ITEM,
  kind: 'folder',
  parent: ROOT_ITEM,
  name: '',
  recordName: '',
  heads: [],
  ghost: false,
  tag: ROOT_ITEM,
})

export async function readEntry(rows: RowView, shards: number, item: ItemId): Promise<TreeEntry | undefined> {
  if (item === ROOT_ITEM) return ROOT_ENTRY
  return toEntry(rows, shards, item, await rows.get(keys.item(item)))
}

/** Undefined for what is not in the tree. */
export async function toEntry(
  rows: RowView,
  shards: number,
  item: ItemId,
  state: ItemState | undefined,
): Promise<TreeEntry | undefined> {
  if (!isLive(state)) return undefined
  const recordName = labelOf(item, state).name
  const heads: FileVersion[] = []
  for (const head of distinctHeads(state.contents))
    heads.push(await toVersion(rows, shardOf(item, shards), head))
  return {
    item,
    kind: kindOf(item),
    parent: state.parent,
    name: state.shown || recordName,
    recordName,
    heads,
    ghost: isGhost(state),
    tag: tagOf(item, state),
  }
}

/** Everything that an entry shows follows from this. Names hold no `/`. */
export function tagOf(item: ItemId, state: ItemState): string {
  const heads = distinctHeads(state.contents).map(({ writer, clock }) => `${writer}.${clock}`)
  const ghost = isGhost(state) ? 'ghost' : ''
  return [item, state.parent, ghost, heads.join(','), labelOf(item, state).name, state.shown].join('/')
}

export async function toVersion(rows: RowView, shard: number, head: Content): Promise<FileVersion> {
  const commit = (await rows.get(keys.commit(head.ordinal)))!
  return {
    id: recordId(shard, head.writer, head.clock),
    // Unpacked when asked for: whoever keeps the versions of a hundred thousand files keeps four short texts of each.
    get content() {
      return unpackContent(head.content)
    },
    size: head.content.size,
    ...unpackMeta(head),
    basedOn: head.basedOn.map(({ writer, clock }) => recordId(shard, writer, clock)),
    stamp: head.stamp,
    time: commit.time,
    writer: head.writer,
    commit: commit.id,
  }
}
