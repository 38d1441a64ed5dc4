import { once } from 'node:events'
import { chmod, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { PeerfoldError } from '@peerfold/core'
import { describeError } from './error-description.js'
import type { OperationIo, ServiceCaller } from './operation.js'

/**
 * The control socket of a running device: HTTP over a Unix socket that only its owner can open.
 *
 * Request: `POST /v1/<operation>?params=<JSON>`, body = input bytes. Answer: one JSON object a line,
 * `{data: base64} | {event} | {result} | {error: {code, message, hint, retryable}}`, the last line being a result or an error.
 */
export interface ControlServer {
  readonly path: string
  close(): Promise<void>
}

export async function startControlServer(path: string, caller: ServiceCaller): Promise<ControlServer> {
  const active = new Set<AbortController>()
  const server = createServer((request, response) => {
    const controller = new AbortController()
    active.add(controller)
    void answer(request, response, caller, controller).finally(() => active.delete(controller))
  })
  // The home is locked by this process: a socket that lies here was left by one that died.
  await rm(path, { force: true })
  await listen(server, path)
  await chmod(path, 0o600)
  return {
    path,
    close: async () => {
      for (const controller of active) controller.abort(new PeerfoldError('CLOSED', 'the device stops'))
      server.closeIdleConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
      await rm(path, { force: true })
    },
  }
}

async function listen(server: Server, path: string): Promise<void> {
  const mask = process.umask(0o177)
  try {
    server.listen(path)
    await once(server, 'listening')
  } finally {
    process.umask(mask)
  }
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  caller: ServiceCaller,
  controller: AbortController,
): Promise<void> {
  response.on('close', () => controller.abort(new PeerfoldError('ABORTED', 'the caller went away')))
  response.writeHead(200, { 'content-type': 'application/x-ndjson' })
  const send = async (line: unknown) => {
    if (response.destroyed) return
    if (!response.write(`${JSON.stringify(line)}\n`))
      await Promise.race([once(response, 'drain'), once(response, 'close')])
  }
  const io: OperationIo = {
    input: request,
    write: (bytes) => send({ data: Buffer.from(bytes).toString('base64') }),
    emit: (event) => void send({ event }),
    signal: controller.signal,
  }
  try {
    const { operation, params } = parseRequest(request)
    await send({ result: (await caller.call(operation, params, io)) ?? null })
  } catch (error) {
    await send({ error: describeError(error) })
  }
  response.end()
}

function parseRequest(request: IncomingMessage): { operation: string; params: Record<string, unknown> } {
  const url = new URL(request.url ?? '/', 'http://control')
  const operation = /^\/v1\/([a-z-]+)$/.exec(url.pathname)?.[1]
  if (operation === undefined || request.method !== 'POST')
    throw new PeerfoldError('INVALID_ARGUMENT', 'not a control request')
  return { operation, params: JSON.parse(url.searchParams.get('params') ?? '{}') as Record<string, unknown> }
}
