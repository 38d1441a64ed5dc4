import type { Random } from '../ports/random.js'

export interface BackoffInit {
  /** Milliseconds before the first retry, and the most before any. */
  first: number
  most: number
  random: Random
}

/** Waiting times that double, each off by up to half, so that devices do not knock in step. */
export class Backoff {
  readonly #init: BackoffInit
  #tries = 0

  constructor(init: BackoffInit) {
    this.#init = init
  }

  next(): number {
    const { first, most, random } = this.#init
    const wait = Math.min(most, first * 2 ** Math.min(this.#tries++, 30))
    return wait * (0.5 + fraction(random))
  }

  reset(): void {
    this.#tries = 0
  }
}

/** Uniform in [0, 1). */
export function fraction(random: Random): number {
  const bytes = random.bytes(4)
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0) / 2 ** 32
}
