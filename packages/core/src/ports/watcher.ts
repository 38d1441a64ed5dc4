import type { AbortOptions } from './abort.js'

/** A hint that something below a directory may have changed. The scanner decides what did. */
export type WatchHint =
  /** Entries of this directory (relative to the root, `/`-separated, '' for the root itself) may have changed. */
  | { type: 'dirty'; directory: string }
  /** Events were lost: everything may have changed. */
  | { type: 'overflow' }

export interface WatchOptions extends AbortOptions {
  /** Called once watching is in force for the tree as it was at the call. */
  onReady?: () => void
  /** Directories that need not be watched, nor anything below them: of those it may say nothing. */
  skips?: (directory: string) => boolean
}

export interface Watcher {
  /** Yields hints until aborted. */
  watch(root: string, options?: WatchOptions): AsyncIterable<WatchHint>
}
