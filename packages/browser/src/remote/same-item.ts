import type { Item } from '@peerfold/core'

/** Whether two descriptions of an item say the same. The name is the path's end, the kind follows from the type. */
export function isSameItem(a: Item, b: Item): boolean {
  return (
    a === b ||
    (a.id === b.id &&
      a.path === b.path &&
      a.version === b.version &&
      a.conflict === b.conflict &&
      a.size === b.size &&
      a.executable === b.executable &&
      a.type === b.type &&
      a.mtime?.getTime() === b.mtime?.getTime())
  )
}
