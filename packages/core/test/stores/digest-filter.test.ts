import { createSeededRandom } from '@peerfold/core/testing'
import { describe, expect, test } from 'vitest'
import { DigestFilter } from '../../src/stores/packed-blocks/digest-filter.js'

const SEED = 'digest filter'

describe(`a filter of digests (seed "${SEED}")`, () => {
  test('may hold all that were added, and hardly any other', () => {
    const random = createSeededRandom(SEED)
    const digest = () => Buffer.from(random.bytes(32)).toString('hex')
    const filter = new DigestFilter()
    const added = Array.from({ length: 20_000 }, digest)
    added.push('00000000'.padEnd(64, 'a'))
    for (const one of added) filter.add(one)
    expect(added.every((one) => filter.mayHold(one))).toBe(true)
    expect(Array.from({ length: 20_000 }, digest).filter((one) => filter.mayHold(one)).length).toBeLessThan(
      10,
    )
  })

  test('holds nothing when it is new, or was cleared', () => {
    const filter = new DigestFilter()
    const one = 'ab'.repeat(32)
    expect(filter.mayHold(one)).toBe(false)
    filter.add(one)
    filter.clear()
    expect(filter.mayHold(one)).toBe(false)
  })

  test('that would grow too large says of everything that it may be there', () => {
    const filter = new DigestFilter()
    for (let i = 1; i <= (1 << 21) + 1; i++) filter.add(i.toString(16).padStart(8, '0'))
    expect(filter.mayHold('f'.repeat(64))).toBe(true)
  })
})
