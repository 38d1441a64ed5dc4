import { PeerfoldError } from '@peerfold/core'

/**
 * Takes the page-wide lock `name`, so that two tabs never write one store. The lock ends with the page that holds it.
 *
 * @param wait milliseconds for a holder that is just closing, such as the same page before a reload
 * @returns a function that releases it
 * @throws {PeerfoldError} `HOME_LOCKED` when it is still held after `wait`
 */
export async function takeLock(name: string, wait: number): Promise<() => void> {
  return new Promise((resolve, reject) => {
    const hold = () => new Promise<void>((release) => resolve(release))
    navigator.locks.request(name, { signal: AbortSignal.timeout(wait) }, hold).catch((cause: unknown) =>
      reject(
        new PeerfoldError('HOME_LOCKED', `${name} is open in another tab`, {
          cause,
          hint: 'Close the other tab of this app.',
        }),
      ),
    )
  })
}
