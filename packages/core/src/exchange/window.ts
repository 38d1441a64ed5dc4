/** Bytes that may be promised to all peers together. */
export class WindowBudget {
  #left: number

  constructor(total: number) {
    this.#left = total
  }

  /** Takes all of it or nothing. */
  take(bytes: number): boolean {
    if (bytes > this.#left) return false
    this.#left -= bytes
    return true
  }

  give(bytes: number): void {
    this.#left += bytes
  }
}

export interface ReceiveWindowInit {
  start: number
  max: number
  budget: WindowBudget
}

/**
 * The requester's side of flow control for one peer: what the peer may still send (`credit`) and what came but is not stored yet (`held`) never
 * exceed the window together. It grows while a whole window passes within a few round trips: then the window is what limits the rate.
 */
export class ReceiveWindow {
  readonly #init: ReceiveWindowInit
  #size = 0
  /** What it had grown to when it was last shut. */
  #last: number
  #credit = 0
  #held = 0
  #epoch = { start: 0, bytes: 0 }

  constructor(init: ReceiveWindowInit) {
    this.#init = init
    this.#last = init.start
  }

  get size(): number {
    return this.#size
  }

  get held(): number {
    return this.#held
  }

  get credit(): number {
    return this.#credit
  }

  /** Reserves memory before the first want. False when other peers have it all. */
  open(now: number): boolean {
    if (this.#size > 0) return true
    const { budget, start } = this.#init
    if (budget.take(this.#last)) this.#size = this.#last
    else if (budget.take(start)) this.#size = start
    else return false
    this.#epoch = { start: now, bytes: 0 }
    return true
  }

  /** Nothing is wanted and nothing is held: the memory goes to others. Credit given stays given, and useless without wants. */
  shut(): void {
    this.#init.budget.give(this.#size)
    if (this.#size > 0) this.#last = this.#size
    this.#size = 0
  }

  /** The stream is new: no credit has been given on it. */
  reset(): void {
    this.#credit = 0
  }

  /** A frame came. False when it exceeds the credit. */
  receive(bytes: number): boolean {
    if (bytes > this.#credit) return false
    this.#credit -= bytes
    this.#held += bytes
    return true
  }

  /** What came has been stored or dropped. */
  release(bytes: number, now: number, rtt: number): void {
    this.#held -= bytes
    this.#epoch.bytes += bytes
    if (this.#size === 0 || this.#epoch.bytes < this.#size) return
    if (now - this.#epoch.start < 4 * rtt) this.#grow()
    this.#epoch = { start: now, bytes: 0 }
  }

  /** Credit to give now, in few and large portions; 0 for none. */
  grant(): number {
    const free = this.#size - this.#credit - this.#held
    if (free < this.#size / 4 || free <= 0) return 0
    this.#credit += free
    return free
  }

  #grow(): void {
    const more = Math.min(this.#size, this.#init.max - this.#size)
    if (more > 0 && this.#init.budget.take(more)) this.#size += more
  }
}
