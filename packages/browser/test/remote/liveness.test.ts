import { describe, expect, test, vi } from 'vitest'
import { LIVENESS_LOOKS, LIVENESS_MS } from '../../src/remote/limits.js'
import { Liveness } from '../../src/remote/liveness.js'
import { connectedWorkspace, until } from './connected.js'

describe('the other side is given up', () => {
  test('when it is silent in spite of pings, and not before', () => {
    vi.useFakeTimers()
    const [ping, lost] = [vi.fn(), vi.fn()]
    const liveness = new Liveness({ ping, lost })
    for (let look = 0; look < 10; look++) {
      vi.advanceTimersByTime(LIVENESS_MS)
      liveness.heard()
    }
    expect(ping).toHaveBeenCalledTimes(10)
    vi.advanceTimersByTime(LIVENESS_LOOKS * LIVENESS_MS)
    expect(lost).not.toHaveBeenCalled()
    vi.advanceTimersByTime(10 * LIVENESS_MS)
    expect(lost).toHaveBeenCalledTimes(1)
    vi.useRealTimers()
  })

  test('only while it matters', () => {
    vi.useFakeTimers()
    const [ping, lost] = [vi.fn(), vi.fn()]
    const liveness = new Liveness({ ping, lost, matters: () => false })
    vi.advanceTimersByTime(100 * LIVENESS_MS)
    expect([ping.mock.calls, lost.mock.calls]).toEqual([[], []])
    liveness.stop()
    vi.useRealTimers()
  })

  test('when it holds a transaction and hangs: the device is free again', async () => {
    await using world = await connectedWorkspace()
    const { notes, original } = world
    const frames: Array<{ type: string; note?: { tx?: number } }> = []
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    const client = await world.dial()
    client.onMessage((message) => frames.push(message as (typeof frames)[number]))
    const target = { workspace: notes.id }
    client.post({ type: 'open', id: 1, method: 'transact', target, args: {}, window: 0 })
    await until(() => frames.some(({ note }) => note?.tx !== undefined))
    vi.advanceTimersByTime(10 * LIVENESS_MS)
    await until(() => frames.some(({ type }) => type === 'bye'))
    expect(frames.some(({ type }) => type === 'ping')).toBe(true)
    vi.useRealTimers()
    await original.write('a', 'a')
    client.close()
  })
})
