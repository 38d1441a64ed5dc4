import type { Item, ItemId, RecordId } from '@peerfold/core'
import { baseName } from '../src/files/names.js'

/** An item as a workspace lists it. */
export function item(path: string, rest: Partial<Item> = {}): Item {
  const kind = rest.kind ?? 'file'
  return {
    id: `id of ${path}` as ItemId,
    path,
    name: baseName(path),
    kind,
    type: kind,
    size: 0,
    mtime: new Date(0),
    executable: false,
    version: kind === 'file' ? (`version of ${path}` as RecordId) : undefined,
    conflict: false,
    ...rest,
  }
}
