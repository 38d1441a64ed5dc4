import { PeerfoldError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'
import type { KeyValue } from '../ports/key-value.js'
import { RowCache } from './row-cache.js'
import { bucketOf, decodeRow, type Key } from './rows.js'

/** Rows changed by somebody, over those that lie below: `undefined` stands for "no row". */
export class Layer {
  readonly rows = new Map<string, unknown>()
  readonly #buckets = new Map<string, Set<string>>()

  set(key: string, row: unknown): void {
    if (!this.rows.has(key)) this.#index(key)
    this.rows.set(key, row)
  }

  #index(key: string): void {
    const bucket = bucketOf(key)
    const known = this.#buckets.get(bucket)
    if (known) known.add(key)
    else this.#buckets.set(bucket, new Set([key]))
  }

  keysIn(bucket: string): Iterable<string> {
    return this.#buckets.get(bucket) ?? []
  }
}

export interface RangeOptions extends AbortOptions {
  reverse?: boolean
  /** Only keys after this one in the direction of reading. */
  after?: string
  /** Rows read at once. @default 256 */
  page?: number
}

const PAGE = 256

/** The first key after all that begin with `prefix`, which ends in a slash. */
function endOf(prefix: string): string {
  return prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1)
}

/** Rows as the key-value store has them, with a cache of those used last. */
export class RowStore {
  readonly #cache: RowCache
  /** Grows with every change of the store, so that a row read before it is not cached after it. */
  #generation = 0

  constructor(
    private readonly db: KeyValue,
    readonly prefix: string,
    cacheEntries: number,
  ) {
    this.#cache = new RowCache(cacheEntries)
  }

  get<Row>(key: Key<Row>): Row | undefined | Promise<Row | undefined> {
    if (this.#cache.has(key)) return this.#cache.get(key) as Row | undefined
    return this.#read(key)
  }

  async #read<Row>(key: Key<Row>): Promise<Row | undefined> {
    const generation = this.#generation
    const value = await this.db.get(this.prefix + key)
    const row = value === undefined ? undefined : this.#decode(key, value)
    if (generation === this.#generation) this.#cache.set(key, row)
    return row
  }

  #decode<Row>(key: Key<Row>, value: Uint8Array): Row {
    try {
      return decodeRow(key, value)
    } catch (cause) {
      throw new PeerfoldError('INDEX_CORRUPT', `a row of the tree's index is damaged: ${key}`, { cause })
    }
  }

  /** Brings rows into the cache in one read. */
  async prefetch(wanted: Iterable<string>): Promise<void> {
    const missing = [...new Set(wanted)].filter((key) => !this.#cache.has(key))
    if (missing.length === 0) return
    const generation = this.#generation
    const values = await this.db.getMany(missing.map((key) => this.prefix + key))
    if (generation !== this.#generation) return
    for (const [i, key] of missing.entries()) {
      const value = values[i]
      this.#cache.set(key, value === undefined ? undefined : this.#decode(key, value))
    }
  }

  /** Rows of one bucket in order of their keys, page by page. */
  async *pages<Row>(bucket: string, options: RangeOptions = {}): AsyncGenerator<Array<[string, Row]>> {
    const { reverse = false, after, page = PAGE } = options
    const from = reverse ? bucket : (after ?? bucket)
    const to = reverse ? (after ?? endOf(bucket)) : endOf(bucket)
    const iterator = this.db.iterator({ gt: this.prefix + from, lt: this.prefix + to, reverse })
    try {
      for (;;) {
        options.signal?.throwIfAborted()
        const entries = await iterator.nextv(page)
        if (entries.length === 0) return
        yield entries.map(([full, value]) => {
          const key = full.slice(this.prefix.length)
          return [key, this.#decode(key as Key<Row>, value)]
        })
      }
    } finally {
      await iterator.close()
    }
  }

  /** Takes rows that were written. */
  absorb(rows: ReadonlyMap<string, unknown>): void {
    this.#generation++
    for (const [key, row] of rows) if (isCached(key) || this.#cache.has(key)) this.#cache.set(key, row)
  }

  async clear(): Promise<void> {
    this.#generation++
    this.#cache.clear()
    await this.db.clear({ gt: this.prefix, lt: endOf(this.prefix) })
    this.#generation++
    this.#cache.clear()
  }
}

/** Tables that are read by key again and again. */
function isCached(key: string): boolean {
  return 'inmqo'.includes(key[0]!)
}
