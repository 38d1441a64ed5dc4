import { AbstractIterator } from 'abstract-level'
import type { Level } from './open-level.js'

/** As stored: keys and values are bytes; one that was not asked for is undefined. */
type Entry = [key: Uint8Array, value: Uint8Array | undefined]

/** What abstract-level passes to an implementation's `_iterator`; it carries encodings under symbols. */
interface WalkOptions {
  keys: boolean
  values: boolean
  reverse: boolean
  limit: number
}

/** What abstract-level documents for implementers and leaves out of its types. */
interface Implementation {
  _iterator(options: WalkOptions): { _all(options: object): Promise<Entry[]>; close(): Promise<void> }
}

/**
 * Makes walks of a database see it as it was when they began, as LevelDB's do. browser-level reads page by page, each in
 * a transaction of its own, so that a walk would meet what is written meanwhile, and might never end.
 *
 * A walk therefore holds its whole range in memory: ask for ranges, not for everything.
 */
export function walkSnapshots(level: Level): void {
  const implementation = level as unknown as Implementation
  const pageByPage = implementation._iterator.bind(level)
  implementation._iterator = (options) =>
    new SnapshotIterator(level, options, pageByPage) as unknown as ReturnType<Implementation['_iterator']>
}

class SnapshotIterator extends AbstractIterator<Level, string, Uint8Array> {
  readonly #entries: Promise<Entry[]>
  readonly #options: WalkOptions
  #target: Uint8Array | undefined
  #at = 0

  constructor(level: Level, options: WalkOptions, pageByPage: Implementation['_iterator']) {
    super(level, options as object)
    this.#options = options
    // Asked for before anyone can write: transactions run in the order in which they were made.
    const source = pageByPage({ ...options, keys: true })
    this.#entries = source._all({}).finally(() => source.close())
    // Told to whoever reads, and to nobody when nobody does.
    this.#entries.catch(() => {})
  }

  async _next(): Promise<Entry | undefined> {
    const [entry] = await this._nextv(1)
    return entry
  }

  async _nextv(size: number): Promise<Entry[]> {
    const entries = await this.#entries
    this.#moveToTarget(entries)
    const page = entries.slice(this.#at, this.#at + size)
    this.#at += page.length
    const { keys } = this.#options
    // Copies, since abstract-level decodes entries in their place.
    return page.map(([key, value]) => [keys ? key : (undefined as never), value])
  }

  _seek(target: Uint8Array): void {
    this.#target = target
  }

  #moveToTarget(entries: Entry[]): void {
    const target = this.#target
    if (target === undefined) return
    this.#target = undefined
    const direction = this.#options.reverse ? -1 : 1
    const found = entries.findIndex(([key]) => direction * indexedDB.cmp(key, target) >= 0)
    this.#at = found === -1 ? entries.length : found
  }
}
