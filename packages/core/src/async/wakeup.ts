import type { AbortOptions } from '../ports/abort.js'

/**
 * A condition variable: `wait` resolves at the next `wake`. The waiter checks its condition again in a loop, so a wake too many does no
 * harm and one too few is the only mistake to avoid.
 *
 * @example
 * ```ts
 * while (queue.length === 0) await changed.wait({ signal })
 * ```
 */
export class Wakeup {
  readonly #waiting = new Set<() => void>()

  /** Rejects with the signal's reason when aborted. */
  wait(options?: AbortOptions): Promise<void> {
    const signal = options?.signal
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      const wake = () => {
        signal?.removeEventListener('abort', abort)
        resolve()
      }
      const abort = () => {
        this.#waiting.delete(wake)
        reject(signal?.reason)
      }
      this.#waiting.add(wake)
      signal?.addEventListener('abort', abort, { once: true })
    })
  }

  wake(): void {
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const wake of waiting) wake()
  }
}
