import type { Item } from '@peerfold/core'

export type SortKey = 'name' | 'modified' | 'size'

export interface Sort {
  key: SortKey
  descending: boolean
}

const names = new Intl.Collator(undefined, { numeric: true, sensitivity: 'base' })

type Order = (a: Item, b: Item) => number

const ORDERS: Record<SortKey, Order> = {
  name: (a, b) => names.compare(a.name, b.name),
  modified: (a, b) => (a.mtime?.getTime() ?? 0) - (b.mtime?.getTime() ?? 0),
  size: (a, b) => a.size - b.size,
}

/** Folders first, whatever the direction; equals by name. */
export function sortItems(items: readonly Item[], { key, descending }: Sort): Item[] {
  const order = ORDERS[key]
  const sign = descending ? -1 : 1
  return [...items].sort((a, b) => {
    if (a.kind !== b.kind) return a.kind === 'folder' ? -1 : 1
    return sign * order(a, b) || names.compare(a.name, b.name)
  })
}

/** What a click on a column does: sorts by it, then the other way round. Newest and largest come first. */
export function nextSort(current: Sort, key: SortKey): Sort {
  if (current.key === key) return { key, descending: !current.descending }
  return { key, descending: key !== 'name' }
}
