import { PeerfoldError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'
import type { Clock } from '../ports/clock.js'

/**
 * Runs `task` with a signal that aborts when the caller's does, or after `ms`: then with `TIMEOUT`, saying what was waited for.
 *
 * @throws {PeerfoldError} `TIMEOUT`
 */
export async function withDeadline<T>(
  clock: Clock,
  ms: number,
  what: string,
  task: (signal: AbortSignal) => Promise<T>,
  options?: AbortOptions,
): Promise<T> {
  const done = new AbortController()
  const late = new AbortController()
  const signals = [late.signal, ...(options?.signal ? [options.signal] : [])]
  clock.sleep(ms, { signal: done.signal }).then(
    () => late.abort(new PeerfoldError('TIMEOUT', `${what} took longer than ${ms} ms`)),
    () => {},
  )
  try {
    return await raceSignal(task(AbortSignal.any(signals)), AbortSignal.any(signals))
  } finally {
    done.abort()
  }
}

/** The outcome of `promise`, or a rejection with the signal's reason if that comes first. The promise goes on regardless. */
export function raceSignal<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason)
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}
