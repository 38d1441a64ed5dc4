import type { IndexBatch } from '../log/types.js'
import { compareNames } from './names.js'
import { Layer, type RangeOptions, type RowStore } from './row-store.js'
import { encodeRow, type Key } from './rows.js'

/** Rows to read: the store, seen through layers of which the first that has a key answers. */
export class RowView {
  constructor(
    protected readonly store: RowStore,
    protected readonly layers: Layer[],
  ) {}

  get<Row>(key: Key<Row>): Row | undefined | Promise<Row | undefined> {
    const layer = this.#find(key)
    if (layer) return layer.rows.get(key) as Row | undefined
    const row = this.store.get(key)
    // A layer may come on top while the store is being read.
    return row instanceof Promise ? row.then((read) => this.#over(key, read)) : row
  }

  #over<Row>(key: Key<Row>, row: Row | undefined): Row | undefined {
    const layer = this.#find(key)
    return layer ? (layer.rows.get(key) as Row | undefined) : row
  }

  #find(key: string): Layer | undefined {
    for (const layer of this.layers) if (layer.rows.has(key)) return layer
    return undefined
  }

  prefetch(wanted: Iterable<string>): Promise<void> {
    const below = []
    for (const key of wanted) if (this.#find(key) === undefined) below.push(key)
    return this.store.prefetch(below)
  }

  /** Rows of one bucket, as they were when each page was read. */
  async *range<Row>(bucket: Key<Row>, options: RangeOptions = {}): AsyncGenerator<[string, Row]> {
    const order = options.reverse ? -1 : 1
    let last = options.after
    for await (const page of this.store.pages<Row>(bucket, options)) {
      const end = page.at(-1)![0]
      yield* this.#merge(page, this.#between(bucket, last, end, order), order)
      last = end
    }
    yield* this.#merge([], this.#between<Row>(bucket, last, undefined, order), order)
  }

  /** What layers say about keys after `after`, up to `end`. */
  #between<Row>(bucket: string, after: string | undefined, end: string | undefined, order: number) {
    const found = new Map<string, Row | undefined>()
    for (const layer of this.layers) {
      for (const key of layer.keysIn(bucket)) {
        if (found.has(key)) continue
        if (after !== undefined && order * compareNames(key, after) <= 0) continue
        if (end !== undefined && order * compareNames(key, end) > 0) continue
        found.set(key, layer.rows.get(key) as Row | undefined)
      }
    }
    return found
  }

  *#merge<Row>(page: Array<[string, Row]>, changed: Map<string, Row | undefined>, order: number) {
    if (changed.size === 0) return yield* page
    const rows = new Map(page)
    for (const [key, row] of changed) {
      if (row === undefined) rows.delete(key)
      else rows.set(key, row)
    }
    yield* [...rows].sort(([a], [b]) => order * compareNames(a, b))
  }
}

/** A view that takes changes into a layer of its own, to be read, undone or written as one. */
export class RowDraft extends RowView {
  readonly #own: Layer
  /** Rows as they were below, for each key that was changed. */
  readonly before = new Layer()

  constructor(store: RowStore, below: readonly Layer[]) {
    const own = new Layer()
    super(store, [own, ...below])
    this.#own = own
  }

  get changes(): ReadonlyMap<string, unknown> {
    return this.#own.rows
  }

  /** @param before the row as the view has it; absent rows need none */
  put<Row>(key: Key<Row>, row: Row, before?: Row): void {
    if (!this.#own.rows.has(key)) this.before.set(key, before)
    this.#own.set(key, row)
  }

  /** @param before the row as the view has it */
  delete<Row>(key: Key<Row>, before: Row): void {
    if (!this.#own.rows.has(key)) this.before.set(key, before)
    this.#own.set(key, undefined)
  }

  /** Whether the row was there before anything was changed here. */
  existed(key: string): boolean {
    return !this.before.rows.has(key) || this.before.rows.get(key) !== undefined
  }

  write(batch: IndexBatch): void {
    const { prefix } = this.store
    for (const [key, row] of this.#own.rows) {
      if (row !== undefined)
        batch.push({ type: 'put', key: prefix + key, value: encodeRow(key as Key<unknown>, row) })
      else if (this.before.rows.get(key) !== undefined) batch.push({ type: 'del', key: prefix + key })
    }
  }
}
