import { isPeerfoldError } from '@peerfold/core'

/** What the page shows of an error. */
export interface Failure {
  code: string
  message: string
  hint: string
}

/** The hints of Peerfold speak of its command line; these say the same to who looks at a page. */
const HINTS: Record<string, string> = {
  DIAL_FAILED: 'Check that the other device is on and connected to a network that this browser can reach.',
  TICKET_EXPIRED: 'Invitations last ten minutes: make a new one on the other device.',
  TICKET_USED: 'An invitation works once: make a new one on the other device.',
  TICKET_INVALID: 'Copy the whole invitation, from “peerfold:” to its last character.',
  NOT_FOUND: 'It may have been moved or deleted on another device.',
  NO_PATH: 'No other device and no relay can be reached. Start another device, or check the network.',
  BLOCKS_UNAVAILABLE: 'It comes as soon as a device or relay that holds it is connected.',
  RELAY_NOT_FOUND: 'It was removed already.',
  DEVICE_NOT_FOUND: 'It was removed already.',
  WORKSPACE_NOT_FOUND: 'It may have been removed from this browser.',
  HOME_LOCKED: 'Close the other tabs of this drive, or wait a little.',
  IDENTITY_EXISTS: 'This browser has an identity already: reload the page.',
  STORE_FULL: 'Free space on this computer, or allow this site to keep more; nothing was lost.',
  ABORTED: 'It was cancelled.',
}

export function describeFailure(error: unknown): Failure {
  if (isPeerfoldError(error)) {
    const { code, message, hint } = error
    return { code, message, hint: HINTS[code] ?? hint }
  }
  if (error instanceof DOMException && error.name === 'QuotaExceededError') {
    return { code: 'STORE_FULL', message: 'this browser has no more room', hint: HINTS.STORE_FULL as string }
  }
  const message = error instanceof Error ? error.message : String(error)
  return { code: 'UNEXPECTED', message, hint: 'Reload the page; if it happens again, please report it.' }
}

/** Whether it was ended by a person's wish. */
export function isCancelled(error: unknown): boolean {
  return isPeerfoldError(error, 'ABORTED') || (error instanceof DOMException && error.name === 'AbortError')
}
