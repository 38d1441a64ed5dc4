import type { Live } from '@peerfold/core'
import { useCallback, useEffect, useState, useSyncExternalStore } from 'react'

/** All that React needs to know of Peerfold's changing values: the status, a folder's items, and this app's own drafts. */
export function useLive<T>(live: Live<T>): T {
  const subscribe = useCallback((listener: () => void) => live.subscribe(listener), [live])
  return useSyncExternalStore(subscribe, () => live.value)
}

const NOTHING: Live<undefined> = { value: undefined, subscribe: () => () => {} }

/**
 * A changing value that is opened for as long as it is shown, and undefined before.
 *
 * @param open from `useCallback`: what it opens is closed, and opened anew, when it is another function
 */
export function useOpened<L extends Live<any> & Disposable>(
  open: () => L,
): { live: L | undefined; value: L['value'] | undefined } {
  const [live, setLive] = useState<L>()
  useEffect(() => {
    const opened = open()
    setLive(opened)
    return () => {
      setLive(undefined)
      opened[Symbol.dispose]()
    }
  }, [open])
  return { live, value: useLive<L['value'] | undefined>(live ?? NOTHING) }
}

/** What a person is told. Hints of Peerfold's errors may speak of its command line: the message alone is enough here. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
