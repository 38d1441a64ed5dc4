import type { IncomingMessage } from 'node:http'
import { malformed, tooLarge } from './problem.js'

/** PROTOCOL.md §10.8 */
export const MAX_BODY_BYTES = 64 * 1024

/** @throws {HttpProblem} 413, 400 */
export async function readJson(request: IncomingMessage): Promise<unknown> {
  const text = new TextDecoder('utf-8', { fatal: true })
  const body = await readBody(request)
  try {
    return JSON.parse(text.decode(body))
  } catch {
    throw malformed('the body is not JSON in UTF-8')
  }
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  if (Number(request.headers['content-length'] ?? 0) > MAX_BODY_BYTES) throw tooBig()
  const chunks: Buffer[] = []
  let bytes = 0
  // Not `for await`: leaving it early would destroy the request, and with it the way to say why.
  await new Promise<void>((resolve, reject) => {
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > MAX_BODY_BYTES) reject(tooBig())
      else chunks.push(chunk)
    })
    request.once('end', resolve)
    request.once('error', reject)
    request.once('close', () => reject(malformed('the body ends early')))
  })
  return Buffer.concat(chunks)
}

function tooBig() {
  return tooLarge(`a body has at most ${MAX_BODY_BYTES} bytes`)
}
