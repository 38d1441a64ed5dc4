import { Emitter } from '../async/emitter.js'
import { Mutex } from '../async/mutex.js'
import { isPeerfoldError, PeerfoldError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'
import type { Clock } from '../ports/clock.js'
import type { Crypto } from '../ports/crypto.js'
import type { CommitId, FeedId, WriterId } from '../ports/ids.js'
import type { KeyValue } from '../ports/key-value.js'
import type { LogPosition, LogStore } from '../ports/log-store.js'
import type { Random } from '../ports/random.js'
import { decodeUpdates } from './body.js'
import { composeCommit } from './compose.js'
import { decodeEnvelope, identify, type Sealed, verifyEnvelopes } from './envelope.js'
import { writerIdOf } from './feed-names.js'
import { Ledger, type Outcome } from './ledger.js'
import { MAX_CLOCK_AHEAD_MS, MAX_DEPS, MAX_GROUP, MAX_RECEIVE, MAX_UPDATES_BYTES } from './limits.js'
import { missingPositions, summaryOf } from './missing.js'
import { OwnFeed } from './own-feed.js'
import { VectorPast } from './past.js'
import { newProgress, Pipeline, type Progress } from './pipeline.js'
import { readEnvelope } from './record.js'
import { readArrivals } from './replay.js'
import { openCommit } from './seal.js'
import type {
  CausalPast,
  Commit,
  CommitConsumer,
  CommitDraft,
  FeedSecrets,
  LogAuthority,
  LogEvents,
  LogSummary,
  ReceiveResult,
  UpdateStore,
  WorkspaceLog,
} from './types.js'

export interface WorkspaceLogInit {
  /** This workspace's own log. Stays open when the log is closed. */
  store: LogStore
  /** The index, shared with `consumer` and `authority`; the log uses keys below `log/`. Stays open when the log is closed. */
  db: KeyValue
  authority: LogAuthority
  consumer: CommitConsumer
  secrets: FeedSecrets
  crypto: Crypto
  clock: Clock
  random: Random
  /** Without one, transactions above 192 KiB are refused, and those of others wait. */
  updateStore?: UpdateStore
  /** How writer ids derive from feeds; tests of collisions narrow it. @default PROTOCOL.md §4.5 */
  writerOf?: (feed: FeedId) => WriterId
}

/** More replays in a row than any honest history needs. */
const MAX_REPLAYS = 100
const KEPT_WARNINGS = 16

/**
 * Opens a workspace's log: takes up the index where it matches the log, replays what lies behind it, or rebuilds it from the start.
 *
 * @throws {PeerfoldError} `LOG_CORRUPT` never for single damaged records: they are passed over and told by a `warning`
 *
 * @example
 * ```ts
 * const log = await openWorkspaceLog({ store, db, authority, consumer, secrets, crypto, clock, random })
 * const commit = await log.commit(async () => ({ updates: [{ shard: 0, update }] }))
 * for await (const { envelope } of log.missing(summaryOfPeer)) await send(envelope)
 * await log.close()
 * ```
 */
export async function openWorkspaceLog(
  init: WorkspaceLogInit,
  options?: AbortOptions,
): Promise<WorkspaceLog> {
  const log = new OpenLog(init)
  await log.open(options)
  return log
}

class OpenLog implements WorkspaceLog {
  readonly #init: WorkspaceLogInit
  readonly #writerOf: (feed: FeedId) => WriterId
  readonly #ledger: Ledger
  readonly #pipeline: Pipeline
  readonly #own: OwnFeed
  readonly #mutex = new Mutex()
  readonly #events = new Emitter<LogEvents>()
  readonly #closing = new AbortController()
  #warnings: PeerfoldError[] = []
  #offKey: () => void = () => {}
  #rebuilding = false
  /** Who made the commits that are being settled: whom listeners are told about. */
  #audience: 'local' | 'remote' | 'none' = 'none'
  /** What listeners have been told of: a report made while more is being settled must not claim that. */
  #summary: LogSummary = new Map()
  #closed: Promise<void> | undefined

  constructor(init: WorkspaceLogInit) {
    this.#init = init
    this.#writerOf = init.writerOf ?? ((feed) => writerIdOf(init.authority.workspace, feed))
    const { db, authority, consumer } = init
    this.#ledger = new Ledger({ db, authority, consumer, writerOf: this.#writerOf })
    this.#pipeline = new Pipeline(
      { ...init, updateStore: init.updateStore, onSettled: (settled) => this.#announce(settled) },
      this.#ledger,
    )
    this.#own = new OwnFeed({ ...init, writerOf: this.#writerOf })
  }

  get writer(): WriterId {
    return this.#own.writer
  }

  get rebuilding(): boolean {
    return this.#rebuilding
  }

  async open(options?: AbortOptions): Promise<void> {
    await this.#own.load()
    const matches = (await this.#ledger.load()) && (await this.#matchesLog())
    if (!matches) await this.#rebuild(options)
    else if ((this.#ledger.position as LogPosition) < this.#init.store.end) await this.#catchUp(options)
    this.#summary = summaryOf(this.#ledger)
    this.#offKey = this.#init.authority.onKey(() => this.#onKey())
  }

  nextStamp(): number {
    return this.#ledger.stamp + 1
  }

  nextSeq(): number {
    return (this.#own.tip(this.#ledger)?.tipSeq ?? 0) + 1
  }

  past(): CausalPast {
    return this.#ledger.past()
  }

  async pastOf(id: CommitId): Promise<CausalPast> {
    const entry = await this.#ledger.index.get(id)
    if (entry === undefined || entry.verdict === 'void') throw notFound(id)
    const vector = new Map(await this.#ledger.index.vector(id))
    if (entry.seq > 1) vector.set(entry.feed, entry.seq - 1)
    else vector.delete(entry.feed)
    return new VectorPast(this.#ledger.feeds, vector, this.#writerOf)
  }

  commit(
    draft: (past: CausalPast) => Promise<CommitDraft | undefined>,
    options?: AbortOptions,
  ): Promise<Commit | undefined> {
    return this.#exclusive(async () => {
      await this.#own.prepare(this.#ledger, this.#pipeline.holding.stranded())
      while (this.#ledger.heads.size > MAX_DEPS) await this.#publish({ updates: [] }, options)
      const drafted = await draft(this.past())
      return drafted && this.#publish(drafted, options)
    }, options)
  }

  async receive(envelopes: readonly Uint8Array[], options?: AbortOptions): Promise<ReceiveResult> {
    if (envelopes.length > MAX_RECEIVE) {
      throw new PeerfoldError(
        'INVALID_ARGUMENT',
        `${envelopes.length} commits at once; at most ${MAX_RECEIVE}`,
      )
    }
    const { crypto, authority, clock } = this.#init
    const verified = await verifyEnvelopes(crypto, authority.handle, envelopes, options)
    const sealed = verified.filter((one): one is Sealed => !(one instanceof PeerfoldError))
    const malformed = verified.filter((one): one is PeerfoldError => one instanceof PeerfoldError)
    const result = await this.#exclusive(async () => {
      const known = await this.#ledger.index.known(sealed.map(({ id }) => id))
      const progress = this.#begin()
      const received = clock.now()
      const forks = this.#ledger.feeds.forks.count
      for (let i = 0; i < sealed.length; i += MAX_GROUP) {
        const arrivals = sealed.slice(i, i + MAX_GROUP).map((one) => ({ sealed: one, received, ...UNSTORED }))
        await this.#pipeline.take(arrivals, progress, options)
        await this.#pipeline.drain(progress, options)
      }
      return this.#conclude(progress, sealed, known, forks)
    }, options)
    for (const error of malformed) result.rejected.push({ id: undefined, error, blame: 'forwarder' })
    return result
  }

  retry(options?: AbortOptions): Promise<ReceiveResult> {
    return this.#exclusive(async () => {
      const progress = this.#begin()
      const forks = this.#ledger.feeds.forks.count
      await this.#pipeline.retry('blocks', progress, options)
      await this.#pipeline.retry('key', progress, options)
      await this.#pipeline.drain(progress, options)
      return this.#conclude(progress, [], new Set(), forks)
    }, options)
  }

  heads(): CommitId[] {
    return [...this.#ledger.heads].sort()
  }

  summary(): LogSummary {
    return this.#summary
  }

  async has(id: CommitId): Promise<boolean> {
    this.#assertOpen()
    return (await this.#ledger.index.get(id, true)) !== undefined
  }

  async envelope(id: CommitId, options?: AbortOptions): Promise<Uint8Array> {
    this.#assertOpen()
    const entry = await this.#ledger.index.get(id, true)
    if (entry === undefined) throw notFound(id)
    return (await readEnvelope(this.#init.store, entry.position, options?.signal)).envelope
  }

  async get(id: CommitId, options?: AbortOptions): Promise<Commit> {
    const [sealed] = await identify(this.#init.crypto, [decodeEnvelope(await this.envelope(id, options))])
    return this.#opened(sealed as Sealed, options)
  }

  async *missing(
    summary: LogSummary,
    options?: AbortOptions,
  ): AsyncIterable<{ id: CommitId; envelope: Uint8Array }> {
    const positions = await this.#exclusive(() => missingPositions(this.#ledger, summary), options)
    for (const position of positions) {
      this.#assertOpen()
      const envelope = await this.#tryRead(position, options)
      if (envelope === undefined) continue
      const [sealed] = await identify(this.#init.crypto, [decodeEnvelope(envelope)])
      yield { id: (sealed as Sealed).id, envelope }
    }
  }

  /** A commit of the own log; undefined, with a warning, when its record is damaged: others can still be had. */
  async #tryRead(position: LogPosition, options?: AbortOptions): Promise<Uint8Array | undefined> {
    try {
      return (await readEnvelope(this.#init.store, position, options?.signal)).envelope
    } catch (error) {
      if (!isPeerfoldError(error, 'LOG_CORRUPT')) throw error
      this.#warn(error)
      await this.#exclusive(() => this.#ledger.noteDamage())
      return undefined
    }
  }

  async *replay(from?: LogPosition, options?: AbortOptions): AsyncIterable<Commit> {
    this.#assertOpen()
    const { store, crypto } = this.#init
    const batches = readArrivals(store, crypto, from ?? store.start, () => {}, options?.signal)
    for await (const { arrivals } of batches) {
      for (const { sealed, position } of arrivals) {
        this.#assertOpen()
        const entry = await this.#ledger.index.get(sealed.id, true)
        if (entry?.verdict === 'valid' && entry.position === position)
          yield await this.#opened(sealed, options)
      }
    }
  }

  on<E extends keyof LogEvents>(event: E, listener: LogEvents[E]): () => void {
    const off = this.#events.on(event, listener)
    if (event === 'warning')
      for (const warning of this.#warnings.splice(0)) this.#events.emit('warning', warning)
    return off
  }

  close(): Promise<void> {
    this.#closed ??= this.#shut()
    return this.#closed
  }

  async #shut(): Promise<void> {
    this.#closing.abort(new PeerfoldError('CLOSED', 'the log is closed'))
    this.#offKey()
    await this.#mutex.run(async () => {})
    this.#events.clear()
  }

  async #publish(draft: CommitDraft, options?: AbortOptions): Promise<Commit> {
    const staged = await composeCommit(
      { ...this.#init, updateStore: this.#init.updateStore },
      this.#ledger,
      this.#own,
      draft,
      options,
    )
    const { verdict, error } = await this.#ledger.consider(staged)
    if (verdict === 'void') throw error
    if (verdict === 'quarantine') {
      throw new PeerfoldError('PERMISSION_DENIED', 'this device may not write to the workspace', {
        cause: error,
      })
    }
    const progress = newProgress()
    options?.signal?.throwIfAborted()
    this.#audience = 'local'
    await this.#pipeline.store([staged], progress)
    if (this.#ledger.stale) await this.#rebuild()
    return progress.settled[0]?.commit as Commit
  }

  /** What a call did, now that all is durable; after a rebuild where names or verdicts changed. */
  async #conclude(
    progress: Progress,
    sealed: readonly Sealed[],
    known: ReadonlySet<CommitId>,
    forksBefore: number,
  ): Promise<ReceiveResult> {
    if (this.#ledger.stale) await this.#rebuild()
    const forked = this.#ledger.feeds.forks.count > forksBefore
    const result: ReceiveResult = { ...empty(), rejected: [...progress.rejected], forked }
    for (const { id, error } of progress.settled) await this.#sort(result, id, error)
    const refused = new Set(progress.rejected.map(({ id }) => id))
    for (const { id } of sealed) {
      const held = this.#pipeline.holding.get(id)
      if (known.has(id)) result.known.push(id)
      else if (held !== undefined && !refused.has(id)) result.held.push(this.#heldOf(id))
    }
    return result
  }

  async #sort(result: ReceiveResult, id: CommitId, error: PeerfoldError | undefined): Promise<void> {
    const entry = await this.#ledger.index.get(id)
    if (entry?.verdict === 'valid') result.applied.push(id)
    else if (entry?.verdict === 'quarantine') result.quarantined.push(id)
    else
      result.rejected.push({
        id,
        error: error ?? new PeerfoldError('COMMIT_INVALID', 'refused'),
        blame: 'author',
      })
  }

  #heldOf(id: CommitId): ReceiveResult['held'][number] {
    const { holding } = this.#pipeline
    const held = holding.get(id)
    const missing = [...(held?.missing ?? [])].filter((one) => !holding.has(one))
    return { id, missing, reason: held?.reason ?? 'dep' }
  }

  #begin(): Progress {
    this.#audience = 'remote'
    return newProgress()
  }

  #announce(settled: readonly Outcome[]): void {
    this.#summary = summaryOf(this.#ledger)
    if (this.#audience === 'none') return
    const local = this.#audience === 'local'
    for (const { commit, verdict } of settled) {
      if (commit === undefined || verdict !== 'valid') continue
      this.#events.emit('commit', commit, local)
      if (!local) this.#warnOfClock(commit)
    }
  }

  #warnOfClock(commit: Commit): void {
    const ahead = commit.claimedTime - this.#init.clock.now()
    if (ahead <= MAX_CLOCK_AHEAD_MS) return
    const message = `the clock of device ${commit.device} is ${Math.round(ahead / 60_000)} minutes ahead`
    const details = { device: commit.device, commit: commit.id, ahead }
    this.#warn(new PeerfoldError('CLOCK_AHEAD', message, { details }))
  }

  #warn(error: PeerfoldError): void {
    this.#warnings.push(error)
    if (this.#warnings.length > KEPT_WARNINGS) this.#warnings.shift()
    this.#events.emit('warning', error)
  }

  async #opened(sealed: Sealed, options?: AbortOptions): Promise<Commit> {
    const secrets = this.#init.authority.keyring.get(sealed.epoch)
    if (secrets === undefined)
      throw new PeerfoldError('KEY_MISSING', `no key of epoch ${sealed.epoch} is here`)
    const body = await openCommit(this.#init.crypto, sealed, secrets, options)
    const entry = await this.#ledger.index.get(sealed.id)
    if (entry === undefined || entry.verdict === 'void') throw notFound(sealed.id)
    const updates =
      'updates' in body.content ? body.content.updates : await this.#loaded(body.content.root, options)
    return this.#ledger.commitOf(entry, { sealed, body, updates })
  }

  async #loaded(root: Uint8Array, options?: AbortOptions): Promise<Commit['updates']> {
    const bytes = await this.#init.updateStore?.get(root, MAX_UPDATES_BYTES, options)
    if (bytes === undefined)
      throw new PeerfoldError('BLOCKS_UNAVAILABLE', 'blocks of a large transaction are not here')
    return decodeUpdates(bytes)
  }

  async #matchesLog(): Promise<boolean> {
    const { store } = this.#init
    const { position, last } = this.#ledger
    if (position === undefined || position > store.end || position < store.start) return false
    if (last === undefined) return position === store.start
    try {
      const record = await store.get(last.position)
      const { envelope } = await readEnvelope(store, last.position)
      const [sealed] = await identify(this.#init.crypto, [decodeEnvelope(envelope)])
      return sealed?.id === last.id && record.next <= position
    } catch (error) {
      if (isPeerfoldError(error)) return false
      throw error
    }
  }

  async #catchUp(options?: AbortOptions): Promise<void> {
    await this.#replayFrom(this.#ledger.position as LogPosition, options)
    if (this.#ledger.stale) await this.#rebuild(options)
  }

  /** Not to be broken off by the caller: half a rebuild is of no use to anyone. */
  async #rebuild(options?: AbortOptions): Promise<void> {
    try {
      await this.#replayAll(options)
    } catch (error) {
      this.#ledger.failure = error
      throw error
    }
  }

  /** The index anew, from the first commit on: again while a replay finds names or verdicts to change. */
  async #replayAll(options?: AbortOptions): Promise<void> {
    this.#setRebuilding(true)
    for (let replays = 0; replays === 0 || this.#ledger.stale; replays++) {
      if (replays === MAX_REPLAYS) throw new PeerfoldError('INTERNAL', 'verdicts do not settle')
      await this.#ledger.clear()
      this.#pipeline.holding.forgetStranded()
      await this.#init.consumer.reset()
      await this.#init.authority.reset()
      await this.#replayFrom(this.#init.store.start, options)
    }
    this.#summary = summaryOf(this.#ledger)
    await this.#init.consumer.restored?.()
    this.#setRebuilding(false)
  }

  async #replayFrom(from: LogPosition, options?: AbortOptions): Promise<void> {
    this.#audience = 'none'
    const progress = newProgress()
    const { store, crypto } = this.#init
    const batches = readArrivals(store, crypto, from, (error) => this.#warn(error), options?.signal)
    let end = from
    for await (const { arrivals, next } of batches) {
      await this.#pipeline.take(arrivals, progress, options)
      await this.#pipeline.drain(progress, options)
      progress.settled.length = 0
      end = next
    }
    this.#ledger.incomplete = this.#pipeline.holding.strandedCount > 0
    await this.#ledger.save(end)
  }

  #setRebuilding(active: boolean): void {
    if (this.#rebuilding === active) return
    this.#rebuilding = active
    this.#events.emit('rebuild', active)
  }

  /** A key came from outside: in the background, since nobody waits for it. */
  #onKey(): void {
    const { signal } = this.#closing
    this.#mutex
      .run(
        async () => {
          this.#assertOpen()
          const progress = this.#begin()
          await this.#pipeline.retry('key', progress, { signal })
          await this.#pipeline.drain(progress, { signal })
          if (this.#ledger.stale) await this.#rebuild()
        },
        { signal },
      )
      .catch((error: unknown) => {
        if (!signal.aborted) this.#warn(asPeerfoldError(error))
      })
  }

  #assertOpen(): void {
    this.#closing.signal.throwIfAborted()
    const { failure } = this.#ledger
    if (failure === undefined) return
    throw new PeerfoldError('INDEX_CORRUPT', 'the index fell behind the log: open the workspace anew', {
      cause: failure,
    })
  }

  async #exclusive<T>(task: () => Promise<T>, options?: AbortOptions): Promise<T> {
    this.#assertOpen()
    return this.#mutex.run(async () => {
      this.#assertOpen()
      try {
        return await task()
      } catch (error) {
        if (isIndexDamage(error)) await this.#ledger.condemn(error)
        if (this.#ledger.stale && this.#ledger.failure === undefined) await this.#rebuild()
        throw error
      }
    }, options)
  }
}

const UNSTORED = { position: undefined, next: undefined }

function empty(): ReceiveResult {
  return { applied: [], known: [], held: [], rejected: [], quarantined: [], forked: false }
}

/** A value of the index that does not decode, whichever layer says so. */
function isIndexDamage(error: unknown): boolean {
  const { code } = error as { code?: string }
  return code === 'INDEX_CORRUPT' || code === 'LEVEL_DECODE_ERROR' || code === 'LEVEL_CORRUPTION'
}

function notFound(id: CommitId): PeerfoldError {
  return new PeerfoldError('NOT_FOUND', `no commit ${id}`)
}

function asPeerfoldError(error: unknown): PeerfoldError {
  return isPeerfoldError(error) ? error : new PeerfoldError('INTERNAL', 'the log failed', { cause: error })
}
