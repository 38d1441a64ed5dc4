import { PeerfoldError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'
import type { Clock } from '../ports/clock.js'

export interface RateLimitInit {
  clock: Clock
  /** Bytes per second. */
  rate: number
}

/** With less, peers would take this device for one that has stalled. Bytes per second. */
export const LEAST_LIMIT = 16 * 1024
/** Who was held up for so long, by a busy machine or because there was nothing to send, may make up for it. */
const SLACK_MS = 100

/**
 * Lets bytes pass at a rate, in the order in which they were announced: peers that always announce one small piece have equal shares. A schedule
 * rather than a bucket that is looked into again and again: each piece is told once when its turn comes.
 */
export class RateLimit {
  readonly #init: RateLimitInit
  /** Monotonic milliseconds at which all that was let pass so far has passed. */
  #free = Number.NEGATIVE_INFINITY

  /** @throws {PeerfoldError} `INVALID_ARGUMENT` */
  constructor(init: RateLimitInit) {
    if (!(init.rate >= LEAST_LIMIT))
      throw new PeerfoldError('INVALID_ARGUMENT', `a limit of ${init.rate} bytes per second is too low`, {
        hint: `The least is ${LEAST_LIMIT} bytes per second.`,
      })
    this.#init = init
  }

  /** Resolves when it is the turn of these bytes. Whoever aborts leaves a gap of the length of its piece. */
  async pass(bytes: number, options?: AbortOptions): Promise<void> {
    options?.signal?.throwIfAborted()
    const { clock, rate } = this.#init
    const now = clock.monotonic()
    const turn = Math.max(this.#free, now - SLACK_MS)
    this.#free = turn + (bytes * 1000) / rate
    if (turn > now) await clock.sleep(turn - now, options)
  }
}
