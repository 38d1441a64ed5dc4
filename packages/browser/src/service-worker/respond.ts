import { type ErrorCode, isPeerfoldError, type Peerfold, PeerfoldError, type Workspace } from '@peerfold/core'
import { fileHeaders } from './headers.js'
import { type ByteRange, parseRange } from './range.js'
import type { FileAddress } from './urls.js'

/** An answer, and when all of its body has been read or given up. */
export interface Answer {
  response: Response
  finished: Promise<void>
}

/** The bytes that a request asks for, read from the device as the response is read. */
export async function respond(peerfold: Peerfold, request: Request, address: FileAddress): Promise<Answer> {
  const { path, download } = address
  const { signal } = request
  const workspace = await peerfold.workspaces.open(address.workspace, { signal })
  const { version, size } = await findVersion(workspace, address, signal)
  const range = rangeOf(request, version, size)
  if (range === 'unsatisfiable') {
    const headers = { 'Content-Range': `bytes */${size}`, 'Content-Type': 'text/plain' }
    return whole(new Response('no such range', { status: 416, headers }))
  }
  const { start, length } = range ?? { start: 0, length: size }
  const headers = fileHeaders({ path, version, length, download })
  if (range !== undefined) headers.set('Content-Range', `bytes ${start}-${start + length - 1}/${size}`)
  const status = range === undefined ? 200 : 206
  if (request.method === 'HEAD') return whole(new Response(null, { status, headers }))
  const bytes = workspace.read(path, { version, offset: start, length, signal })
  const { stream, finished } = pulled(bytes[Symbol.asyncIterator]())
  return { response: new Response(stream, { status, headers }), finished }
}

function whole(response: Response): Answer {
  return { response, finished: Promise.resolve() }
}

interface Found {
  version: string
  /** Bytes. */
  size: number
}

/** The version is fixed from here on: a file that changes meanwhile is not mixed from two. */
async function findVersion(
  workspace: Workspace,
  { path, version }: FileAddress,
  signal: AbortSignal,
): Promise<Found> {
  if (version === undefined) {
    const item = await workspace.stat(path, { signal })
    if (item.version !== undefined) return { version: item.version, size: item.size }
    throw new PeerfoldError('NOT_A_FILE', `a folder: ${path}`, { details: { path } })
  }
  for await (const each of workspace.versions(path, { signal }))
    if (each.id === version) return { version, size: each.size }
  throw new PeerfoldError('VERSION_NOT_FOUND', `no version ${version} of ${path}`, { details: { path } })
}

/** With `If-Range`, parts are wanted of one version only, and else all of the present one. */
function rangeOf(request: Request, version: string, size: number): ByteRange | 'unsatisfiable' | undefined {
  const condition = request.headers.get('If-Range')
  if (condition !== null && condition !== `"${version}"`) return undefined
  return parseRange(request.headers.get('Range'), size)
}

/** Nothing is read before it is asked for; a response that nobody reads on ends the reading. */
function pulled(bytes: AsyncIterator<Uint8Array>): { stream: ReadableStream; finished: Promise<void> } {
  let finish = () => {}
  const finished = new Promise<void>((resolve) => {
    finish = resolve
  })
  const stream = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done, value } = await bytes.next()
          if (done !== true) return controller.enqueue(value)
          controller.close()
        } catch (error) {
          controller.error(error)
        }
        finish()
      },
      async cancel() {
        finish()
        await bytes.return?.()
      },
    },
    { highWaterMark: 0 },
  )
  return { stream, finished }
}

const NOT_FOUND: ReadonlySet<ErrorCode> = new Set([
  'NOT_FOUND',
  'NOT_A_FILE',
  'NO_IDENTITY',
  'PATH_INVALID',
  'VERSION_NOT_FOUND',
  'WORKSPACE_AMBIGUOUS',
  'WORKSPACE_NOT_FOUND',
])

/** What went wrong, for people and for `fetch`: 404 for what is not there, 503 for what may be there later. */
export function errorResponse(error: unknown): Response {
  const { code, message, hint, retryable } = isPeerfoldError(error)
    ? error
    : new PeerfoldError('INTERNAL', String(error))
  const status = NOT_FOUND.has(code) ? 404 : retryable ? 503 : 500
  const headers = { 'Content-Type': 'text/plain; charset=utf-8', 'Cache-Control': 'no-store' }
  return new Response(`${code}: ${message}. ${hint}`, { status, headers })
}
