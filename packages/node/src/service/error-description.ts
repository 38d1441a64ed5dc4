import { isPeerfoldError, PeerfoldError } from '@peerfold/core'

/** An error as programs read it. */
export interface ErrorDescription {
  code: string
  message: string
  hint: string
  retryable: boolean
}

export function describeError(error: unknown): ErrorDescription {
  if (isPeerfoldError(error)) {
    const { code, message, hint, retryable } = error
    return { code, message, hint, retryable }
  }
  const message = error instanceof Error ? error.message : String(error)
  const { code, hint, retryable } = new PeerfoldError('INTERNAL', message)
  return { code, message, hint, retryable }
}
