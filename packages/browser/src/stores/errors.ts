import { PeerfoldError } from '@peerfold/core'

/** Runs a storage call; what IndexedDB or abstract-level throw becomes a `PeerfoldError`. */
export async function stored<T>(what: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call()
  } catch (error) {
    throw toPeerfoldError(what, error)
  }
}

const CLOSED = new Set<unknown>(['LEVEL_DATABASE_NOT_OPEN', 'LEVEL_ITERATOR_NOT_OPEN'])

function toPeerfoldError(what: string, error: unknown): PeerfoldError {
  if (error instanceof PeerfoldError) return error
  if (isQuotaExceeded(error)) {
    return new PeerfoldError('STORE_FULL', `${what}: the browser gives no more storage`, { cause: error })
  }
  if (CLOSED.has((error as { code?: unknown }).code)) return closed(what)
  return new PeerfoldError('IO_FAILED', `${what} failed`, { cause: error })
}

function isQuotaExceeded(error: unknown): boolean {
  const names = [error, (error as { cause?: unknown }).cause].map((e) => (e as { name?: string })?.name)
  return names.includes('QuotaExceededError')
}

export function closed(what: string): PeerfoldError {
  return new PeerfoldError('CLOSED', `${what} is closed`)
}
