import type { WatchHint } from '@peerfold/core'

const MAX_DIRECTORIES = 10_000

/** Hints that wait to be taken, each directory once; too many become one overflow. */
export class HintQueue {
  readonly #dirty = new Set<string>()
  #overflow = false
  #failure: Error | undefined
  #wake: () => void = () => {}

  constructor(private readonly signal: AbortSignal | undefined) {}

  push(hint: WatchHint): void {
    if (hint.type === 'overflow') this.#overflow = true
    else this.#dirty.add(hint.directory)
    if (this.#dirty.size > MAX_DIRECTORIES) this.#overflow = true
    if (this.#overflow) this.#dirty.clear()
    this.#wake()
  }

  /** Ends the hints with an error, once those before it were taken. */
  fail(error: Error): void {
    this.#failure ??= error
    this.#wake()
  }

  /** @throws the signal's reason when aborted, or what `fail` was given */
  async *drain(): AsyncGenerator<WatchHint> {
    for (;;) {
      this.signal?.throwIfAborted()
      if (this.#overflow) {
        this.#overflow = false
        yield { type: 'overflow' }
      }
      const [directory] = this.#dirty
      if (directory !== undefined) {
        this.#dirty.delete(directory)
        yield { type: 'dirty', directory }
      } else if (this.#failure !== undefined) throw this.#failure
      else if (!this.#overflow) await this.#next()
    }
  }

  #next(): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        this.signal?.removeEventListener('abort', done)
        this.#wake = () => {}
        resolve()
      }
      this.#wake = done
      this.signal?.addEventListener('abort', done)
      if (this.signal?.aborted) done()
    })
  }
}
