import type { AbortOptions } from '@peerfold/core'
import { Wakeup } from '@peerfold/core/async'

/** What may still be sent. It can go below nothing by one piece: pieces are not cut for it. */
export class Credit {
  readonly #max: number
  readonly #added = new Wakeup()
  #left: number

  constructor(initial: number, max = Number.MAX_SAFE_INTEGER) {
    this.#max = max
    this.#left = Math.min(initial, max)
  }

  get exhausted(): boolean {
    return this.#left <= 0
  }

  add(amount: number): void {
    this.#left = Math.min(this.#left + amount, this.#max)
    this.#added.wake()
  }

  spend(amount: number): void {
    this.#left -= amount
  }

  /** Resolves when something may be sent. @throws the signal's reason */
  async available(options?: AbortOptions): Promise<void> {
    while (this.#left <= 0) await this.#added.wait(options)
  }
}
