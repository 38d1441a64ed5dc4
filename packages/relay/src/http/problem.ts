import { randomInt } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import type { ErrorCode } from '@peerfold/core'

/** Why a request is not answered as it wishes; `code` is one of Peerfold's (PROTOCOL.md §10.8). */
export class HttpProblem extends Error {
  override readonly name = 'HttpProblem'
  constructor(
    readonly status: number,
    readonly code: ErrorCode,
    message: string,
    readonly headers: Record<string, string | number> = {},
  ) {
    super(message)
  }
}

export const malformed = (message: string) => new HttpProblem(400, 'MESSAGE_INVALID', message)

export const tooLarge = (message: string) =>
  new HttpProblem(413, 'MESSAGE_INVALID', message, { connection: 'close' })

export const unauthorized = () =>
  new HttpProblem(401, 'UNAUTHORIZED', 'a token is missing, or is good no more: ask the relay for one', {
    'www-authenticate': 'Bearer',
  })

export const forbidden = () => new HttpProblem(403, 'UNAUTHORIZED', 'the token is not for this workspace')

/** @param seconds least time to wait; some more is added so that not all come back at once */
export const busy = (status: 429 | 503, message: string, seconds = 1) =>
  new HttpProblem(status, 'BUSY', message, { 'retry-after': seconds + randomInt(3) })

export function sendProblem(response: ServerResponse, problem: HttpProblem): void {
  const { status, code, message, headers } = problem
  sendJson(response, status, { code, message }, headers)
}

export function sendJson(
  response: ServerResponse,
  status: number,
  value: unknown,
  headers: Record<string, string | number> = {},
): void {
  const body = Buffer.from(`${JSON.stringify(value)}\n`)
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': body.length,
    'cache-control': 'no-store',
    ...headers,
  })
  response.end(response.req.method === 'HEAD' ? undefined : body)
}
