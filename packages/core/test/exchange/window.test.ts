import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ReceiveWindow, WindowBudget } from '../../src/exchange/window.js'

const MIB = 1024 * 1024

describe('the receive window', () => {
  test('never promises more than its size, and always lets the largest block through in the end', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 1_150_000 }), { maxLength: 200 }), (blocks) => {
        const budget = new WindowBudget(64 * MIB)
        const window = new ReceiveWindow({ start: 2 * MIB, max: 16 * MIB, budget })
        window.open(0)
        window.grant()
        const held: number[] = []
        for (const block of blocks) {
          while (block > window.credit) {
            const stored = held.shift()
            expect(stored).toBeDefined()
            window.release(stored as number, 0, 0)
            window.grant()
          }
          expect(window.receive(block)).toBe(true)
          held.push(block)
          expect(window.credit + window.held).toBeLessThanOrEqual(window.size)
        }
      }),
    )
  })

  test('refuses what was not granted', () => {
    const window = new ReceiveWindow({ start: 1000, max: 1000, budget: new WindowBudget(1000) })
    window.open(0)
    expect(window.grant()).toBe(1000)
    expect(window.grant()).toBe(0)
    expect(window.receive(1001)).toBe(false)
    expect(window.receive(1000)).toBe(true)
    expect(window.receive(1)).toBe(false)
  })

  test('grows while a window passes within four round trips, up to its bound', () => {
    const window = new ReceiveWindow({ start: 1000, max: 3000, budget: new WindowBudget(10_000) })
    window.open(0)
    const pass = (now: number) => {
      window.grant()
      window.receive(1000)
      window.release(1000, now, 50)
    }
    pass(300)
    expect(window.size).toBe(1000)
    pass(400)
    expect(window.size).toBe(2000)
    pass(500)
    pass(550)
    expect(window.size).toBe(3000)
    for (let i = 0; i < 10; i++) pass(551)
    expect(window.size).toBe(3000)
  })

  test('shares one budget: who rests gives it to others, and finds its size again', () => {
    const budget = new WindowBudget(3000)
    const [a, b] = [1, 2].map(() => new ReceiveWindow({ start: 1000, max: 2000, budget }))
    a!.open(0)
    a!.grant()
    a!.receive(1000)
    a!.release(1000, 1, 50)
    expect(a!.size).toBe(2000)
    expect(b!.open(0)).toBe(true)
    const c = new ReceiveWindow({ start: 1000, max: 2000, budget })
    expect(c.open(0)).toBe(false)
    a!.shut()
    expect(c.open(0)).toBe(true)
    expect(a!.open(0)).toBe(true)
    expect(a!.size).toBe(1000)
    for (const window of [a!, b!, c]) window.shut()
    expect(a!.open(0)).toBe(true)
  })
})
