import type { AbortOptions } from '../ports/abort.js'

/** Runs tasks one after the other, in order of arrival. */
export class Mutex {
  #tail: Promise<unknown> = Promise.resolve()

  /** An aborted wait rejects with the signal's reason; a task that has begun sees to the signal itself. */
  run<T>(task: () => Promise<T>, options?: AbortOptions): Promise<T> {
    const signal = options?.signal
    signal?.throwIfAborted()
    return new Promise<T>((resolve, reject) => {
      let waiting = true
      const abort = () => {
        waiting = false
        reject(signal?.reason)
      }
      signal?.addEventListener('abort', abort, { once: true })
      this.#tail = this.#tail.then(async () => {
        signal?.removeEventListener('abort', abort)
        if (waiting) await task().then(resolve, reject)
      })
    })
  }
}
