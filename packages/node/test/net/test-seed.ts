import { createSeededRandom } from '@peerfold/core/testing'

const random = createSeededRandom('network tests')

/** A new key for each peer of a test run, the same ones in every run. */
export function testSeed(): Uint8Array {
  return random.bytes(32)
}
