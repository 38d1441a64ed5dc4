import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { NetworkStream } from '@peerfold/core'
import { systemClock, systemRandom } from '@peerfold/core/platform'
import * as lengthPrefixed from 'it-length-prefixed'
import type { DeviceSecrets } from '../../../core/src/access/types.js'
import { IdentityStore } from '../../../core/src/device/identity-store.js'
import { openDeviceJournal } from '../../../core/src/device/journal.js'
import { decodeResponse, encodeRequest, type Response } from '../../../core/src/exchange/messages.js'
import { decodeMessage, encodeMessage, type Message } from '../../../core/src/sync/messages.js'
import { openHome } from '../../src/home/open-home.js'
import { createNodeCrypto } from '../../src/workers/node-crypto.js'
import { hello, type Stranger } from '../e2e/stranger.js'

const SYNC = '/peerfold/sync/1'
const BLOCKS = '/peerfold/blocks/1'
const ANSWER_MS = 15_000

/** What a thief finds in the home of a device that does not run. */
export async function readKeys(
  directory: string,
): Promise<{ secrets: DeviceSecrets; entries: Uint8Array[] }> {
  const home = await openHome(directory)
  const init = { crypto: createNodeCrypto(), clock: systemClock, random: systemRandom }
  const journal = await openDeviceJournal({ store: await home.journal(), key: home.key, ...init })
  try {
    const identity = await IdentityStore.open({ journal, wrapKey: home.key, ...init })
    return { secrets: identity.secrets, entries: identity.entries() }
  } finally {
    await journal.close()
    await home.close()
    await init.crypto.close()
  }
}

/** Digests of small blocks, read from the first segment of a home's workspace (PROTOCOL.md §8.5). */
export async function blockDigests(home: string, workspace: string): Promise<string[]> {
  const directory = join(home, 'workspaces', workspace, 'blocks', 'segments')
  const bytes = await readFile(join(directory, '00000001.blocks'))
  const digests: string[] = []
  for (let at = 8; at + 8 < bytes.length; at += 8 + bytes.readUInt32BE(at))
    digests.push(bytes.subarray(at + 9, at + 41).toString('hex'))
  return digests
}

/** Conversations that stay open, as a device leads them: with code of its own, and whatever keys it has. */
export class Conversation {
  readonly heard: Message[] = []
  readonly #stream: NetworkStream
  readonly #ended: Promise<void>
  #listener = (): void => {}

  private constructor(stream: NetworkStream) {
    this.#stream = stream
    this.#ended = this.#listen().finally(() => this.#listener())
    this.#ended.catch(() => {})
  }

  /** Says hello and, where that was answered, that it is ready. */
  static async open(by: Stranger, user: string, entries: Uint8Array[]): Promise<Conversation> {
    const conversation = new Conversation(await by.open(SYNC))
    await conversation.#stream.send(hello(user, entries))
    const answer = await conversation.first(({ type }) => type === 'hello' || type === 'bye')
    if (answer?.type === 'hello')
      await conversation.#stream.send(
        lengthPrefixed.encode.single(encodeMessage({ type: 'ready' })).subarray(),
      )
    return conversation
  }

  /** The first message that is wanted; undefined when the other side ends before. */
  async first(wanted: (message: Message) => boolean): Promise<Message | undefined> {
    let over = false
    const noteEnd = (): void => {
      over = true
    }
    const end = this.#ended.then(noteEnd, noteEnd)
    const signal = AbortSignal.timeout(ANSWER_MS)
    for (;;) {
      const found = this.heard.find(wanted)
      if (found !== undefined || over) return found
      signal.throwIfAborted()
      const heard = new Promise<void>((resolve) => {
        this.#listener = resolve
      })
      await Promise.race([end, heard, aborted(signal)])
    }
  }

  close(): void {
    this.#stream.abort(new Error('done'))
  }

  async #listen(): Promise<void> {
    for await (const frame of lengthPrefixed.decode(this.#stream.source)) {
      this.heard.push(decodeMessage(frame.subarray()))
      this.#listener()
    }
  }
}

/** Asks for blocks by their digests, and gives what is answered up to the last of them or to a refusal. */
export class BlockRequests {
  readonly #stream: NetworkStream
  readonly #responses: AsyncIterator<Response>

  private constructor(stream: NetworkStream) {
    this.#stream = stream
    this.#responses = responsesIn(stream)[Symbol.asyncIterator]()
  }

  static async open(by: Stranger): Promise<BlockRequests> {
    const requests = new BlockRequests(await by.open(BLOCKS))
    await requests.#stream.send(encodeRequest({ type: 'credit', bytes: 2 ** 20 }))
    return requests
  }

  /** Responses until every digest was answered; fewer when the other side refuses or hangs up. */
  async want(handle: string, digests: readonly string[]): Promise<Response[]> {
    const responses: Response[] = []
    const left = new Set(digests)
    try {
      await this.#stream.send(encodeRequest({ type: 'want', handle, digests: [...digests] }))
      while (left.size > 0) {
        const { value, done } = await Promise.race([
          this.#responses.next(),
          aborted(AbortSignal.timeout(ANSWER_MS)),
        ])
        if (done === true) break
        responses.push(value)
        if (value.type === 'refused') break
        for (const digest of value.type === 'block' ? [value.digest] : value.digests) left.delete(digest)
      }
    } catch {
      // Being cut off is an answer, too.
    }
    return responses
  }

  close(): void {
    this.#stream.abort(new Error('done'))
  }
}

async function* responsesIn(stream: NetworkStream): AsyncGenerator<Response> {
  let buffer = Buffer.alloc(0)
  for await (const piece of stream.source) {
    buffer = Buffer.concat([buffer, piece.subarray()])
    while (buffer.length >= 4 && buffer.length >= 4 + buffer.readUInt32BE(0)) {
      const end = 4 + buffer.readUInt32BE(0)
      yield decodeResponse(Uint8Array.from(buffer.subarray(4, end)))
      buffer = buffer.subarray(end)
    }
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
  })
}
