const FEWEST = 1 << 12
/** Beyond half of these it would take more memory than the questions to the disk are worth. */
const MOST = 1 << 22

/**
 * Tells without a look at the disk that a block is not here: nearly every block that is put is new. Remembers four bytes of each digest that was
 * added; what it may hold has to be asked for.
 */
export class DigestFilter {
  #slots = new Uint32Array(FEWEST)
  #count = 0
  #overfull = false

  add(digest: string): void {
    if (this.#overfull) return
    if (2 * this.#count >= this.#slots.length) this.#grow()
    this.#insert(tagOf(digest))
  }

  mayHold(digest: string): boolean {
    const tag = tagOf(digest)
    return this.#overfull || this.#slots[this.#slotOf(tag)] === tag
  }

  clear(): void {
    this.#slots = new Uint32Array(FEWEST)
    this.#count = 0
    this.#overfull = false
  }

  #grow(): void {
    const old = this.#slots
    this.#overfull = old.length >= MOST
    this.#slots = new Uint32Array(this.#overfull ? 0 : 2 * old.length)
    this.#count = 0
    if (!this.#overfull) for (const tag of old) if (tag !== 0) this.#insert(tag)
  }

  #insert(tag: number): void {
    if (this.#overfull) return
    const slot = this.#slotOf(tag)
    if (this.#slots[slot] === 0) this.#count++
    this.#slots[slot] = tag
  }

  /** Where a tag lies, or would. At most half of the slots are taken. */
  #slotOf(tag: number): number {
    const mask = this.#slots.length - 1
    let slot = tag & mask
    while (this.#slots[slot] !== 0 && this.#slots[slot] !== tag) slot = (slot + 1) & mask
    return slot
  }
}

/** Never 0, which stands for an empty slot. */
function tagOf(digest: string): number {
  return Number.parseInt(digest.slice(0, 8), 16) || 1
}
