import { request as httpRequest, type IncomingMessage } from 'node:http'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { ERROR_CODES, type ErrorCode, PeerfoldError } from '@peerfold/core'
import type { ErrorDescription } from './error-description.js'
import type { OperationEvent, OperationIo, ServiceCaller } from './operation.js'

type Line = { data: string } | { event: OperationEvent } | { result: unknown } | { error: ErrorDescription }

/** Calls a running device over its control socket; undefined when none listens there. */
export async function connectControl(path: string): Promise<ServiceCaller | undefined> {
  const caller = { call: callOver(path), close: async () => {} }
  try {
    await caller.call('ping', {})
    return caller
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    // Nobody listens, or there is no such home yet: opening it says what is wrong.
    if (code === 'ENOENT' || code === 'ECONNREFUSED' || code === 'ENOTDIR' || code === 'EACCES')
      return undefined
    throw error
  }
}

function callOver(path: string): ServiceCaller['call'] {
  return async (operation, params, io = {}) => {
    const query = new URLSearchParams({ params: JSON.stringify(params) })
    const request = httpRequest({
      socketPath: path,
      path: `/v1/${operation}?${query}`,
      method: 'POST',
      ...(io.signal === undefined ? {} : { signal: io.signal }),
    })
    const answered = new Promise<IncomingMessage>((resolve, reject) => {
      request.once('response', resolve)
      request.once('error', reject)
    })
    const sent = pipeline(Readable.from(io.input ?? []), request).catch((error: unknown) => {
      // The answer says more than a broken upload does: an operation may refuse before it has read everything.
      if (!request.destroyed) request.destroy(error as Error)
    })
    const response = await answered
    const result = await readAnswer(response, io)
    await sent
    return result
  }
}

async function readAnswer(response: IncomingMessage, io: Partial<OperationIo>): Promise<unknown> {
  for await (const text of createInterface({ input: response, crlfDelay: Number.POSITIVE_INFINITY })) {
    const line = JSON.parse(text) as Line
    if ('data' in line) await io.write?.(Buffer.from(line.data, 'base64'))
    else if ('event' in line) io.emit?.(line.event)
    else if ('error' in line) throw reviveError(line.error)
    else return line.result
  }
  throw new PeerfoldError(
    'CONTROL_UNAVAILABLE',
    'the running device closed the connection before it answered',
  )
}

function reviveError({ code, message, hint, retryable }: ErrorDescription): PeerfoldError {
  const known = (ERROR_CODES as string[]).includes(code) ? (code as ErrorCode) : 'INTERNAL'
  return new PeerfoldError(known, message, { hint, retryable })
}
