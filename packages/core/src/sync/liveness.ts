import { PeerfoldError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'
import type { Clock } from '../ports/clock.js'
import type { Channel } from './channel.js'
import type { Message } from './messages.js'

/** Silence after which the peer is asked for a sign of life. */
export const PING_MS = 15_000
/** Silence after which the peer counts as gone. */
export const DEAD_MS = 45_000

/**
 * Pings a silent peer and rejects with `TIMEOUT` when no byte came for too long. A timer that fires much too late means that this machine
 * slept: the peer then gets its chance anew.
 */
export async function watchLiveness(
  channel: Channel<Message>,
  clock: Clock,
  options?: AbortOptions,
): Promise<never> {
  let grace = clock.monotonic()
  let n = 0
  for (;;) {
    const before = clock.monotonic()
    await clock.sleep(PING_MS, options)
    const now = clock.monotonic()
    if (now - before > 2 * PING_MS) grace = now
    const silence = now - Math.max(channel.heard, grace)
    if (silence >= DEAD_MS)
      throw new PeerfoldError('TIMEOUT', `the peer was silent for ${Math.round(silence)} ms`)
    if (now - channel.heard >= PING_MS) channel.post({ type: 'ping', n: (n++ % 0xffff) + 1 })
  }
}
