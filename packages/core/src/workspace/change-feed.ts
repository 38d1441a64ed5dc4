import type { AbortOptions } from '../ports/abort.js'
import type { Change, Cursor } from './types.js'

/** The changes of a workspace in the order in which this device applied them, numbered, so that a reader can go on where it was. */
export interface ChangeFeed {
  /** Changes at and below a folder, from after `since`, or from now on. Ends with the signal. */
  watch(folder: string, options?: AbortOptions & { since?: Cursor }): AsyncIterable<Change>
}
