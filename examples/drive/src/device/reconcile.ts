import type { Item } from '@peerfold/core'

/** The new items, with each that did not change as the object that it was: lists render only what changed. */
export function reconcile(before: readonly Item[], after: readonly Item[]): readonly Item[] {
  if (before.length === 0) return after
  const known = new Map(before.map((item) => [item.id, item]))
  return after.map((item) => {
    const old = known.get(item.id)
    return old !== undefined && sameItem(old, item) ? old : item
  })
}

function sameItem(a: Item, b: Item): boolean {
  return (
    a.path === b.path &&
    a.kind === b.kind &&
    a.type === b.type &&
    a.size === b.size &&
    a.version === b.version &&
    a.conflict === b.conflict &&
    a.executable === b.executable &&
    a.mtime?.getTime() === b.mtime?.getTime()
  )
}
