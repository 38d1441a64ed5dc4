import type { AbortOptions, PeerfoldError } from '@peerfold/core'
import type { Note } from '../wire.js'
import type { Exchange, Link, Request } from './link.js'
import { isLost, type LinkSource } from './link-source.js'

export interface InflowInit<T> extends AbortOptions {
  source: LinkSource
  /** What to ask for; anew after the connection went, then from where it was. Undefined when it cannot go on. */
  request(): Request | undefined
  /** An item has come. @returns whether it is for the reader: one that was there before is not */
  take(item: T): boolean
  onNote?(note: Note): void
  /** What one item takes of the window. */
  cost(item: T): number
  /** Most that comes ahead of the reader. */
  window: number
}

interface Waiting<T> {
  resolve(result: IteratorResult<T, undefined>): void
  reject(error: unknown): void
}

/**
 * What the device yields, read with a bounded read-ahead. It begins with the first `next`. `return` ends it at once, also while a `next` waits:
 * a generator would wait for the item first, which may never come.
 */
export class Inflow<T> implements AsyncIterableIterator<T, undefined> {
  readonly #init: InflowInit<T>
  readonly #items: T[] = []
  readonly #waiting: Array<Waiting<T>> = []
  readonly #stop = new AbortController()
  #exchange: Exchange | undefined
  #begun = false
  #ahead = 0
  /** Taken by the reader and not yet given back as credit. */
  #owed = 0
  #outcome: { failed: false } | { failed: true; error: unknown } | undefined

  constructor(init: InflowInit<T>) {
    this.#init = init
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<T, undefined>> {
    if (!this.#begun) {
      this.#begun = true
      void this.#run()
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      this.#serve()
    })
  }

  async return(): Promise<IteratorResult<T, undefined>> {
    this.#begun = true
    this.#items.length = 0
    this.#end({ failed: false })
    this.#stop.abort()
    return { done: true, value: undefined }
  }

  async #run(): Promise<void> {
    const { source, request, signal } = this.#init
    const abort = () => {
      this.#end({ failed: true, error: signal?.reason })
      this.#stop.abort()
    }
    signal?.addEventListener('abort', abort, { once: true })
    if (signal?.aborted === true) abort()
    try {
      while (this.#outcome === undefined) {
        const wanted = request()
        const link = await source.current({ signal: this.#stop.signal })
        if (this.#outcome !== undefined) return
        const error = await this.#receive(link, wanted as Request)
        if (error === undefined) return this.#end({ failed: false })
        if (!isLost(link, error) || request() === undefined) throw error
      }
    } catch (error) {
      this.#end({ failed: true, error })
    } finally {
      signal?.removeEventListener('abort', abort)
    }
  }

  /** @returns what it failed with */
  async #receive(link: Link, request: Request): Promise<PeerfoldError | undefined> {
    const window = Math.max(0, this.#init.window - this.#ahead)
    this.#owed = 0
    const { signal } = this.#stop
    return await new Promise((resolve) => {
      try {
        const exchange = link.open(
          { ...request, window },
          {
            onItems: (items) => this.#take(items as T[]),
            onNote: (note) => this.#init.onNote?.(note),
            onDone: () => resolve(undefined),
            onFail: resolve,
          },
        )
        this.#exchange = exchange
        const stop = () => {
          exchange.abort(true)
          resolve(undefined)
        }
        signal.addEventListener('abort', stop, { once: true })
      } catch (error) {
        resolve(error as PeerfoldError)
      }
    })
  }

  #take(items: readonly T[]): void {
    for (const item of items) {
      const cost = this.#init.cost(item)
      if (this.#init.take(item)) {
        this.#ahead += cost
        this.#items.push(item)
      } else this.#repay(cost)
    }
    this.#serve()
  }

  #serve(): void {
    while (this.#waiting.length > 0) {
      if (this.#items.length > 0) {
        const item = this.#items.shift() as T
        const cost = this.#init.cost(item)
        this.#ahead -= cost
        this.#waiting.shift()?.resolve({ done: false, value: item })
        this.#repay(cost)
      } else if (this.#outcome === undefined) return
      else if (this.#outcome.failed) {
        // Told once, as generators do.
        const { error } = this.#outcome
        this.#outcome = { failed: false }
        this.#waiting.shift()?.reject(error)
      } else this.#waiting.shift()?.resolve({ done: true, value: undefined })
    }
  }

  /** In portions: a message for each item would cost more than the item. */
  #repay(cost: number): void {
    this.#owed += cost
    if (this.#owed < this.#init.window / 4) return
    this.#exchange?.credit(this.#owed)
    this.#owed = 0
  }

  #end(outcome: { failed: false } | { failed: true; error: unknown }): void {
    this.#outcome ??= outcome
    this.#serve()
  }
}
