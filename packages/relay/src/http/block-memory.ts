/** What a block may need before its size is known; just above the largest (PROTOCOL.md §2). */
const RESERVED_BYTES = 1_200_000

/** Bytes of blocks that are in memory for readers, all together: each who is being answered has one. */
export class BlockMemory {
  readonly #limit: number
  #bytes = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  /** Room for one block. False when slow readers have it all. */
  take(): boolean {
    if (this.#bytes + RESERVED_BYTES > this.#limit) return false
    this.#bytes += RESERVED_BYTES
    return true
  }

  give(): void {
    this.#bytes -= RESERVED_BYTES
  }
}
