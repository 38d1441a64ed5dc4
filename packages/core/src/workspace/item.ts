import type { TreeEntry } from '../tree/types.js'
import { formatPath } from './path.js'
import type { Item } from './types.js'

/** A tree entry as apps see it. */
export function toItem(entry: TreeEntry, path: readonly string[]): Item {
  const head = entry.heads[0]
  return {
    id: entry.item,
    path: formatPath(path),
    name: entry.name,
    kind: entry.kind,
    type: entry.kind === 'folder' ? 'folder' : (head?.type ?? 'file'),
    size: head?.size ?? 0,
    mtime: head === undefined ? undefined : new Date(head.mtime),
    executable: head?.executable ?? false,
    version: head?.id,
    conflict: entry.heads.length > 1,
  }
}
