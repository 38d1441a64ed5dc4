import type { CommitId, ItemId } from '../ports/ids.js'
import type { TreeChange, TreeEntry, TreeReader } from '../tree/types.js'
import { ROOT_ITEM } from '../tree/types.js'
import { formatPath, isWithin } from './path.js'
import type { Change } from './types.js'

/** What happened to the tree in one commit, as apps see it; `cursor` is added by who counts. */
export type UncountedChange = Omit<Change, 'cursor'>

/** @returns changes at or below `folder`, parents before what is in them */
export async function describeChanges(
  tree: TreeReader,
  changes: readonly TreeChange[],
  commit: CommitId,
  folder: string,
): Promise<UncountedChange[]> {
  const before = new Map(changes.map((change) => [change.item, change.before]))
  const described: UncountedChange[] = []
  for (const change of changes) {
    const found = await describeChange(tree, change, before, commit)
    if (found === undefined) continue
    if (isWithin(folder, found.path) || (found.from !== undefined && isWithin(folder, found.from)))
      described.push(found)
  }
  return described.sort((a, b) => a.path.split('/').length - b.path.split('/').length)
}

async function describeChange(
  tree: TreeReader,
  { item, before, after }: TreeChange,
  earlier: ReadonlyMap<ItemId, TreeEntry | undefined>,
  commit: CommitId,
): Promise<UncountedChange | undefined> {
  const path = after === undefined ? undefined : await tree.path(item)
  const from = before === undefined ? undefined : await pathBefore(tree, before, earlier)
  const kind = (after ?? before)?.kind ?? 'file'
  const common = { item, kind, commit }
  if (path === undefined)
    return from === undefined ? undefined : { type: 'remove', path: formatPath(from), ...common }
  const now = formatPath(path)
  if (before === undefined || from === undefined) return { type: 'create', path: now, ...common }
  if (before.parent !== after?.parent || before.name !== after.name)
    return { type: 'move', path: now, from: formatPath(from), ...common }
  return before.tag === after.tag ? undefined : { type: 'edit', path: now, ...common }
}

/** Where an entry was before the commit, through ancestors that the commit may have changed too. */
async function pathBefore(
  tree: TreeReader,
  entry: TreeEntry,
  earlier: ReadonlyMap<ItemId, TreeEntry | undefined>,
): Promise<string[] | undefined> {
  const names = [entry.name]
  let parent = entry.parent
  while (parent !== ROOT_ITEM) {
    const changed = earlier.get(parent)
    if (changed === undefined) {
      const rest = await tree.path(parent)
      return rest === undefined ? undefined : [...rest, ...names]
    }
    names.unshift(changed.name)
    parent = changed.parent
  }
  return names
}
