import type { PeerfoldError } from '../errors.js'
import type { Clock } from '../ports/clock.js'

/** How long a device may be without any peer before it says so. */
const PATIENCE_MS = 10_000

export interface SolitudeInit {
  clock: Clock
  /** Whether there are devices to be connected with, and none is. */
  isAlone(): boolean
  /** What to say then. */
  describe(): PeerfoldError
  onChange(problem: PeerfoldError | undefined): void
}

/** Says that a device has no way to any other, once that has lasted, and when it is over. */
export class Solitude {
  readonly #init: SolitudeInit
  #waiting: AbortController | undefined
  #problem: PeerfoldError | undefined

  constructor(init: SolitudeInit) {
    this.#init = init
  }

  get problem(): PeerfoldError | undefined {
    return this.#problem
  }

  /** Somebody came or went. Starts the wait unless it runs, or ends it. */
  judge(): void {
    if (!this.#init.isAlone()) {
      this.stop()
      this.#set(undefined)
      return
    }
    if (this.#waiting !== undefined) return
    const waiting = new AbortController()
    this.#waiting = waiting
    this.#init.clock.sleep(PATIENCE_MS, { signal: waiting.signal }).then(
      () => this.#set(this.#init.describe()),
      () => {},
    )
  }

  /** Idempotent. */
  stop(): void {
    this.#waiting?.abort()
    this.#waiting = undefined
  }

  #set(problem: PeerfoldError | undefined): void {
    if (this.#problem === undefined && problem === undefined) return
    this.#problem = problem
    this.#init.onChange(problem)
  }
}
