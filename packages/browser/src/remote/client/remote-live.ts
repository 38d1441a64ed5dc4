import type { Item, Live } from '@peerfold/core'
import { systemClock } from '@peerfold/core/platform'
import { isSameItem } from '../same-item.js'
import type { Splice } from '../wire.js'
import type { Exchange, Link } from './link.js'
import { isLost } from './link-source.js'
import type { Place } from './reading.js'

/** After there was no device to ask. */
const RETRY_MS = 1_000
/** Changes that the device may send before the first of them was taken. */
const WINDOW = 4

/**
 * A folder's items, kept up to date by the device, whichever tab runs it; undefined until it has told them. The array stays the same object until
 * something changes, and so do the items in it that do not change.
 */
export class RemoteLive implements Live<Item[] | undefined>, Disposable {
  readonly #place: Place
  readonly #path: string
  readonly #listeners = new Set<(items: Item[] | undefined) => void>()
  readonly #disposed = new AbortController()
  #value: Item[] | undefined
  /** What the device has sent: over a new connection it begins anew. */
  #sent: Item[] = []
  #exchange: Exchange | undefined

  constructor(place: Place, path: string) {
    this.#place = place
    this.#path = path
    void this.#run()
  }

  get value(): Item[] | undefined {
    return this.#value
  }

  subscribe(listener: (items: Item[] | undefined) => void): () => void {
    const own = (items: Item[] | undefined) => listener(items)
    this.#listeners.add(own)
    own(this.#value)
    return () => this.#listeners.delete(own)
  }

  [Symbol.dispose](): void {
    this.#disposed.abort()
    this.#listeners.clear()
    this.#exchange?.abort(true)
  }

  /** Ends when nobody is to be told any more, or when the device has nothing more to tell: the workspace is gone. */
  async #run(): Promise<void> {
    const signal = AbortSignal.any([this.#disposed.signal, this.#place.closed])
    while (!signal.aborted) {
      const link = await this.#place.source.current({ signal }).catch(() => undefined)
      if (link === undefined) {
        // No tab runs the device now: that may last.
        await systemClock.sleep(RETRY_MS, { signal }).catch(() => {})
        continue
      }
      if (signal.aborted) return
      const error = await this.#follow(link, signal)
      if (!isLost(link, error)) return
    }
  }

  async #follow(link: Link, signal: AbortSignal): Promise<unknown> {
    this.#sent = []
    return await new Promise((resolve) => {
      try {
        const { target } = this.#place
        const exchange = link.open(
          { method: 'live', target, args: { path: this.#path }, window: WINDOW },
          {
            onItems: (splices) => {
              for (const splice of splices as Array<Splice<Item>>) this.#take(splice)
              exchange.credit(splices.length)
            },
            onDone: resolve,
            onFail: resolve,
          },
        )
        this.#exchange = exchange
        signal.addEventListener('abort', () => exchange.abort(), { once: true })
      } catch (error) {
        resolve(error)
      }
    })
  }

  #take({ start, remove, items, more }: Splice<Item>): void {
    this.#sent = this.#sent.toSpliced(start, remove, ...items)
    if (more) return
    const value = this.#value === undefined ? this.#sent : keepItems(this.#value, this.#sent)
    this.#sent = value
    if (value === this.#value) return
    this.#value = value
    for (const listener of [...this.#listeners]) listener(value)
  }
}

/** The new list, with the objects of the old one for what is the same: those who draw it need not draw that again. */
function keepItems(before: Item[], next: Item[]): Item[] {
  const known = new Map(before.map((item) => [item.id, item]))
  const kept = next.map((item) => {
    const old = known.get(item.id)
    return old !== undefined && isSameItem(old, item) ? old : item
  })
  return kept.length === before.length && kept.every((item, i) => item === before[i]) ? before : kept
}
