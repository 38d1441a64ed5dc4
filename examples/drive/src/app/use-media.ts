import { useCallback, useSyncExternalStore } from 'react'

export function useMedia(query: string): boolean {
  const subscribe = useCallback(
    (listener: () => void) => {
      const list = matchMedia(query)
      list.addEventListener('change', listener)
      return () => list.removeEventListener('change', listener)
    },
    [query],
  )
  return useSyncExternalStore(subscribe, () => matchMedia(query).matches)
}

/** Phones, and windows as narrow. The style sheets use the same width. */
export const useNarrow = () => useMedia('(max-width: 720px)')
export const useTouch = () => useMedia('(pointer: coarse)')
