import { describe, expect, test } from 'vitest'
import { BufferPool } from '../../src/content/buffer-pool.js'

describe('a pool of buffers', () => {
  test('gives a buffer to one at a time, under the length that is asked for', () => {
    const pool = new BufferPool()
    const first = pool.take(300_000)
    expect(first.length).toBe(300_000)
    pool.give(first)
    pool.give(first.subarray(5, 10))
    const [second, third] = [pool.take(290_000), pool.take(290_000)]
    expect(second.buffer).toBe(first.buffer)
    expect(second.length).toBe(290_000)
    expect(third.buffer).not.toBe(first.buffer)
  })

  test('does not spend a large buffer on little', () => {
    const pool = new BufferPool()
    const large = pool.take(2_000_000)
    pool.give(large)
    expect(pool.take(100_000).buffer).not.toBe(large.buffer)
  })

  test('keeps no more than 4 MiB, nothing small, and nothing that was moved away', () => {
    const pool = new BufferPool()
    const small = pool.take(100)
    const taken = Array.from({ length: 20 }, () => pool.take(1 << 20))
    const moved = pool.take(1 << 20)
    structuredClone(moved, { transfer: [moved.buffer as ArrayBuffer] })
    for (const bytes of [small, moved, ...taken]) pool.give(bytes)
    const before = new Set(taken.map((bytes) => bytes.buffer))
    const again = Array.from({ length: 20 }, () => pool.take(1 << 20))
    expect(again.filter((bytes) => before.has(bytes.buffer))).toHaveLength(4)
    expect(pool.take(100).buffer).not.toBe(small.buffer)
  })
})
