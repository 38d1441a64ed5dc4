import { type ErrorCode, PeerfoldError } from '../errors.js'

/** libp2p's error names, as ours. What is not listed means that the connection or stream did not survive. */
const CODES: Record<string, ErrorCode> = {
  UnsupportedProtocolError: 'PROTOCOL_UNSUPPORTED',
  TooManyOutboundProtocolStreamsError: 'BUSY',
  TooManyInboundProtocolStreamsError: 'BUSY',
  InvalidParametersError: 'INVALID_ARGUMENT',
  TimeoutError: 'TIMEOUT',
}

/** Any error of libp2p as a `PeerfoldError`; ours pass unchanged. */
export function fromLibp2p(error: unknown, doing: string): PeerfoldError {
  if (error instanceof PeerfoldError) return error
  const name = error instanceof Error ? error.name : ''
  return new PeerfoldError(CODES[name] ?? 'NOT_CONNECTED', `${doing}: ${reasonOf(error)}`, { cause: error })
}

/** One line for people: the innermost message that says something. */
export function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) {
    return [...new Set(error.errors.map(reasonOf))].join(', ')
  }
  if (!(error instanceof Error)) return 'it ended'
  return error.message === '' ? error.name : error.message
}
