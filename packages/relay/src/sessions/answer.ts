import { type ErrorCode, isPeerfoldError, PeerfoldError } from '@peerfold/core'
import type { RelayAnswer, RelayRequest } from '@peerfold/core/relay'
import { answerOpen, answerRegister } from './access.js'
import { answerPush, answerRead } from './commits.js'
import type { Context } from './context.js'
import { answerOffer } from './offers.js'
import { answerKeep, answerRecover } from './recovery.js'

/** What may be said as it is. Anything else is the relay's own trouble, of which only its operator reads. */
const TOLD: ReadonlySet<ErrorCode> = new Set([
  'WORKSPACE_NOT_FOUND',
  'UNAUTHORIZED',
  'RELAY_REFUSED',
  'ALREADY_EXISTS',
  'VERSION_MISMATCH',
  'COMMIT_INVALID',
  'COMMIT_TOO_LARGE',
  'COMMIT_HELD',
  'PROTOCOL_UNSUPPORTED',
  'QUOTA_EXCEEDED',
  'BUSY',
  'TIMEOUT',
  'CLOSED',
])
const MAX_MESSAGE = 300

/** @throws {PeerfoldError} `MESSAGE_INVALID` for a breach */
export async function answer(context: Context, request: RelayRequest): Promise<void> {
  const said = await answerTo(context, request)
  if (said !== undefined) context.post(said)
}

/** Undefined when everything was said already. */
async function answerTo(context: Context, request: RelayRequest): Promise<RelayAnswer | undefined> {
  switch (request.type) {
    case 'open':
      await answerOpen(context, request)
      return undefined
    case 'register':
      return answerRegister(context, request)
    case 'offer':
      return answerOffer(context, request)
    case 'push':
      return answerPush(context, request)
    case 'read':
      await answerRead(context, request)
      return undefined
    case 'token':
      return answerToken(context, request.n)
    case 'keep':
      return answerKeep(context, request)
    case 'recover':
      await answerRecover(context, request)
      return undefined
    case 'ping':
      return { type: 'pong', n: request.n }
  }
}

/** A ticket for HTTP (PROTOCOL.md §10.8), for the mailboxes that are open now. */
function answerToken({ parts, sender, opened }: Context, n: number): RelayAnswer {
  const handles = [...opened].flatMap(([handle, { role }]) => (role === 'rotation' ? [] : [handle]))
  if (handles.length === 0) throw new PeerfoldError('UNAUTHORIZED', 'no mailbox is open')
  return { type: 'ticket', n, urls: parts.urls(), ...parts.tokens.issue(sender.peer, handles) }
}

export function failure(n: number, error: unknown): RelayAnswer & { type: 'failed' } {
  const known = isPeerfoldError(error) ? error : undefined
  const { code, message } = told(known)
  const wait = known?.details.retryAfter
  const retryAfter = typeof wait === 'number' ? Math.max(0, Math.ceil(wait)) : undefined
  return { type: 'failed', n, code, message: message.slice(0, MAX_MESSAGE), retryAfter }
}

function told(error: PeerfoldError | undefined): { code: ErrorCode; message: string } {
  if (error === undefined) return { code: 'INTERNAL', message: 'the relay failed' }
  if (TOLD.has(error.code)) return error
  if (error.code === 'STORE_FULL') return { code: 'STORE_FULL', message: 'the disk of the relay is full' }
  if (error.code === 'IO_FAILED') return { code: 'IO_FAILED', message: 'the disk of the relay failed' }
  return { code: 'INTERNAL', message: 'the relay failed' }
}

/** Whether the operator has to hear of it. */
export function isOwnTrouble(error: unknown): boolean {
  return failure(0, error).code === 'INTERNAL'
}
