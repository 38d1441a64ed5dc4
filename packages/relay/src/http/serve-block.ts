import type { IncomingMessage, ServerResponse } from 'node:http'
import { finished } from 'node:stream/promises'
import { isPeerfoldError } from '@peerfold/core'
import { isBlockCid } from '@peerfold/core/platform'
import { CID } from 'multiformats/cid'
import type { RelayConfig } from '../config/schema.js'
import type { RelayService, Tokens } from '../service.js'
import type { BlockMemory } from './block-memory.js'
import { busy, forbidden, HttpProblem, malformed } from './problem.js'

type BlockLimits = Pick<RelayConfig['http'], 'sendTimeout'>
type Caller = NonNullable<ReturnType<Tokens['check']>>

const HANDLE = /^[0-9a-f]{64}$/

/** `GET /v1/blocks/<handle>/<cid>` */
export class BlockRoute {
  readonly #service: Pick<RelayService, 'readBlock'>
  readonly #limits: BlockLimits
  readonly #memory: BlockMemory

  constructor(service: Pick<RelayService, 'readBlock'>, limits: BlockLimits, memory: BlockMemory) {
    this.#service = service
    this.#limits = limits
    this.#memory = memory
  }

  async serve(
    request: IncomingMessage,
    response: ServerResponse,
    caller: Caller,
    [handle, name]: [string, string],
  ): Promise<void> {
    if (!isHandle(handle)) throw malformed('not the name of a block: /v1/blocks/<handle>/<cid>')
    const cid = parseCid(name)
    if (!caller.handles.has(handle)) throw forbidden()
    const etag = `"${cid}"`
    response.setHeaders(blockHeaders(etag))
    // Whoever has a block under its name needs it no more: a name never means other bytes.
    if (request.headers['if-none-match']?.split(',').some((tag) => tag.trim() === etag)) {
      response.writeHead(304).end()
      return
    }
    if (!this.#memory.take()) throw busy(503, 'too many blocks under way')
    try {
      const bytes = await readSound(this.#service, handle, cid)
      if (bytes === undefined)
        throw new HttpProblem(404, 'BLOCK_NOT_FOUND', 'this workspace has no such block here')
      await this.#send(request, response, bytes)
    } finally {
      this.#memory.give()
    }
  }

  /** Its bytes stay in memory until the reader has them, who has so long. */
  async #send(request: IncomingMessage, response: ServerResponse, bytes: Uint8Array): Promise<void> {
    const deadline = setTimeout(() => response.destroy(), this.#limits.sendTimeout)
    response.writeHead(200, { 'content-length': bytes.length })
    response.end(request.method === 'HEAD' ? undefined : bytes)
    await finished(response).catch(() => {})
    clearTimeout(deadline)
  }
}

/** Undefined for what is not here, or damaged: devices ask somebody else. */
export async function readSound(
  service: Pick<RelayService, 'readBlock'>,
  handle: string,
  cid: CID,
): Promise<Uint8Array | undefined> {
  try {
    return await service.readBlock(handle, cid)
  } catch (error) {
    if (isPeerfoldError(error, 'BLOCK_CORRUPT') || isPeerfoldError(error, 'BLOCK_NOT_FOUND')) return undefined
    throw error
  }
}

export const isHandle = (handle: string) => HANDLE.test(handle)

/** One name for a block: caches know it by its URL. @throws {HttpProblem} 400 */
export function parseCid(name: string): CID {
  try {
    const cid = CID.parse(name)
    if (isBlockCid(cid) && cid.toString() === name) return cid
  } catch {}
  throw malformed('not the name of a block')
}

function blockHeaders(etag: string): Map<string, string> {
  return new Map([
    ['content-type', 'application/octet-stream'],
    ['x-content-type-options', 'nosniff'],
    ['cross-origin-resource-policy', 'cross-origin'],
    ['cache-control', 'private, max-age=31536000, immutable'],
    ['etag', etag],
  ])
}
