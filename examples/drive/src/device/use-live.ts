import type { Live } from '@peerfold/core'
import { useCallback, useSyncExternalStore } from 'react'

/** The present value of something that changes. */
export function useLive<T>(live: Live<T>): T {
  const subscribe = useCallback(
    (listener: () => void) => {
      return live.subscribe(listener)
    },
    [live],
  )
  return useSyncExternalStore(subscribe, () => live.value)
}
