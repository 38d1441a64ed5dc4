import { randomInt } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { PeerId } from '@peerfold/core'
import * as v from 'valibot'
import type { RelayConfig } from '../config/schema.js'
import type { Tokens } from '../service.js'
import { type Place, Pollers } from './pollers.js'
import { busy, forbidden, malformed, sendJson } from './problem.js'
import { readJson } from './read-body.js'

export const MAX_POLL_MAILBOXES = 1024
export const MAX_POLL_MS = 55_000
/** Mailboxes that all long polls wait for together, each as often as it is; about 100 bytes for each. */
const MAX_WATCHED = 500_000
/** Who got nothing asks again within so many seconds, not all at once. */
const SPREAD_SECONDS = 3

const hex = (digits: number) => v.pipe(v.string(), v.regex(new RegExp(`^[0-9a-f]{${digits}}$`)))

const pollSchema = v.strictObject({
  mailboxes: v.pipe(
    v.array(
      v.strictObject({
        handle: hex(64),
        incarnation: hex(32),
        next: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
      }),
    ),
    v.minLength(1),
    v.maxLength(MAX_POLL_MAILBOXES),
    v.check((places) => new Set(places.map(({ handle }) => handle)).size === places.length, 'each once'),
  ),
  timeoutMs: v.pipe(v.number(), v.safeInteger(), v.minValue(0), v.maxValue(MAX_POLL_MS)),
})

type PollLimits = Pick<RelayConfig['http'], 'polls' | 'pollsPerPeer'>
type Caller = NonNullable<ReturnType<Tokens['check']>>

/** `POST /v1/poll` */
export class PollRoute {
  readonly #pollers: Pollers
  readonly #limits: PollLimits
  readonly #perPeer = new Map<PeerId, number>()
  readonly #closing = new AbortController()
  #waiting = 0

  constructor(mailboxes: ConstructorParameters<typeof Pollers>[0], limits: PollLimits) {
    this.#pollers = new Pollers(mailboxes)
    this.#limits = limits
    setMaxListeners(0, this.#closing.signal)
  }

  get waiting(): number {
    return this.#waiting
  }

  async serve(request: IncomingMessage, response: ServerResponse, caller: Caller): Promise<void> {
    const { mailboxes, timeoutMs } = parse(await readJson(request))
    if (mailboxes.some(({ handle }) => !caller.handles.has(handle))) throw forbidden()
    this.#admit(caller.peer, mailboxes.length)
    try {
      const changed = await this.#wait(response, mailboxes, timeoutMs)
      // The workspace's keys may have changed meanwhile.
      if (changed.some(({ handle }) => !caller.handles.has(handle))) throw forbidden()
      if (changed.length > 0) sendJson(response, 200, { changed })
      else if (this.#closing.signal.aborted) throw busy(503, 'the relay goes away')
      else response.writeHead(204, { 'retry-after': String(randomInt(SPREAD_SECONDS)) }).end()
    } finally {
      this.#release(caller.peer)
    }
  }

  /** Ends all waiting. */
  close(): void {
    this.#closing.abort()
    this.#pollers.close()
  }

  async #wait(response: ServerResponse, places: readonly Place[], timeoutMs: number): Promise<Place[]> {
    const ended = new AbortController()
    const end = () => ended.abort()
    const timer = setTimeout(end, timeoutMs)
    response.once('close', end)
    this.#closing.signal.addEventListener('abort', end)
    if (this.#closing.signal.aborted || response.destroyed) end()
    try {
      return await this.#pollers.poll(places, ended.signal)
    } finally {
      clearTimeout(timer)
      response.off('close', end)
      this.#closing.signal.removeEventListener('abort', end)
    }
  }

  #admit(peer: PeerId, mailboxes: number): void {
    const own = this.#perPeer.get(peer) ?? 0
    if (own >= this.#limits.pollsPerPeer) throw busy(429, 'this device waits already')
    if (this.#waiting >= this.#limits.polls || this.#pollers.watched + mailboxes > MAX_WATCHED)
      throw busy(503, 'too many wait already', 5)
    this.#perPeer.set(peer, own + 1)
    this.#waiting++
  }

  #release(peer: PeerId): void {
    const own = this.#perPeer.get(peer) ?? 1
    if (own === 1) this.#perPeer.delete(peer)
    else this.#perPeer.set(peer, own - 1)
    this.#waiting--
  }
}

function parse(body: unknown): v.InferOutput<typeof pollSchema> {
  const parsed = v.safeParse(pollSchema, body)
  if (parsed.success) return parsed.output
  const [{ path = [] }] = parsed.issues
  throw malformed(`not a poll: ${path.map((item) => String(item.key)).join('.') || 'the body'} is wrong`)
}
