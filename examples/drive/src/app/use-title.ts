import { useEffect } from 'react'

/** What is shown, in the tab and in the history. */
export function useTitle(shown: string): void {
  useEffect(() => {
    const before = document.title
    document.title = `${shown} – ${before}`
    return () => {
      document.title = before
    }
  }, [shown])
}
