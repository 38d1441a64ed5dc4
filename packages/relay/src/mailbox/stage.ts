import { isPeerfoldError, type KeyValue, type KeyValueOperation, PeerfoldError } from '@peerfold/core'
import { LRUCache } from 'lru-cache'

/** Rows of mailboxes and senders that stay in memory: those are read with every push. */
const CACHED_ROWS = 20_000
const CACHED = /^[mep]\//

/** Reads rows, all that were asked for at once. */
export interface RowReader {
  getMany(keys: readonly string[]): Promise<Array<Uint8Array | undefined>>
}

export interface RowsInit {
  db: KeyValue
  /** A row is damaged: the index has to be built anew. */
  onDamage: () => void
}

/** The index as it was written last, with the rows that everyone asks for in memory. */
export class Rows implements RowReader {
  /** Who builds the index anew reads and writes while others wait. */
  readonly inner: Omit<Rows, 'inner' | 'pausedWhile'>
  readonly #init: RowsInit
  readonly #cache = new LRUCache<string, Uint8Array>({ max: CACHED_ROWS })
  #paused: Promise<void> | undefined

  constructor(init: RowsInit) {
    this.#init = init
    this.inner = {
      get: async (key) => (await this.#read([key]))[0],
      getMany: (asked) => this.#read(asked),
      keys: (range) => this.#keys(range),
      values: (range) => this.#values(range),
      write: (changes) => this.#write(changes),
      clear: (keep) => this.#clear(keep),
    }
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    const [value] = await this.getMany([key])
    return value
  }

  async getMany(asked: readonly string[]): Promise<Array<Uint8Array | undefined>> {
    await this.#paused
    return this.#guarded(() => this.#read(asked))
  }

  async keys(range: RowRange): Promise<string[]> {
    await this.#paused
    return this.#guarded(() => this.#keys(range))
  }

  async values(range: RowRange): Promise<Uint8Array[]> {
    await this.#paused
    return this.#guarded(() => this.#values(range))
  }

  /** All or nothing. */
  write(changes: ReadonlyMap<string, Uint8Array | null>): Promise<void> {
    return this.#write(changes)
  }

  clear(keep: string): Promise<void> {
    return this.#clear(keep)
  }

  /** Others' reads wait until the task is done. */
  async pausedWhile(task: () => Promise<void>): Promise<void> {
    const running = task()
    this.#paused = running
      .catch(() => {})
      .finally(() => {
        this.#paused = undefined
      })
    await running
  }

  async #read(asked: readonly string[]): Promise<Array<Uint8Array | undefined>> {
    const known = new Map(asked.map((key) => [key, this.#cache.get(key)]))
    const unknown = [...known].flatMap(([key, value]) => (value === undefined ? [key] : []))
    const found = unknown.length === 0 ? [] : await this.#init.db.getMany(unknown)
    for (const [i, key] of unknown.entries()) known.set(key, found[i])
    return asked.map((key) => known.get(key))
  }

  async #keys(range: RowRange): Promise<string[]> {
    return this.#init.db.keys(range).all()
  }

  async #values(range: RowRange): Promise<Uint8Array[]> {
    return this.#init.db.values(range).all()
  }

  async #write(changes: ReadonlyMap<string, Uint8Array | null>): Promise<void> {
    const operations = [...changes].map(
      ([key, value]): KeyValueOperation =>
        value === null ? { type: 'del', key } : { type: 'put', key, value },
    )
    await this.#init.db.batch(operations)
    for (const [key, value] of changes) {
      // Only what was written is cached: a reader could put back what a writer is just replacing.
      if (!CACHED.test(key)) continue
      if (value === null) this.#cache.delete(key)
      else this.#cache.set(key, value)
    }
  }

  /** Empties it but for one row. */
  async #clear(keep: string): Promise<void> {
    this.#cache.clear()
    await this.#init.db.clear({ lt: keep })
    await this.#init.db.clear({ gt: keep })
  }

  async #guarded<T>(read: () => Promise<T>): Promise<T> {
    try {
      return await read()
    } catch (cause) {
      if (isPeerfoldError(cause) && cause.code !== 'INDEX_CORRUPT') throw cause
      if ((cause as { code?: unknown }).code === 'LEVEL_DATABASE_NOT_OPEN') {
        throw new PeerfoldError('CLOSED', 'the relay is closing', { cause })
      }
      this.#init.onDamage()
      throw new PeerfoldError('BUSY', 'the index is damaged, and built anew', {
        cause,
        details: { retryAfter: 1000 },
      })
    }
  }
}

export interface RowRange {
  gte: string
  lt: string
  limit: number
}

/** Changes of rows that are not written yet, seen by whoever reads through it. */
export class Stage implements RowReader {
  readonly #below: RowReader
  readonly #read = new Map<string, Uint8Array | undefined>()
  readonly changes = new Map<string, Uint8Array | null>()

  constructor(below: RowReader) {
    this.#below = below
  }

  /** What is put through it shows here only after `merge`. */
  fork(): Stage {
    return new Stage(this)
  }

  merge(fork: Stage): void {
    for (const [key, value] of fork.changes) this.changes.set(key, value)
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    const [value] = await this.getMany([key])
    return value
  }

  async getMany(asked: readonly string[]): Promise<Array<Uint8Array | undefined>> {
    const unknown = asked.filter((key) => !this.changes.has(key) && !this.#read.has(key))
    if (unknown.length > 0) {
      const found = await this.#below.getMany(unknown)
      for (const [i, key] of unknown.entries()) this.#read.set(key, found[i])
    }
    return asked.map((key) =>
      this.changes.has(key) ? (this.changes.get(key) ?? undefined) : this.#read.get(key),
    )
  }

  put(key: string, value: Uint8Array): void {
    this.changes.set(key, value)
  }

  del(key: string): void {
    this.changes.set(key, null)
  }
}
