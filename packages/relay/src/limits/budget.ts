import { type AbortOptions, type Clock, PeerfoldError } from '@peerfold/core'
import { Wakeup, withDeadline } from '@peerfold/core/relay'

/** Bytes that may be in memory at a time, for all devices together. */
export class Budget {
  readonly #freed = new Wakeup()
  #left: number

  constructor(total: number) {
    this.#left = total
  }

  /** Takes all of it or nothing. */
  tryTake(bytes: number): boolean {
    if (bytes > this.#left) return false
    this.#left -= bytes
    return true
  }

  /** @throws {PeerfoldError} `BUSY` when others keep it all for too long */
  async take(clock: Clock, ms: number, bytes: number, options?: AbortOptions): Promise<void> {
    if (this.tryTake(bytes)) return
    try {
      await withDeadline(
        clock,
        ms,
        'memory for an answer',
        async (signal) => {
          while (!this.tryTake(bytes)) await this.#freed.wait({ signal })
        },
        options,
      )
    } catch (cause) {
      options?.signal?.throwIfAborted()
      throw new PeerfoldError('BUSY', 'too many answers wait to be taken', {
        cause,
        details: { retryAfter: ms },
      })
    }
  }

  give(bytes: number): void {
    this.#left += bytes
    this.#freed.wake()
  }
}
