/** Typed events. A listener that throws does not keep the others from hearing; its error is thrown on as an uncaught one. */
export class Emitter<Events extends { [E in keyof Events]: (...args: never[]) => void }> {
  readonly #listeners = new Map<keyof Events, Set<(...args: never[]) => void>>()

  /** Returns the function that removes the listener. */
  on<E extends keyof Events>(event: E, listener: Events[E]): () => void {
    const own = (...args: never[]) => listener(...args)
    const listeners = this.#listeners.get(event) ?? new Set()
    this.#listeners.set(event, listeners.add(own))
    return () => listeners.delete(own)
  }

  emit<E extends keyof Events>(event: E, ...args: Parameters<Events[E]>): void {
    for (const listener of [...(this.#listeners.get(event) ?? [])]) {
      try {
        listener(...(args as never[]))
      } catch (error) {
        queueMicrotask(() => {
          throw error
        })
      }
    }
  }

  clear(): void {
    this.#listeners.clear()
  }
}
