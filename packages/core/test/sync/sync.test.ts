import { afterEach, describe, expect, test } from 'vitest'
import { createManualClock } from '../../src/testing/manual-clock.js'
import { asLog, createFakeLog } from './fake-log.js'
import { advanceUntil, connect, createWorld, HANDLE, type World } from './world.js'

let world: World | undefined
afterEach(() => world?.close())

describe('two devices', () => {
  test('exchange what the other lacks when they meet, and new commits at once', async () => {
    const clock = createManualClock()
    world = createWorld(clock)
    const [a, b] = [world.peer(), world.peer()]
    const [logA, logB] = [createFakeLog('a'), createFakeLog('b')]
    for (let i = 0; i < 50; i++) await logA.commit(`a${i}`)
    for (let i = 0; i < 30; i++) await logB.commit(`b${i}`)
    a.sync.attach(HANDLE, asLog(logA))
    b.sync.attach(HANDLE, asLog(logB))
    await a.sync.start()
    await b.sync.start()
    await connect(a, b)
    await advanceUntil(clock, 'equal logs', () => logA.disk.size === 80 && logB.disk.size === 80, 1000)
    await logA.commit('live')
    await advanceUntil(clock, 'live commit', () => logB.disk.size === 81, 0)
    expect(a.sync.peers()).toHaveLength(1)
    expect(b.sync.peers()).toHaveLength(1)
  })
})
