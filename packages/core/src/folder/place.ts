import { ROOT_ITEM, type TreeEntry } from '../tree/types.js'
import type { FolderContext } from './context.js'
import { joinPath } from './disk-tree.js'
import type { SyncedEntry } from './synced-tree.js'

/** Where an item belongs on disk now; undefined while its folder is not there. */
export function targetOf(
  folder: Pick<FolderContext, 'synced' | 'merged'>,
  entry: TreeEntry,
): string | undefined {
  const parent = entry.parent === ROOT_ITEM ? '' : folder.synced.path(entry.parent)
  return parent === undefined ? undefined : joinPath(parent, folder.merged.diskName(entry))
}

/** What the synced tree says of an item that lies there. */
export function placed(
  folder: Pick<FolderContext, 'merged'>,
  entry: TreeEntry,
  print: SyncedEntry['print'],
): SyncedEntry {
  const { item, kind, parent, name } = entry
  return { item, kind, parent, name, diskName: folder.merged.diskName(entry), print, racy: false }
}
