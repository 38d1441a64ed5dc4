import { useEffect, useState } from 'react'
import { sayFailed } from './toasts.js'

const SHOWN_MS = 2_000

/** Puts text on the clipboard, and tells for a moment that it was done. */
export function useCopy(): { copied: boolean; copy: (text: string) => void } {
  const [copied, setCopied] = useState(false)
  useEffect(() => {
    if (!copied) return
    const timer = setTimeout(() => setCopied(false), SHOWN_MS)
    return () => clearTimeout(timer)
  }, [copied])
  const copy = (text: string) => {
    navigator.clipboard.writeText(text).then(
      () => setCopied(true),
      (error: unknown) => sayFailed('It could not be copied', error),
    )
  }
  return { copied, copy }
}
