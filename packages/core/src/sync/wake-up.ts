import type { AbortOptions } from '../ports/abort.js'
import type { Clock } from '../ports/clock.js'

const TICK_MS = 10_000
/** The wall clock jumped by this much more than was waited: the machine slept. */
const JUMP_MS = 30_000

/** Calls `wokeUp` whenever the machine has slept: it has other neighbours now. Runs until aborted. */
export async function watchForSleep(clock: Clock, wokeUp: () => void, options: AbortOptions): Promise<void> {
  while (options.signal?.aborted !== true) {
    const before = { wall: clock.now(), steady: clock.monotonic() }
    await clock.sleep(TICK_MS, options)
    const steady = clock.monotonic() - before.steady
    const jump = Math.max(clock.now() - before.wall, steady) - TICK_MS
    if (jump > JUMP_MS) wokeUp()
  }
}
