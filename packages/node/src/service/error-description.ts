import { type ErrorCode, FileSystemError, isPeerfoldError, PeerfoldError } from '@peerfold/core'

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
  const { code, hint, retryable } = new PeerfoldError(codeOf(error), message)
  return { code, message, hint, retryable }
}

const FULL = new Set(['ENOSPC', 'EDQUOT'])

/** What the system refused is no bug of ours. */
function codeOf(error: unknown): ErrorCode {
  const errno =
    error instanceof FileSystemError ? error.errno : (error as NodeJS.ErrnoException | undefined)?.code
  if (FULL.has(String(errno))) return 'STORE_FULL'
  const isSystem = error instanceof FileSystemError || (error instanceof Error && 'syscall' in error)
  return isSystem ? 'IO_FAILED' : 'INTERNAL'
}
