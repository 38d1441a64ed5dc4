/** Gathers what comes close together into one message; what comes alone goes at once. */
export class Outbox<T> {
  readonly #send: (items: T[]) => void
  readonly #cost: (item: T) => number
  readonly #full: number
  #items: T[] = []
  #gathered = 0
  #timer: ReturnType<typeof setTimeout> | undefined

  /** @param full what is sent without waiting for more */
  constructor(send: (items: T[]) => void, cost: (item: T) => number, full: number) {
    this.#send = send
    this.#cost = cost
    this.#full = full
  }

  push(item: T): void {
    this.#items.push(item)
    this.#gathered += this.#cost(item)
    if (this.#gathered >= this.#full) this.flush()
    else this.#timer ??= setTimeout(() => this.flush(), 0)
  }

  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#items.length === 0) return
    const items = this.#items
    this.#items = []
    this.#gathered = 0
    this.#send(items)
  }
}
