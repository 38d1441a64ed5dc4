import { type RefObject, useEffect, useRef } from 'react'

/** Calls back with keys that are pressed within an element, other than in a text field. */
export function useShortcuts(root: RefObject<HTMLElement | null>, onKey: (key: string) => void): void {
  const latest = useRef(onKey)
  latest.current = onKey
  useEffect(() => {
    const element = root.current
    const listen = ({ target, key }: KeyboardEvent) => {
      const typing = target instanceof HTMLInputElement && target.type !== 'checkbox'
      if (!typing) latest.current(key)
    }
    element?.addEventListener('keydown', listen)
    return () => element?.removeEventListener('keydown', listen)
  }, [root])
}
