import { PeerfoldError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'

/** Values that wait for a slow reader are bounded: past this the reader must begin anew from its cursor. */
const MAX_WAITING = 100_000

/** Turns pushed values into an async iterable that ends with the signal. */
export class EventQueue<T> {
  #waiting: T[] = []
  #wake: (() => void) | undefined
  #failure: Error | undefined

  push(values: readonly T[]): void {
    if (this.#waiting.length + values.length > MAX_WAITING) {
      this.#failure = new PeerfoldError('BUSY', `more than ${MAX_WAITING} changes wait for their reader`, {
        hint: 'Go on from the last cursor.',
      })
      this.#waiting = []
    } else this.#waiting.push(...values)
    this.#wake?.()
  }

  fail(error: Error): void {
    this.#failure = error
    this.#wake?.()
  }

  async *values({ signal }: AbortOptions = {}): AsyncGenerator<T> {
    const wake = () => this.#wake?.()
    signal?.addEventListener('abort', wake)
    try {
      for (;;) {
        signal?.throwIfAborted()
        const values = this.#waiting
        this.#waiting = []
        for (const value of values) yield value
        if (this.#failure !== undefined) throw this.#failure
        if (this.#waiting.length > 0 || signal?.aborted === true) continue
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
      }
    } finally {
      signal?.removeEventListener('abort', wake)
    }
  }
}
