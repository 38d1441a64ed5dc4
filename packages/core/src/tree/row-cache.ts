/** Rows used last, by key; what is known to be absent counts too. Bounded by their number. */
export class RowCache {
  readonly #rows = new Map<string, unknown>()

  constructor(private readonly limit: number) {}

  has(key: string): boolean {
    return this.#rows.has(key)
  }

  get(key: string): unknown {
    const row = this.#rows.get(key)
    this.#rows.delete(key)
    this.#rows.set(key, row)
    return row
  }

  set(key: string, row: unknown): void {
    this.#rows.delete(key)
    this.#rows.set(key, row)
    if (this.#rows.size <= this.limit) return
    for (const oldest of this.#rows.keys()) {
      this.#rows.delete(oldest)
      break
    }
  }

  clear(): void {
    this.#rows.clear()
  }
}
