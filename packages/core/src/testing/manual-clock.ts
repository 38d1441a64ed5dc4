import type { Clock } from '../ports/clock.js'

/** A `Clock` that stands still until it is told to move: sleepers wake in order of their time, then of their call. */
export interface ManualClock extends Clock {
  /** Moves time on by `ms`, waking sleepers on the way; lets what they do run before the next one wakes. */
  advance(ms: number): Promise<void>
  /** Moves to the next sleeper and wakes it; false when nobody sleeps. */
  step(): Promise<boolean>
  /** Makes the wall clock jump, as a person setting it does. The monotonic clock does not move. */
  setNow(now: number): void
  readonly sleepers: number
}

interface Sleeper {
  at: number
  wake: () => void
}

/**
 * @param start wall time in milliseconds. @default 2024-01-01T00:00:00Z
 *
 * @example
 * ```ts
 * const clock = createManualClock()
 * const slept = clock.sleep(1000)
 * await clock.advance(1000)
 * await slept
 * ```
 */
export function createManualClock(start = 1_704_067_200_000): ManualClock {
  const sleepers: Sleeper[] = []
  let offset = start
  let time = 0

  const wakeNext = async (limit: number): Promise<boolean> => {
    const next = sleepers[0]
    if (next === undefined || next.at > limit) return false
    sleepers.shift()
    time = Math.max(time, next.at)
    next.wake()
    await settle()
    return true
  }

  return {
    now: () => offset + time,
    monotonic: () => time,
    sleep: (ms, options) =>
      new Promise((resolve, reject) => {
        const signal = options?.signal
        if (signal?.aborted) return reject(signal.reason)
        const sleeper: Sleeper = { at: time + Math.max(0, ms), wake: () => {} }
        const abort = () => {
          sleepers.splice(sleepers.indexOf(sleeper), 1)
          reject(signal?.reason)
        }
        sleeper.wake = () => {
          signal?.removeEventListener('abort', abort)
          resolve()
        }
        signal?.addEventListener('abort', abort, { once: true })
        insert(sleepers, sleeper)
      }),
    advance: async (ms) => {
      await settle()
      const until = time + ms
      while (await wakeNext(until)) {}
      time = Math.max(time, until)
    },
    step: async () => {
      await settle()
      return wakeNext(Number.POSITIVE_INFINITY)
    },
    setNow: (now) => {
      offset = now - time
    },
    get sleepers() {
      return sleepers.length
    },
  }
}

function insert(sleepers: Sleeper[], sleeper: Sleeper): void {
  const index = sleepers.findIndex((other) => other.at > sleeper.at)
  sleepers.splice(index === -1 ? sleepers.length : index, 0, sleeper)
}

/** Lets promise chains that are ready run to their next wait. A task of the platform, so it does not depend on their length. */
function settle(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel()
    port1.onmessage = () => {
      port1.close()
      resolve()
    }
    port2.postMessage(0)
  })
}
