import type { AbortOptions } from '../ports/abort.js'
import type { Clock } from '../ports/clock.js'

export interface BucketInit {
  clock: Clock
  /** Tokens it holds when full. */
  burst: number
  /** Tokens that flow in per second. */
  rate: number
}

/** A token bucket: a peer that goes beyond its rate is read more slowly, which back pressure makes it feel. */
export class TokenBucket {
  readonly #init: BucketInit
  #tokens: number
  #filled: number

  constructor(init: BucketInit) {
    this.#init = init
    this.#tokens = init.burst
    this.#filled = init.clock.monotonic()
  }

  /** Takes a token if there is one. */
  tryTake(cost = 1): boolean {
    this.#fill()
    if (this.#tokens < cost) return false
    this.#tokens -= cost
    return true
  }

  /** Waits until the bucket has `cost` tokens and takes them. */
  async take(cost = 1, options?: AbortOptions): Promise<void> {
    while (!this.tryTake(cost)) await this.#init.clock.sleep(this.wait(cost), options)
  }

  /** Milliseconds until `cost` tokens are there. */
  wait(cost = 1): number {
    this.#fill()
    return Math.max(0, Math.ceil((1000 * (cost - this.#tokens)) / this.#init.rate))
  }

  #fill(): void {
    const now = this.#init.clock.monotonic()
    const flown = ((now - this.#filled) * this.#init.rate) / 1000
    this.#tokens = Math.min(this.#init.burst, this.#tokens + flown)
    this.#filled = now
  }
}
