import { PeerfoldError } from '../errors.js'

/** @throws {PeerfoldError} `INVALID_ARGUMENT` unless `bytes` has `length` bytes */
export function checkLength(bytes: Uint8Array, length: number, what: string): void {
  if (bytes.length !== length) {
    throw new PeerfoldError('INVALID_ARGUMENT', `${what} has ${bytes.length} bytes instead of ${length}`)
  }
}

/** The error for a job that does not open. `index` says which of the batch. */
export function decryptFailed(index: number, reason: string): PeerfoldError {
  return new PeerfoldError('DECRYPT_FAILED', `job ${index} does not open: ${reason}`, { details: { index } })
}
