import type { AbortOptions } from '../ports/abort.js'

interface Barrier {
  /** Its scan began after the call. */
  scanned: boolean
  resolve(): void
  reject(error: unknown): void
}

/** Those who wait until all that lay on disk when they asked has been dealt with. */
export class Barriers {
  readonly #waiting = new Set<Barrier>()

  get size(): number {
    return this.#waiting.size
  }

  add({ signal }: AbortOptions): Promise<void> {
    if (signal?.aborted) return Promise.reject(signal.reason)
    return new Promise((resolve, reject) => {
      const end = () => {
        this.#waiting.delete(barrier)
        signal?.removeEventListener('abort', onAbort)
      }
      const barrier: Barrier = {
        scanned: false,
        resolve: () => {
          end()
          resolve()
        },
        reject: (error) => {
          end()
          reject(error)
        },
      }
      const onAbort = () => barrier.reject(signal?.reason)
      signal?.addEventListener('abort', onAbort)
      this.#waiting.add(barrier)
    })
  }

  /** A scan begins. @returns whether it has to look at everything, for somebody's sake */
  scan(): boolean {
    let fresh = false
    for (const barrier of this.#waiting) {
      fresh ||= !barrier.scanned
      barrier.scanned = true
    }
    return fresh
  }

  /** All that the scan saw has been dealt with. */
  pass(): void {
    for (const barrier of [...this.#waiting]) if (barrier.scanned) barrier.resolve()
  }

  /** What the scan saw can't be dealt with. */
  fail(error: unknown): void {
    for (const barrier of [...this.#waiting]) if (barrier.scanned) barrier.reject(error)
  }

  /** Nothing is scanned any more. */
  end(error: unknown): void {
    for (const barrier of [...this.#waiting]) barrier.reject(error)
  }
}
