import type { AbortOptions } from './abort.js'

/** Time, injectable so that a whole network of devices can run under a simulated clock. */
export interface Clock {
  /** Wall time in milliseconds since 1970. Only shown to people and clamped by causality, never trusted for order. */
  now(): number
  /** Milliseconds on a clock that never jumps. For deadlines and intervals. */
  monotonic(): number
  /** Resolves after `ms`; rejects with the signal's reason when aborted. Does not keep a process alive by itself. */
  sleep(ms: number, options?: AbortOptions): Promise<void>
}
