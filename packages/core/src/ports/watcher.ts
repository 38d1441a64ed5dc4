import type { AbortOptions } from './abort.js'

/** A hint that something below a directory may have changed. The scanner decides what did. */
export type WatchHint =
  /** Entries of this directory (relative to the root, `/`-separated, '' for the root itself) may have changed. */
  | { type: 'dirty'; directory: string }
  /** Events were lost: everything may have changed. */
  | { type: 'overflow' }

export interface Watcher {
  /** Yields hints until aborted. Resolves its first `next()` only once watching is in force for the tree as it was at the call. */
  watch(root: string, options?: AbortOptions & { onReady?: () => void }): AsyncIterable<WatchHint>
}
