import type { IncomingMessage, ServerResponse } from 'node:http'
import type { PeerId } from '@peerfold/core'
import { MAX_HTTP_BLOCKS } from '@peerfold/core/relay'
import type { CID } from 'multiformats/cid'
import * as v from 'valibot'
import type { RelayConfig } from '../config/schema.js'
import type { RelayService, Tokens } from '../service.js'
import type { BlockMemory } from './block-memory.js'
import { busy, forbidden, malformed } from './problem.js'
import { readJson } from './read-body.js'
import { isHandle, parseCid, readSound } from './serve-block.js'

type Caller = NonNullable<ReturnType<Tokens['check']>>

/** Batches of one device at a time: two under way, and two that it has left and the relay has not noticed yet. */
const PER_PEER = 4

const batchSchema = v.strictObject({
  cids: v.pipe(v.array(v.pipe(v.string(), v.maxLength(100))), v.maxLength(MAX_HTTP_BLOCKS)),
})

/**
 * `POST /v1/blocks/<handle>`: many blocks in one answer, each as `length: u32 ‖ bytes`, in the order in which they were named. Browsers ask
 * permission for every new address (CORS), so that one request for each block would be two.
 */
export class BlocksRoute {
  readonly #service: Pick<RelayService, 'readBlock'>
  readonly #limits: Pick<RelayConfig['http'], 'sendTimeout'>
  readonly #memory: BlockMemory
  readonly #perPeer = new Map<PeerId, number>()

  constructor(
    service: Pick<RelayService, 'readBlock'>,
    limits: Pick<RelayConfig['http'], 'sendTimeout'>,
    memory: BlockMemory,
  ) {
    this.#service = service
    this.#limits = limits
    this.#memory = memory
  }

  async serve(
    request: IncomingMessage,
    response: ServerResponse,
    caller: Caller,
    handle: string,
  ): Promise<void> {
    if (!isHandle(handle)) throw malformed('not the handle of a workspace: /v1/blocks/<handle>')
    if (!caller.handles.has(handle)) throw forbidden()
    const cids = parse(await readJson(request))
    this.#admit(caller.peer)
    try {
      await this.#send(response, caller, handle, cids)
    } finally {
      this.#release(caller.peer)
    }
  }

  async #send(response: ServerResponse, caller: Caller, handle: string, cids: CID[]): Promise<void> {
    response.writeHead(200, {
      'content-type': 'application/vnd.peerfold.blocks',
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-store',
    })
    response.flushHeaders()
    const deadline = setTimeout(() => response.destroy(), this.#limits.sendTimeout)
    try {
      for (const cid of cids) {
        // The workspace's keys may have changed meanwhile.
        if (response.destroyed || !caller.handles.has(handle)) break
        await this.#sendBlock(response, handle, cid)
        deadline.refresh()
      }
      // Cut off, an answer can't be taken for a whole one.
      if (caller.handles.has(handle)) response.end()
      else response.destroy()
    } finally {
      clearTimeout(deadline)
    }
  }

  /** The next one is read when this one is on its way: of each batch one block is in memory. */
  async #sendBlock(response: ServerResponse, handle: string, cid: CID): Promise<void> {
    const bytes = await readSound(this.#service, handle, cid)
    const length = new Uint8Array(4)
    new DataView(length.buffer).setUint32(0, bytes?.length ?? 0)
    response.cork()
    response.write(length)
    const flows = bytes === undefined || response.write(bytes)
    response.uncork()
    if (!flows) await drained(response)
  }

  #admit(peer: PeerId): void {
    const own = this.#perPeer.get(peer) ?? 0
    if (own >= PER_PEER) throw busy(429, 'this device is being sent blocks already')
    if (!this.#memory.take()) throw busy(503, 'too many blocks under way')
    this.#perPeer.set(peer, own + 1)
  }

  #release(peer: PeerId): void {
    this.#memory.give()
    const own = this.#perPeer.get(peer) ?? 1
    if (own === 1) this.#perPeer.delete(peer)
    else this.#perPeer.set(peer, own - 1)
  }
}

function parse(body: unknown): CID[] {
  const parsed = v.safeParse(batchSchema, body)
  if (!parsed.success) throw malformed(`not {"cids": [...]} with at most ${MAX_HTTP_BLOCKS} names of blocks`)
  return parsed.output.cids.map(parseCid)
}

/** Until the reader has taken what was written, or is gone. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off('drain', done)
      response.off('close', done)
      resolve()
    }
    response.once('drain', done)
    response.once('close', done)
    if (response.destroyed) done()
  })
}
