import { raceSignal, withDeadline } from '../async/deadline.js'
import { Emitter } from '../async/emitter.js'
import { Wakeup } from '../async/wakeup.js'
import { fromHex } from '../encoding/bytes.js'
import { PeerfoldError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'
import type { Clock } from '../ports/clock.js'
import type { Crypto } from '../ports/crypto.js'
import type { CommitId, WorkspaceHandle } from '../ports/ids.js'
import type { Network, PeerId } from '../ports/network.js'
import { Channel } from '../sync/channel.js'
import { keepsSecrets } from './keeps-secrets.js'
import { DEAD_MS, MAX_ANSWER_BYTES, QUIET_MS, STEP_MS } from './limits.js'
import {
  decodeAnswer,
  encodeRequest,
  type RelayAnswer,
  type RelayAnswerOf,
  type RelayRequest,
  type SignedStatement,
} from './messages.js'
import { proveAccess, proveRoot, type Registration, type RelayChannel, signRegistration } from './proofs.js'
import { RELAY_PROTOCOL } from './protocol.js'
import { hashOfStored, readStatement, type Statement } from './statements.js'

export interface RelaySessionInit {
  network: Network
  clock: Clock
  crypto: Pick<Crypto, 'sign' | 'verify'>
  /** A relay that the network is connected to. */
  relay: PeerId
}

/** A mailbox as the relay shows it to one who proved access. */
export interface OpenedMailbox extends Pick<RelayAnswerOf<'opened'>, 'heads' | 'epoch' | 'quota'> {
  role: 'pull' | 'push' | 'rotation'
  statement: Statement
}

/** A statement that was checked, with the bytes that prove it to others. */
export interface Receipt {
  statement: Statement
  signed: SignedStatement
}

interface RelaySessionEvents {
  /** A mailbox that is open grew. */
  changed: (handle: WorkspaceHandle, next: number) => void
}

/** For an answer that waits for blocks to travel: the relay says when it gives up, and its silence ends the session long before. */
const TRANSFER_MS = 600_000
const VERSION = 1

/** Answers to one request, as they come. */
interface Question {
  answers: RelayAnswer[]
  came: Wakeup
}

/**
 * A device's conversation with a relay (PROTOCOL.md §10): one stream, questions with numbers, answers in any order.
 *
 * @example
 * ```ts
 * const session = await RelaySession.open({ network, clock, crypto, relay })
 * const mailbox = await session.openMailbox({ handle, epoch: epoch.id, role: 'push' }, relayKeys(epoch).push)
 * const { envelopes } = await session.read(handle, 1)
 * ```
 */
export class RelaySession {
  readonly relay: PeerId
  readonly #init: RelaySessionInit
  readonly #channel: Channel<RelayAnswer, RelayRequest>
  readonly #events = new Emitter<RelaySessionEvents>()
  readonly #questions = new Map<number, Question>()
  readonly #ended = new AbortController()
  /** What each mailbox costs, as the relay said last. */
  readonly #bytes = new Map<WorkspaceHandle, number>()
  #nonce = new Uint8Array()
  /** The relay's wall clock minus ours. */
  #offset = 0
  #n = 0

  private constructor(init: RelaySessionInit, channel: Channel<RelayAnswer, RelayRequest>) {
    this.#init = init
    this.#channel = channel
    this.relay = init.relay
  }

  /** @throws {PeerfoldError} `NOT_CONNECTED`, `PROTOCOL_UNSUPPORTED` (no relay), `BUSY`, `TIMEOUT` */
  static async open(init: RelaySessionInit, options?: AbortOptions): Promise<RelaySession> {
    const { network, clock, relay } = init
    const open = (signal: AbortSignal) => network.open(relay, RELAY_PROTOCOL, { signal })
    const stream = await withDeadline(clock, STEP_MS, 'opening a session with the relay', open, options)
    const channel = new Channel<RelayAnswer, RelayRequest>({
      stream,
      clock,
      encode: encodeRequest,
      decode: decodeAnswer,
      maxFrame: MAX_ANSWER_BYTES,
    })
    const session = new RelaySession(init, channel)
    try {
      await withDeadline(clock, STEP_MS, 'waiting for the relay', () => session.#meet(), options)
    } catch (error) {
      session.end(error)
      throw error
    }
    session.#run()
    return session
  }

  /** Aborted, with the reason, when the session is over. */
  get ended(): AbortSignal {
    return this.#ended.signal
  }

  /** What a mailbox costs, against its quota. */
  bytesOf(handle: WorkspaceHandle): number {
    return this.#bytes.get(handle) ?? 0
  }

  on<E extends keyof RelaySessionEvents>(event: E, listener: RelaySessionEvents[E]): () => void {
    return this.#events.on(event, listener)
  }

  /**
   * @param seed of the epoch's pull or push key
   * @throws {PeerfoldError} `WORKSPACE_NOT_FOUND` when the relay knows no such mailbox or epoch, `UNAUTHORIZED`
   */
  async openMailbox(
    claim: { handle: WorkspaceHandle; epoch: string; role: 'pull' | 'push' },
    seed: Uint8Array,
    options?: AbortOptions,
  ): Promise<OpenedMailbox> {
    const time = this.#now()
    const proof = { ...claim, time }
    const signature = await proveAccess(this.#init.crypto, seed, this.#proofChannel, proof, options)
    const answer = await this.#ask({ type: 'open', ...proof, signature }, 'opened', options)
    const { statement } = await this.#check(claim.handle, answer.signed, options)
    const { heads, epoch, bytes, quota } = answer
    this.#bytes.set(claim.handle, bytes)
    return { heads, epoch, quota, statement, role: answer.role as OpenedMailbox['role'] }
  }

  /** @param seed of the control key that signs. @throws {PeerfoldError} `RELAY_REFUSED`, `UNAUTHORIZED`, `QUOTA_EXCEEDED` */
  async register(registration: Registration, seed: Uint8Array, options?: AbortOptions): Promise<void> {
    const signature = await signRegistration(this.#init.crypto, seed, registration, options)
    await this.#ask({ type: 'register', ...registration, signature }, 'registered', options)
  }

  /**
   * Has the relay fetch the blocks of these digests that it lacks from this device. Resolves when all of them are durable there.
   * @throws {PeerfoldError} `QUOTA_EXCEEDED`, `BUSY`, `TIMEOUT`
   */
  async offer(
    handle: WorkspaceHandle,
    digests: readonly Uint8Array[],
    options?: AbortOptions,
  ): Promise<Receipt> {
    const question = this.#post({ type: 'offer', handle, digests: [...digests] })
    try {
      await this.#next(question, 'lacking', STEP_MS, options)
      const answer = await this.#next(question, 'stored', TRANSFER_MS, options)
      return await this.#receipt(handle, answer, 'blocks', digests, options)
    } finally {
      this.#questions.delete(question.n)
    }
  }

  /** @throws {PeerfoldError} `COMMIT_INVALID`, `COMMIT_HELD`, `UNAUTHORIZED`, `QUOTA_EXCEEDED`, `BUSY` */
  async push(
    handle: WorkspaceHandle,
    commits: ReadonlyArray<{ id: CommitId; envelope: Uint8Array }>,
    options?: AbortOptions,
  ): Promise<Receipt> {
    const envelopes = commits.map(({ envelope }) => envelope)
    const answer = await this.#ask({ type: 'push', handle, envelopes }, 'stored', options)
    const ids = commits.map(({ id }) => fromHex(id))
    return await this.#receipt(handle, answer, 'commits', ids, options)
  }

  async read(
    handle: WorkspaceHandle,
    from: number,
    options?: AbortOptions,
  ): Promise<{ envelopes: Uint8Array[]; more: boolean; statement: Statement }> {
    const answer = await this.#ask({ type: 'read', handle, from }, 'commits', options)
    if (answer.from !== from) throw new PeerfoldError('MESSAGE_INVALID', 'commits of another place')
    const { statement } = await this.#check(handle, answer.signed, options)
    return { envelopes: answer.envelopes, more: answer.more, statement }
  }

  /** What lets this device use the relay's HTTP side, for the mailboxes that are open now. `urls` are those that may be told the token. */
  async ticket(options?: AbortOptions): Promise<{ token: string; urls: string[]; expires: number }> {
    const { token, urls, expires } = await this.#ask({ type: 'token' }, 'ticket', options)
    return { token, urls: urls.filter(keepsSecrets), expires: expires - this.#offset }
  }

  /** Leaves a recovery bundle, in the place of the one that this device left before. */
  async keep(id: string, bundle: Uint8Array, options?: AbortOptions): Promise<void> {
    await this.#ask({ type: 'keep', id, bundle }, 'kept', options)
  }

  /** Recovery bundles of the user with that root key. */
  async recover(
    root: { seed: Uint8Array; publicKey: Uint8Array },
    options?: AbortOptions,
  ): Promise<Uint8Array[]> {
    const time = this.#now()
    const signature = await proveRoot(this.#init.crypto, root.seed, this.#proofChannel, time, options)
    const question = this.#post({ type: 'recover', root: root.publicKey, time, signature })
    const bundles: Uint8Array[] = []
    try {
      for (;;) {
        const { bytes, more } = await this.#next(question, 'bundle', STEP_MS, options)
        if (bytes !== undefined) bundles.push(bytes)
        if (more === 0) return bundles
      }
    } finally {
      this.#questions.delete(question.n)
    }
  }

  /** Idempotent. */
  end(reason: unknown): void {
    if (this.#ended.signal.aborted) return
    this.#ended.abort(reason)
    this.#channel.abort(reason instanceof Error ? reason : new Error(String(reason)))
    this.#events.clear()
  }

  get #proofChannel(): RelayChannel {
    return { relay: this.relay, device: this.#init.network.peer, nonce: this.#nonce }
  }

  #now(): number {
    return Math.max(0, Math.trunc(this.#init.clock.now() + this.#offset))
  }

  async #meet(): Promise<void> {
    const first = await this.#channel.next()
    if (first?.type === 'bye') throw byeError(first)
    if (first?.type !== 'welcome') throw new PeerfoldError('MESSAGE_INVALID', 'the relay did not say welcome')
    if (!first.versions.includes(VERSION))
      throw new PeerfoldError(
        'PROTOCOL_UNSUPPORTED',
        `the relay speaks versions ${first.versions.join(', ')}`,
      )
    this.#nonce = new Uint8Array(first.nonce)
    this.#offset = first.time - this.#init.clock.now()
  }

  #run(): void {
    const over = (error: unknown) => this.end(error)
    this.#listen().catch(over)
    this.#watch().catch(over)
  }

  async #listen(): Promise<never> {
    for (let answer = await this.#channel.next(); answer !== undefined; answer = await this.#channel.next()) {
      if (answer.type === 'bye') throw byeError(answer)
      if (answer.type === 'changed') this.#grew(answer)
      else this.#deliver(answer)
    }
    throw new PeerfoldError('NOT_CONNECTED', 'the relay closed the session')
  }

  #grew({ handle, next, bytes }: RelayAnswerOf<'changed'>): void {
    this.#bytes.set(handle, bytes)
    this.#events.emit('changed', handle, next)
  }

  #deliver(answer: RelayAnswer): void {
    const question = 'n' in answer ? this.#questions.get(answer.n) : undefined
    // An answer that nobody waits for any more, or a sign of life.
    if (question === undefined) return
    question.answers.push(answer)
    question.came.wake()
  }

  /** Asks a silent relay for a sign of life, and ends the session when none comes. */
  async #watch(): Promise<never> {
    const { clock } = this.#init
    const signal = this.#ended.signal
    for (;;) {
      await clock.sleep(QUIET_MS, { signal })
      const silence = clock.monotonic() - this.#channel.heard
      if (silence >= DEAD_MS) throw new PeerfoldError('TIMEOUT', 'the relay was silent')
      if (silence >= QUIET_MS) this.#channel.post({ type: 'ping', n: this.#n++ })
    }
  }

  #post(request: WithoutNumber<RelayRequest>): Question & { n: number } {
    this.#ended.signal.throwIfAborted()
    const n = this.#n++
    const question = { n, answers: [], came: new Wakeup() }
    this.#questions.set(n, question)
    this.#channel.post({ ...request, n } as RelayRequest)
    return question
  }

  async #ask<K extends RelayAnswer['type']>(
    request: WithoutNumber<RelayRequest>,
    type: K,
    options?: AbortOptions,
  ): Promise<RelayAnswerOf<K>> {
    const question = this.#post(request)
    try {
      return await this.#next(question, type, STEP_MS, options)
    } finally {
      this.#questions.delete(question.n)
    }
  }

  async #next<K extends RelayAnswer['type']>(
    question: Question,
    type: K,
    ms: number,
    options?: AbortOptions,
  ): Promise<RelayAnswerOf<K>> {
    const signals = [this.#ended.signal, ...(options?.signal === undefined ? [] : [options.signal])]
    const wait = async (signal: AbortSignal) => {
      while (question.answers.length === 0) await question.came.wait({ signal })
      return question.answers.shift() as RelayAnswer
    }
    const over = AbortSignal.any(signals)
    const late = (signal: AbortSignal) => raceSignal(wait(signal), signal)
    const answer = await withDeadline(this.#init.clock, ms, `waiting for ${type}`, late, { signal: over })
    if (answer.type === 'failed') throw failure(answer)
    if (answer.type !== type) throw new PeerfoldError('MESSAGE_INVALID', `${answer.type} instead of ${type}`)
    return answer as RelayAnswerOf<K>
  }

  async #check(handle: WorkspaceHandle, signed: SignedStatement, options?: AbortOptions): Promise<Receipt> {
    const from = { relay: this.relay, handle }
    return { statement: await readStatement(this.#init.crypto, from, signed, options), signed }
  }

  /** What was sent is stored only if the relay signs exactly that. */
  async #receipt(
    handle: WorkspaceHandle,
    { signed, bytes }: RelayAnswerOf<'stored'>,
    kind: 'blocks' | 'commits',
    ids: readonly Uint8Array[],
    options?: AbortOptions,
  ): Promise<Receipt> {
    const receipt = await this.#check(handle, signed, options)
    const { stored } = receipt.statement
    if (stored?.kind !== kind || stored.count !== ids.length || stored.hash !== hashOfStored(ids))
      throw new PeerfoldError('MESSAGE_INVALID', 'a receipt for something else than was sent')
    this.#bytes.set(handle, bytes)
    return receipt
  }
}

type WithoutNumber<R> = R extends unknown ? Omit<R, 'n'> : never

function failure({ code, message, retryAfter }: RelayAnswerOf<'failed'>): PeerfoldError {
  return new PeerfoldError(code, `the relay: ${message}`, { details: { remote: true, retryAfter } })
}

function byeError({ code, retryAfter }: RelayAnswerOf<'bye'>): PeerfoldError {
  return new PeerfoldError(code, `the relay ended the session: ${code}`, {
    details: { remote: true, retryAfter },
  })
}
