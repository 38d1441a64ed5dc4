import type { AbortOptions } from '@peerfold/core'

/**
 * Takes a Web Lock, waiting for whoever holds it. The browser frees it when this page or worker ends, however it ends.
 *
 * @returns frees it
 */
export async function holdLock(name: string, { signal }: AbortOptions = {}): Promise<() => void> {
  return await new Promise((resolve, reject) => {
    const hold = () => new Promise<void>((release) => resolve(release))
    navigator.locks.request(name, { signal }, hold).catch(reject)
  })
}

/** Resolves when nobody holds a Web Lock exclusively. Any number can wait. */
export async function whenFree(name: string, { signal }: AbortOptions = {}): Promise<void> {
  await navigator.locks.request(name, { mode: 'shared', signal }, () => {})
}
