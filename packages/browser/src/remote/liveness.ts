import { LIVENESS_LOOKS, LIVENESS_MS } from './limits.js'

export interface LivenessInit {
  ping(): void
  /** Nothing was heard for too long. Called once. */
  lost(): void
  /** Whether it matters now. @default always */
  matters?(): boolean
}

/** Finds out that the other side no longer answers, though nobody said that it has gone: it hangs, or the browser froze it. */
export class Liveness {
  readonly #init: LivenessInit
  readonly #timer: ReturnType<typeof setInterval>
  #silent = 0

  constructor(init: LivenessInit, periodMs = LIVENESS_MS) {
    this.#init = init
    this.#timer = setInterval(() => this.#look(), periodMs)
  }

  /** Something was heard. */
  heard(): void {
    this.#silent = 0
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #look(): void {
    if (this.#init.matters?.() === false) {
      this.#silent = 0
      return
    }
    if (this.#silent++ >= LIVENESS_LOOKS) {
      this.stop()
      this.#init.lost()
    } else this.#init.ping()
  }
}
