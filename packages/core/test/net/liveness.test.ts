import type { Connection } from '@libp2p/interface'
import { describe, expect, test } from 'vitest'
import { Liveness } from '../../src/net/liveness.js'
import { createManualClock } from '../../src/testing/manual-clock.js'

/** A connection as far as liveness looks at it. Pings are never answered. */
function fakeConnection() {
  const seen = { pings: 0, aborted: undefined as Error | undefined }
  const connection = {
    newStream: (_: string, { signal }: { signal: AbortSignal }) => {
      seen.pings++
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    },
    abort: (error: Error) => {
      seen.aborted = error
    },
  } as unknown as Connection
  return { connection, seen }
}

function watch(...connections: Connection[]) {
  const clock = createManualClock()
  const liveness = new Liveness({ clock, connections: () => connections })
  return { clock, liveness }
}

describe('liveness', () => {
  test('asks a silent peer, and hangs up after a minute without a byte', async () => {
    const { connection, seen } = fakeConnection()
    const { clock, liveness } = watch(connection)
    await clock.advance(20_000)
    expect(seen.pings).toBe(0)
    await clock.advance(20_000)
    expect(seen.pings).toBe(1)
    expect(seen.aborted).toBeUndefined()
    await clock.advance(40_000)
    expect(seen.aborted).toMatchObject({ code: 'NOT_CONNECTED' })
    liveness.close()
  })

  test('leaves a slow peer alone as long as bytes come, though it answers no ping', async () => {
    const { connection, seen } = fakeConnection()
    const { clock, liveness } = watch(connection)
    for (let i = 0; i < 20; i++) {
      liveness.heard(connection)
      await clock.advance(30_000)
    }
    expect(seen.aborted).toBeUndefined()
    liveness.close()
  })

  test('asks one ping at a time', async () => {
    const { connection, seen } = fakeConnection()
    const { clock, liveness } = watch(connection)
    await clock.advance(59_000)
    expect(seen.pings).toBe(1)
    liveness.close()
    expect(clock.sleepers).toBeLessThanOrEqual(2)
  })

  test('gives everyone a new chance after the machine slept', async () => {
    const { connection, seen } = fakeConnection()
    const clock = createManualClock()
    let jump = 0
    const jumping = { ...clock, monotonic: () => clock.monotonic() + jump, sleep: clock.sleep }
    const liveness = new Liveness({ clock: jumping, connections: () => [connection] })
    await clock.advance(10_000)
    jump = 3_600_000
    await clock.advance(10_000)
    expect(seen.aborted).toBeUndefined()
    expect(seen.pings).toBe(1)
    liveness.close()
  })
})
