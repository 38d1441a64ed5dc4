import { toUtf8 } from '../encoding/bytes.js'
import { sha256Now } from '../encoding/derive.js'
import type { Random } from '../ports/random.js'

/** A `Random` that gives the same bytes for the same seed, whatever the sizes of the calls before. Never for production. */
export interface SeededRandom extends Random {
  /** Uniform in [0, 1), 53 bits. */
  float(): number
  /** Uniform integer in [0, below). */
  integer(below: number): number
  /** One of `items`, which must not be empty. */
  pick<T>(items: readonly T[]): T
  /** An independent stream: using it does not move this one. */
  fork(label: string): SeededRandom
}

/**
 * @example
 * ```ts
 * const random = createSeededRandom(42)
 * random.bytes(32)
 * ```
 */
export function createSeededRandom(seed: number | string): SeededRandom {
  const next = xoshiro128(sha256Now(toUtf8(`peerfold seed ${seed}`)))
  const bytes = byteStream(next)
  const float = () => ((next() >>> 5) * 0x4000000 + (next() >>> 6)) / 2 ** 53
  const integer = (below: number) => Math.floor(float() * below)
  return {
    bytes,
    float,
    integer,
    pick: <T>(items: readonly T[]) => items[integer(items.length)] as T,
    fork: (label) => createSeededRandom(`${seed}/${label}`),
  }
}

/** xoshiro128** (Blackman, Vigna): fast, and good enough for everything but secrets. */
function xoshiro128(seed: Uint8Array): () => number {
  const view = new DataView(seed.buffer, seed.byteOffset)
  let [a, b, c, d] = [view.getUint32(0), view.getUint32(4), view.getUint32(8), view.getUint32(12)]
  return () => {
    const x = Math.imul(b, 5)
    const result = Math.imul((x << 7) | (x >>> 25), 9) >>> 0
    const t = b << 9
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= t
    d = (d << 11) | (d >>> 21)
    return result
  }
}

/** Bytes of successive words; what a call leaves of a word goes to the next call. */
function byteStream(next: () => number): (length: number) => Uint8Array {
  let word = 0
  let left = 0
  return (length) => {
    const bytes = new Uint8Array(length)
    for (let i = 0; i < length; i++) {
      if (left === 0) {
        word = next()
        left = 4
      }
      bytes[i] = word & 0xff
      word >>>= 8
      left--
    }
    return bytes
  }
}
