import type { Clock } from '../ports/clock.js'

/** Requests that a peer may make at once, and each second after. An honest one makes a few hundred at full speed. */
const BURST = 4_000
const PER_SECOND = 1_000

/** A token bucket: who asks too much is read more slowly. */
export class RequestRate {
  readonly #clock: Clock
  #tokens = BURST
  #at: number

  constructor(clock: Clock) {
    this.#clock = clock
    this.#at = clock.monotonic()
  }

  async pass(signal: AbortSignal): Promise<void> {
    if (this.#tokens < 1) this.#refill()
    if (this.#tokens < 1) {
      await this.#clock.sleep(100, { signal })
      this.#refill()
    }
    this.#tokens--
  }

  #refill(): void {
    const now = this.#clock.monotonic()
    this.#tokens = Math.min(BURST, this.#tokens + ((now - this.#at) * PER_SECOND) / 1000)
    this.#at = now
  }
}
