import { PeerfoldError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'

export interface DialFirstOptions extends AbortOptions {
  /** Throws when there is no use in further tries. */
  checkOpen: () => void
  /** What to say of an address that failed. */
  reasonOf: (error: unknown) => string
}

/**
 * The connection to the first of some addresses that answers, tried one after the other.
 *
 * @throws {PeerfoldError} `DIAL_FAILED` with `details.reasons` by address; what `checkOpen` throws; the signal's reason
 */
export async function dialFirst<T>(
  addresses: Iterable<string>,
  dialOne: (address: string) => Promise<T>,
  { signal, checkOpen, reasonOf }: DialFirstOptions,
): Promise<T> {
  const reasons: Record<string, string> = {}
  for (const address of addresses) {
    try {
      return await dialOne(address)
    } catch (error) {
      signal?.throwIfAborted()
      checkOpen()
      reasons[address] = reasonOf(error)
    }
  }
  const shown = Object.entries(reasons).map(([address, reason]) => `${address}: ${reason}`)
  throw new PeerfoldError('DIAL_FAILED', `no connection: ${shown.join('; ') || 'no addresses'}`, {
    details: { reasons },
  })
}
