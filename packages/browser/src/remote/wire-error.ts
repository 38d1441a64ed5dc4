import { ERROR_CODES, type ErrorCode, isPeerfoldError, PeerfoldError } from '@peerfold/core'

/** A `PeerfoldError` as it crosses between client and device. */
export interface WireError {
  code: string
  message: string
  hint: string
  retryable: boolean
  details: Readonly<Record<string, unknown>>
}

/** What browsers say about storage and about files of the person, in the terms of Peerfold. */
const DOM_ERRORS: Readonly<Record<string, ErrorCode>> = {
  QuotaExceededError: 'STORE_FULL',
  NotReadableError: 'IO_FAILED',
  AbortError: 'ABORTED',
  TimeoutError: 'TIMEOUT',
}

/** Any error; what is not a `PeerfoldError` is a bug or the browser's own. */
export function toWireError(error: unknown): WireError {
  const { code, message, hint, retryable, details } = toPeerfoldError(error)
  return { code, message, hint, retryable, details: cloneable(details) }
}

function toPeerfoldError(error: unknown): PeerfoldError {
  if (isPeerfoldError(error)) return error
  const { name, message } = error instanceof Error || error instanceof DOMException ? error : nameless(error)
  return new PeerfoldError(DOM_ERRORS[name] ?? 'INTERNAL', message === '' ? name : message)
}

function nameless(error: unknown): { name: string; message: string } {
  return { name: 'Error', message: String(error) }
}

function cloneable(details: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  try {
    return structuredClone(details)
  } catch {
    return {}
  }
}

export function fromWireError({ code, message, hint, retryable, details }: WireError): PeerfoldError {
  const known = ERROR_CODES.find((each) => each === code) ?? 'INTERNAL'
  return new PeerfoldError(known, message, { hint, retryable, details })
}
