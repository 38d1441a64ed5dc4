import { type AbortOptions, PeerfoldError } from '@peerfold/core'

export interface TakeLockOptions extends AbortOptions {
  /** Milliseconds for a holder that is just closing, such as the same page before a reload. */
  wait: number
}

/**
 * Takes the origin-wide lock `name`, so that two tabs never write one store. The lock ends with the page that holds it.
 *
 * @returns a function that releases it
 * @throws {PeerfoldError} `HOME_LOCKED` when it is still held after `wait`
 */
export async function takeLock(name: string, { wait, signal }: TakeLockOptions): Promise<() => void> {
  signal?.throwIfAborted()
  const deadline = AbortSignal.timeout(wait)
  const either = signal ? AbortSignal.any([signal, deadline]) : deadline
  const locks = requireLocks()
  return new Promise((resolve, reject) => {
    const hold = () => new Promise<void>((release) => resolve(release))
    locks
      .request(name, { signal: either }, hold)
      .catch((cause: unknown) => reject(deadline.aborted && !signal?.aborted ? locked(name, cause) : cause))
  })
}

function requireLocks(): LockManager {
  const { locks } = navigator as { locks?: LockManager }
  if (locks) return locks
  throw new PeerfoldError('INTERNAL', 'Web Locks are missing', {
    hint: 'Browsers offer them on HTTPS pages and on localhost only.',
  })
}

function locked(name: string, cause: unknown): PeerfoldError {
  const hint = 'Close the other tab of this app.'
  return new PeerfoldError('HOME_LOCKED', `${name} is open in another tab`, { cause, hint })
}
