import { describe, expect, test } from 'vitest'
import { EventQueue } from '../../src/workspace/event-queue.js'

describe('EventQueue', () => {
  test('gives what was pushed, in order, before and while it is read', async () => {
    const queue = new EventQueue<number>()
    queue.push([1, 2])
    const values = queue.values()
    expect((await values.next()).value).toBe(1)
    expect((await values.next()).value).toBe(2)
    const third = values.next()
    queue.push([3])
    expect((await third).value).toBe(3)
  })

  test('ends with the reason of the signal', async () => {
    const controller = new AbortController()
    const waiting = new EventQueue<number>().values({ signal: controller.signal }).next()
    controller.abort(new Error('enough'))
    await expect(waiting).rejects.toThrow('enough')
  })

  test('throws what it failed with after what came before', async () => {
    const queue = new EventQueue<number>()
    queue.push([1])
    queue.fail(new Error('closed'))
    const values = queue.values()
    expect((await values.next()).value).toBe(1)
    await expect(values.next()).rejects.toThrow('closed')
  })

  test('a reader that never reads costs bounded memory and learns that it missed something', async () => {
    const queue = new EventQueue<number>()
    for (let i = 0; i < 11; i++) queue.push(Array.from({ length: 10_000 }, () => i))
    await expect(queue.values().next()).rejects.toMatchObject({ code: 'BUSY' })
  })
})
