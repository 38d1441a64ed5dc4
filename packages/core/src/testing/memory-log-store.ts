import { PeerfoldError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'
import type { LogPosition, LogRecord, LogStore } from '../ports/log-store.js'

const FRAME = 8

/**
 * A `LogStore` in memory, with the positions that files have. `snapshot` is what a disk would hold now: opening another store on it is a
 * restart, on an older one a restored backup, on the same one twice a cloned home.
 */
export interface MemoryLogStore extends LogStore {
  snapshot(): Uint8Array[]
}

export function createMemoryLogStore(contents: readonly Uint8Array[] = []): MemoryLogStore {
  const records: LogRecord[] = []
  const byPosition = new Map<LogPosition, number>()
  let first = 0
  let end = 0
  let closed = false

  const push = (bytes: Uint8Array): LogPosition => {
    const position = end
    end += FRAME + bytes.length
    byPosition.set(position, records.length)
    records.push({ position, next: end, bytes: bytes.slice() })
    return position
  }
  const check = (options?: AbortOptions) => {
    options?.signal?.throwIfAborted()
    if (closed) throw new PeerfoldError('CLOSED', 'the log store is closed')
  }
  const indexOf = (position: LogPosition): number => {
    const index = byPosition.get(position)
    if (index === undefined || index < first) {
      throw new PeerfoldError('LOG_POSITION_INVALID', `no record starts at ${position}`, {
        details: { position },
      })
    }
    return index
  }
  for (const bytes of contents) push(bytes)

  return {
    get start() {
      return records[first]?.position ?? end
    },
    get end() {
      return end
    },
    append: async (batch, options) => {
      check(options)
      return batch.map(push)
    },
    get: async (position, options) => {
      check(options)
      return copy(records[indexOf(position)] as LogRecord)
    },
    async *read(from, options) {
      check(options)
      const stop = records.length
      if (from === end) return
      for (let i = from === undefined ? first : indexOf(from); i < stop; i++) {
        check(options)
        yield copy(records[i] as LogRecord)
      }
    },
    truncate: async (before, options) => {
      check(options)
      if (before !== end) indexOf(before)
      while (first < records.length && (records[first] as LogRecord).position < before) first++
    },
    close: async () => {
      closed = true
    },
    snapshot: () => records.slice(first).map(({ bytes }) => bytes.slice()),
  }
}

function copy(record: LogRecord): LogRecord {
  return { ...record, bytes: record.bytes.slice() }
}
