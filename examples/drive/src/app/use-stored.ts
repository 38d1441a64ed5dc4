import { useState } from 'react'

/** A choice of a person, kept in this browser. `read` makes a value of what was stored, or of nothing. */
export function useStored<T extends string>(
  key: string,
  read: (stored: string | null) => T,
): [T, (value: T) => void] {
  const [value, setValue] = useState(() => read(localStorage.getItem(key)))
  const store = (next: T) => {
    localStorage.setItem(key, next)
    setValue(next)
  }
  return [value, store]
}
