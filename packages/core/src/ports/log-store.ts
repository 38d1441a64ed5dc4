import type { AbortOptions } from './abort.js'

/** A position in a log: an opaque, strictly growing number. The first record lies at `LogStore.start`. */
export type LogPosition = number

export interface LogRecord {
  position: LogPosition
  /** The position after this record: where reading goes on. */
  next: LogPosition
  bytes: Uint8Array
}

/**
 * An append-only, checksummed sequence of records: the truth of a workspace's log and of a device's journal.
 *
 * A torn tail (a crash in mid-append) is cut off at opening. Damage before the tail is never skipped in silence:
 * `read` throws `LOG_CORRUPT`, whose `position` and `next` let the caller go on behind it.
 */
export interface LogStore {
  /** Position of the oldest record kept, after `truncate`. */
  readonly start: LogPosition
  /** Position that the next record will get. */
  readonly end: LogPosition
  /** Appends all or, after a crash, a prefix. Durable when it resolves. Returns one position for each record. */
  append(records: readonly Uint8Array[], options?: AbortOptions): Promise<LogPosition[]>
  /** @throws {PeerfoldError} `LOG_POSITION_INVALID` when no record starts there, `LOG_CORRUPT` when its checksum fails. */
  get(position: LogPosition, options?: AbortOptions): Promise<LogRecord>
  /** Records from `from` (default `start`) to the end as it was when reading began. */
  read(from?: LogPosition, options?: AbortOptions): AsyncIterable<LogRecord>
  /** Forgets records before `before`; whole segments only, so older ones may stay readable for a while. */
  truncate(before: LogPosition, options?: AbortOptions): Promise<void>
  /** Idempotent. */
  close(): Promise<void>
}
