import type { Clock } from '../ports/clock.js'

/** The platform's clocks. A sleep does not keep a Node process alive by itself. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: (ms, options) => sleepUntil(performance.now() + ms, options?.signal),
}

/** Longest delay that timers take: 2^31 − 1 ms. Longer sleeps are several timers. */
const LONGEST_TIMER = 2 ** 31 - 1

async function sleepUntil(deadline: number, signal?: AbortSignal): Promise<void> {
  do {
    await timer(Math.min(LONGEST_TIMER, Math.max(0, deadline - performance.now())), signal)
  } while (performance.now() < deadline - 1)
}

function timer(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    const abort = () => {
      clearTimeout(handle)
      reject(signal?.reason)
    }
    const handle = setTimeout(() => {
      signal?.removeEventListener('abort', abort)
      resolve()
    }, ms)
    // A number in browsers; an object with `unref` on Node.
    if (typeof handle === 'object') (handle as { unref?: () => void }).unref?.()
    signal?.addEventListener('abort', abort, { once: true })
  })
}
