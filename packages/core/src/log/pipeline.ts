import { isPeerfoldError, PeerfoldError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'
import type { Crypto } from '../ports/crypto.js'
import type { CommitId, FeedId } from '../ports/ids.js'
import type { LogPosition, LogStore } from '../ports/log-store.js'
import { type Body, decodeUpdates } from './body.js'
import { decodeEnvelope, identify, type Sealed } from './envelope.js'
import { type Held, Holding, type HoldReason } from './holding.js'
import type { Ledger, Outcome, Staged } from './ledger.js'
import { MAX_GROUP, MAX_GROUP_BYTES, MAX_UPDATES_BYTES } from './limits.js'
import { encodeRecord, readEnvelope } from './record.js'
import { openCommits } from './seal.js'
import { invalid } from './shape.js'
import type { LogAuthority, ShardUpdate, UpdateStore } from './types.js'

export interface PipelineInit {
  store: LogStore
  crypto: Crypto
  authority: LogAuthority
  updateStore: UpdateStore | undefined
  /** Told after each batch, when it is durable. */
  onSettled: (outcomes: readonly Outcome[]) => void
}

/** A commit whose id and signature are settled, on its way in. */
export interface Arrival {
  sealed: Sealed
  received: number
  /** Where it lies, when it comes from the own log. */
  position: LogPosition | undefined
  next: LogPosition | undefined
}

/** What one call learns on the way. */
export interface Progress {
  settled: Outcome[]
  rejected: Array<{ id: CommitId; error: PeerfoldError; blame: 'forwarder' | 'author' }>
}

export function newProgress(): Progress {
  return { settled: [], rejected: [] }
}

/**
 * From arrival to verdict: opens, holds what waits for something, appends groups to the log, and has the ledger settle them. Order of
 * writes: append, durable → one batch of the index → told.
 */
export class Pipeline {
  readonly #init: PipelineInit
  readonly #ledger: Ledger
  readonly holding = new Holding()
  #ready: Staged[] = []
  /** Those on their way in that others may build on: whose feed, which seq. */
  readonly #staged = new Map<CommitId, { feed: FeedId; seq: number }>()

  constructor(init: PipelineInit, ledger: Ledger) {
    this.#init = init
    this.#ledger = ledger
  }

  /** Opens what can be opened and stages what can be judged. */
  async take(arrivals: readonly Arrival[], progress: Progress, options?: AbortOptions): Promise<void> {
    const known = await this.#ledger.index.known(arrivals.map(({ sealed }) => sealed.id))
    const fresh = new Map<CommitId, Arrival>()
    for (const arrival of arrivals) {
      const { id } = arrival.sealed
      if (!known.has(id) && !this.#staged.has(id) && !this.holding.has(id)) fresh.set(id, arrival)
    }
    const sealedFor = (one: Arrival) => this.#init.authority.keyring.get(one.sealed.epoch)
    const all = [...fresh.values()]
    for (const one of all) if (sealedFor(one) === undefined) this.#hold(one, undefined, 'key', [], progress)
    const openable = all.filter((one) => sealedFor(one) !== undefined)
    const jobs = openable.map((one) => ({ envelope: one.sealed, secrets: sealedFor(one) as never }))
    const opened = await openCommits(this.#init.crypto, jobs, options)
    for (const [i, arrival] of openable.entries()) {
      const body = opened[i] as Body | PeerfoldError
      if (body instanceof PeerfoldError) reject(progress, arrival, body)
      else await this.#admit(arrival, body, progress, options)
    }
  }

  /** Brings everything staged to its verdict, and what waited for it. */
  async drain(progress: Progress, options?: AbortOptions): Promise<void> {
    try {
      while (this.#ready.length > 0) {
        options?.signal?.throwIfAborted()
        const group = this.#nextGroup()
        await this.store(group, progress)
        await this.#wake(group, progress, options)
      }
    } finally {
      this.#ready = []
      this.#staged.clear()
    }
  }

  /** Appends a group that is not in the log yet, and settles it. */
  async store(group: readonly Staged[], progress: Progress): Promise<void> {
    if (this.#isSuspect(group[0]) && (await this.#refuse(group[0] as Staged, progress))) return
    const fresh = group.filter(({ position }) => position === undefined)
    const { store } = this.#init
    if (fresh.length > 0) {
      const records = fresh.map(({ received, sealed }) => encodeRecord(received, sealed.bytes))
      const positions = await store.append(records)
      for (const [i, staged] of fresh.entries()) {
        staged.position = positions[i]
        staged.next = positions[i + 1] ?? store.end
      }
    }
    const reached = Math.max(this.#ledger.position ?? store.start, ...group.map(({ next }) => next ?? 0))
    this.#ledger.incomplete = this.holding.strandedCount > 0
    const outcomes = await this.#ledger.settle(group, reached)
    progress.settled.push(...outcomes)
    this.#init.onSettled(outcomes)
  }

  /** Takes out of the holding what may go on now, for a reason that the log does not see by itself. */
  async retry(reason: HoldReason, progress: Progress, options?: AbortOptions): Promise<void> {
    await this.#resume(this.holding.take(reason), progress, options)
  }

  async #admit(arrival: Arrival, body: Body, progress: Progress, options?: AbortOptions): Promise<void> {
    const { prev } = arrival.sealed
    const parents = prev === undefined ? body.deps : [prev, ...body.deps]
    const absent = parents.filter((id) => !this.#staged.has(id))
    const known = await this.#ledger.index.known(absent)
    const missing = absent.filter((id) => !known.has(id))
    if (missing.length > 0) this.#hold(arrival, body, 'dep', missing, progress)
    else await this.#stage(arrival, body, progress, options)
  }

  /** The rest of rules 3 and 4, now that the causes are there. */
  async #stage(arrival: Arrival, body: Body, progress: Progress, options?: AbortOptions): Promise<void> {
    const { sealed } = arrival
    try {
      if (!(await this.#follows(sealed))) throw invalid('seq and prev do not follow')
      const owner = body.proof && (await this.#init.authority.checkFeed(sealed.feedKey, body.proof, options))
      const updates = await this.#load(body, options)
      if (updates === undefined) return this.#hold(arrival, body, 'blocks', [], progress)
      this.#ready.push({ ...arrival, body, updates, owner, checked: false })
      this.#staged.set(sealed.id, { feed: sealed.feed, seq: sealed.seq })
    } catch (error) {
      if (!isVerdict(error)) throw error
      reject(progress, arrival, error)
    }
  }

  async #follows(sealed: Sealed): Promise<boolean> {
    if (sealed.prev === undefined) return true
    const staged = this.#staged.get(sealed.prev)
    if (staged !== undefined) return staged.feed === sealed.feed && staged.seq === sealed.seq - 1
    const entry = await this.#ledger.index.get(sealed.prev)
    if (entry === undefined || entry.seq !== sealed.seq - 1) return false
    return entry.feed === -1 || this.#ledger.feeds.get(entry.feed).signed === sealed.feed
  }

  async #load(body: Body, options?: AbortOptions): Promise<ShardUpdate[] | undefined> {
    if ('updates' in body.content) return body.content.updates
    const { updateStore } = this.#init
    if (updateStore === undefined) return undefined
    const bytes = await updateStore.get(body.content.root, MAX_UPDATES_BYTES, options)
    return bytes && decodeUpdates(bytes)
  }

  #hold(
    arrival: Arrival,
    body: Body | undefined,
    reason: HoldReason,
    missing: CommitId[],
    progress?: Progress,
  ): void {
    const { sealed, received, position, next } = arrival
    const inLog = position !== undefined
    const gone = this.holding.add({
      id: sealed.id,
      reason,
      sealed: inLog ? undefined : sealed,
      body: inLog ? undefined : body,
      epoch: sealed.epoch,
      feed: sealed.feed,
      received,
      position,
      next,
      missing: new Set(missing),
    })
    for (const id of gone) progress?.rejected.push({ id, error: crowded(), blame: 'forwarder' })
  }

  /** As many as go into one append and one batch; alone, whoever has shown commits that were refused. */
  #nextGroup(): Staged[] {
    if (this.#isSuspect(this.#ready[0])) return this.#ready.splice(0, 1)
    let bytes = 0
    let count = 0
    for (const staged of this.#ready) {
      bytes += staged.sealed.bytes.length
      if (count > 0 && (count >= MAX_GROUP || bytes > MAX_GROUP_BYTES || this.#isSuspect(staged))) break
      count++
    }
    return this.#ready.splice(0, count)
  }

  /** Of a feed that had commits refused, no more of the kind are kept. */
  #isSuspect(staged: Staged | undefined): boolean {
    return staged?.position === undefined && this.#ledger.marks.get(staged?.sealed.feed ?? '') === 1
  }

  async #refuse(staged: Staged, progress: Progress): Promise<boolean> {
    const { verdict, error } = await this.#ledger.consider(staged)
    if (verdict === 'void') reject(progress, staged, error ?? invalid('refused'))
    else staged.checked = verdict === 'valid'
    return verdict === 'void'
  }

  async #wake(group: readonly Staged[], progress: Progress, options?: AbortOptions): Promise<void> {
    const held = group.flatMap(({ sealed }) => this.holding.release(sealed.id))
    const { keyring } = this.#init.authority
    held.push(...this.holding.take('key', ({ epoch }) => keyring.get(epoch) !== undefined))
    await this.#resume(held, progress, options)
  }

  async #resume(held: readonly Held[], progress: Progress, options?: AbortOptions): Promise<void> {
    const unopened: Arrival[] = []
    for (const one of held) {
      const { body, sealed } = one
      if (body !== undefined && sealed !== undefined)
        await this.#admit({ ...one, sealed }, body, progress, options)
      else unopened.push({ ...one, sealed: sealed ?? (await this.#reread(one)) })
    }
    if (unopened.length > 0) await this.take(unopened, progress, options)
  }

  async #reread(held: Held): Promise<Sealed> {
    const { envelope } = await readEnvelope(this.#init.store, held.position as LogPosition)
    const [sealed] = await identify(this.#init.crypto, [decodeEnvelope(envelope)])
    return sealed as Sealed
  }
}

function reject(progress: Progress, { sealed }: { sealed: Sealed }, error: PeerfoldError): void {
  progress.rejected.push({ id: sealed.id, error, blame: 'author' })
}

/** Errors that say something about the commit, not about this device. */
function isVerdict(error: unknown): error is PeerfoldError {
  return (
    isPeerfoldError(error, 'COMMIT_INVALID') ||
    isPeerfoldError(error, 'COMMIT_TOO_LARGE') ||
    isPeerfoldError(error, 'CERTIFICATE_INVALID') ||
    isPeerfoldError(error, 'PROTOCOL_UNSUPPORTED')
  )
}

function crowded(): PeerfoldError {
  return new PeerfoldError(
    'COMMIT_HELD',
    'too many commits wait for others; it was let go and must be sent again',
  )
}
