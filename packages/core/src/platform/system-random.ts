import type { Random } from '../ports/random.js'

/** `getRandomValues` refuses more than this at once. */
const MOST_AT_ONCE = 65_536

/** The platform's cryptographically secure random number generator. */
export const systemRandom: Random = {
  bytes(length) {
    const bytes = new Uint8Array(length)
    for (let at = 0; at < length; at += MOST_AT_ONCE) {
      globalThis.crypto.getRandomValues(bytes.subarray(at, at + MOST_AT_ONCE))
    }
    return bytes
  },
}
