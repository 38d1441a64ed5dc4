import { type EpochId, type NetworkStream, PeerfoldError, type WorkspaceHandle } from '@peerfold/core'
import {
  Channel,
  decodeRequest,
  encodeAnswer,
  KIB,
  MAX_BATCH_BYTES,
  MAX_REQUEST_BYTES,
  MAX_REQUESTS,
  MIB,
  Mutex,
  type RelayAnswer,
  type RelayRequest,
  Wakeup,
  withDeadline,
} from '@peerfold/core/relay'
import { count } from '../counters.js'
import type { Sender } from '../limits/buckets.js'
import type { Grown } from '../mailbox/writer.js'
import { isBreach } from './access.js'
import { answer, failure, isOwnTrouble } from './answer.js'
import type { Context, Opened, Parts } from './context.js'
import { Notices } from './notices.js'

/** Frame from a device that has nothing open for push: it cannot make the relay hold more (PROTOCOL.md §10.2). */
const MAX_FIRST_FRAME = 80 * KIB
/** A device that takes nothing of one large answer for so long does not read. */
const DELIVERY_MS = 120_000
/** Answers that wait to be taken: one large one, and what is small. */
const MAX_QUEUED = 8 * MIB + MAX_BATCH_BYTES
const MAX_OPENED = 1024
/** Who asks too often is read more slowly, too: milliseconds. */
const SLOW_MS = 50

export interface SessionInit {
  parts: Parts
  stream: NetworkStream
  sender: Sender
  nonce: Uint8Array
  /** Told when a mailbox is opened, so that changes come here. */
  onOpened: (handle: WorkspaceHandle) => void
  onEpoch: (handle: WorkspaceHandle, epoch: EpochId) => void
}

/** One device at one stream: requests come, at most sixteen are worked on, answers go in any order (PROTOCOL.md §10.3). */
export class Session {
  readonly sender: Sender
  readonly opened = new Map<WorkspaceHandle, Opened>()
  readonly #init: SessionInit
  readonly #out: Channel<RelayAnswer | RelayRequest>
  readonly #context: Context
  readonly #notices: Notices
  readonly #ended = new AbortController()
  readonly #draining = new AbortController()
  readonly #working = new Set<number>()
  readonly #freed = new Wakeup()
  readonly #order = new Mutex()
  readonly #large = new Mutex()

  constructor(init: SessionInit) {
    const { parts, stream, sender } = init
    this.#init = init
    this.sender = sender
    this.#out = new Channel<RelayAnswer | RelayRequest>({
      stream,
      clock: parts.clock,
      encode: (message) => encodeAnswer(message as RelayAnswer),
      decode: decodeRequest,
      maxFrame: MAX_FIRST_FRAME,
      maxQueued: MAX_QUEUED,
    })
    this.#context = this.#createContext()
    this.#notices = new Notices({
      mailboxes: parts.mailboxes,
      opened: this.opened,
      signal: this.#ended.signal,
      send: (handle, now) => this.#out.send({ type: 'changed', handle, ...now }),
    })
  }

  get signal(): AbortSignal {
    return this.#ended.signal
  }

  get heard(): number {
    return this.#out.heard
  }

  /** Runs until the session ends; resolves with the reason. */
  async run(): Promise<Error> {
    const { parts, nonce } = this.#init
    const { signal } = this.#ended
    this.#out.post({ type: 'welcome', versions: [1], nonce, time: Math.trunc(parts.clock.now()) })
    const ended = new Promise<never>((_, reject) => {
      if (signal.aborted) reject(signal.reason)
      else signal.addEventListener('abort', () => reject(signal.reason), { once: true })
    })
    try {
      await Promise.race([ended, this.#read()])
      throw new PeerfoldError('NOT_CONNECTED', 'the device closed the session')
    } catch (error) {
      this.end(error)
      return error instanceof Error ? error : new Error(String(error))
    }
  }

  end(reason: unknown): void {
    if (!this.#ended.signal.aborted) this.#ended.abort(reason)
  }

  /** Takes nothing new, and resolves when what was begun is answered. */
  async drain(): Promise<void> {
    this.#draining.abort()
    while (this.#working.size > 0 && !this.#ended.signal.aborted) {
      await this.#freed.wait({ signal: this.#ended.signal }).catch(() => {})
    }
  }

  notify(handle: WorkspaceHandle, now: Grown): void {
    this.#notices.notify(handle, now)
  }

  /** The keys have changed: what was opened with older ones is good for reading up to that change. */
  demote(handle: WorkspaceHandle, current: EpochId | undefined): void {
    const opened = this.opened.get(handle)
    if (opened === undefined || opened.epoch === current || opened.role === 'rotation') return
    this.#open(handle, { ...opened, role: 'rotation' })
  }

  /** Says why it ends. */
  async bye(code: PeerfoldError['code'], retryAfter?: number): Promise<void> {
    await this.#out.send({ type: 'bye', code, retryAfter })
  }

  async closed(signal: AbortSignal): Promise<void> {
    await this.#out.close({ signal })
    while ((await this.#out.next()) !== undefined) {}
  }

  abort(reason: Error): void {
    this.#out.abort(reason)
  }

  async #read(): Promise<void> {
    const { signal } = this.#ended
    while (!this.#draining.signal.aborted) {
      while (this.#working.size >= MAX_REQUESTS) await this.#freed.wait({ signal })
      const request = (await this.#out.next()) as RelayRequest | undefined
      if (request === undefined) return
      if (this.#draining.signal.aborted) break
      await this.#take(request)
    }
    await new Promise(() => {})
  }

  async #take(request: RelayRequest): Promise<void> {
    const { parts } = this.#init
    if (this.#working.has(request.n)) {
      throw new PeerfoldError('MESSAGE_INVALID', `request ${request.n} is still being answered`)
    }
    count(parts.counters.requests, request.type)
    const wait = parts.requestRate.take(this.sender, 1)
    if (wait === 0) {
      this.#working.add(request.n)
      void this.#answer(request)
      return
    }
    const busy = new PeerfoldError('BUSY', 'more requests a second than this relay takes', {
      details: { retryAfter: wait },
    })
    this.#fail(request.n, busy)
    await parts.clock.sleep(Math.min(wait, SLOW_MS), { signal: this.#ended.signal })
  }

  async #answer(request: RelayRequest): Promise<void> {
    try {
      await answer(this.#context, request)
    } catch (error) {
      if (isBreach(error)) this.end(error)
      else if (!this.#ended.signal.aborted) this.#fail(request.n, error)
    } finally {
      this.#working.delete(request.n)
      this.#freed.wake()
    }
  }

  #fail(n: number, error: unknown): void {
    const { parts } = this.#init
    const said = failure(n, error)
    count(parts.counters.failed, said.code)
    if (isOwnTrouble(error)) {
      const { code, message } = error as { code?: unknown; message?: unknown }
      parts.log.error({ code, reason: message }, 'a request failed')
    }
    this.#out.post(said)
  }

  #open(handle: WorkspaceHandle, opened: Opened): void {
    const { authority } = this.#init.parts
    if (this.#ended.signal.aborted) return
    if (!this.opened.has(handle) && this.opened.size >= MAX_OPENED) {
      throw new PeerfoldError('MESSAGE_INVALID', `more than ${MAX_OPENED} mailboxes in one session`)
    }
    this.opened.set(handle, opened)
    if (opened.role === 'rotation') authority.forbid(this.sender.peer, handle)
    else authority.allow(this.sender.peer, handle)
    if (opened.role === 'push') this.#out.maxFrame = MAX_REQUEST_BYTES
    this.#init.onOpened(handle)
  }

  #createContext(): Context {
    const { parts, sender, nonce, onEpoch } = this.#init
    return {
      parts,
      sender,
      channel: { relay: parts.peer, device: sender.peer, nonce },
      signal: this.#ended.signal,
      opened: this.opened,
      open: (handle, opened) => this.#open(handle, opened),
      post: (message) => this.#out.post(message),
      deliver: (message) => this.#deliver(message),
      inOrder: (task) => this.#order.run(task),
      epochChanged: onEpoch,
    }
  }

  #deliver(message: RelayAnswer): Promise<void> {
    const { signal } = this.#ended
    const { clock } = this.#init.parts
    return this.#large.run(() =>
      withDeadline(clock, DELIVERY_MS, 'taking an answer', () => this.#out.send(message), { signal }).catch(
        (error) => {
          this.end(error)
          throw error
        },
      ),
    )
  }
}
