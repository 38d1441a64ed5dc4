import { useCallback, useMemo, useState } from 'react'
import type { Selection } from 'react-aria-components'

export interface ItemSelection<T> {
  keys: Selection
  selected: T[]
  select: (keys: Selection) => void
  clear: () => void
}

/** What is selected, of the items that are there now. */
export function useSelection<T extends { id: string }>(items: readonly T[]): ItemSelection<T> {
  const [keys, select] = useState<Selection>(new Set())
  const selected = useMemo(
    () => (keys === 'all' ? [...items] : keys.size === 0 ? [] : items.filter(({ id }) => keys.has(id))),
    [items, keys],
  )
  const clear = useCallback(() => select(new Set()), [])
  return { keys, selected, select, clear }
}
