import { fromHex, toHex } from '../encoding/bytes.js'
import { decodeCbor, encodeCbor } from '../encoding/cbor.js'
import { isPeerfoldError, type PeerfoldError } from '../errors.js'
import type { CommitId, DeviceId, FeedId, UserId, WriterId } from '../ports/ids.js'
import type { KeyValue } from '../ports/key-value.js'
import type { LogPosition } from '../ports/log-store.js'
import type { Body } from './body.js'
import { CommitIndex, type Entry, merge, type Verdict } from './commit-index.js'
import type { Sealed } from './envelope.js'
import { branchIdOf } from './feed-names.js'
import { decodeFeed, encodeFeed, type Feed, Feeds, ForkTable, forkPoint, type Vector } from './feeds.js'
import { MAX_CLOCK_AHEAD_MS, MAX_STAMP_STEP } from './limits.js'
import { VectorPast } from './past.js'
import { invalid } from './shape.js'
import type { Commit, CommitConsumer, IndexBatch, LogAuthority, ShardUpdate } from './types.js'

/** A commit that passed rules 1 to 4, whose causes are all in the log, and that lies there itself when it is settled. */
export interface Staged {
  sealed: Sealed
  body: Body
  updates: ShardUpdate[]
  /** Whom the feed belongs to: on its first commit. */
  owner: { device: DeviceId; user: UserId } | undefined
  received: number
  position: LogPosition | undefined
  next: LogPosition | undefined
  /** The consumer's check passed already. */
  checked: boolean
}

export interface Outcome {
  id: CommitId
  verdict: Verdict
  commit: Commit | undefined
  error: PeerfoldError | undefined
}

export interface LedgerInit {
  db: KeyValue
  authority: LogAuthority
  consumer: CommitConsumer
  writerOf: (feed: FeedId) => WriterId
}

/** A commit with all that its causal past says about it. */
interface Case {
  staged: Staged
  parents: Entry[]
  prev: Entry | undefined
  prevVector: Vector
  vector: Vector
  past: VectorPast
  feed: Feed
  commit: Commit
  /** Commits that follow the same point, when this one makes them several. */
  rivals: { point: string; ids: CommitId[]; keeper: CommitId } | undefined
  /** Names that have one writer id: the higher moves. */
  collision: { higher: FeedId; lower: FeedId } | undefined
  error: PeerfoldError | undefined
}

const VERSION = 1
const STATE = 'log/state'
const FORKS = 'log/forks'
const NO_ID = '0'.repeat(64)

/**
 * Judges commits in causal order and keeps the index: one batch for a group of them, idempotent, with the log position it stands for.
 * Knows nothing of arrival, holding and feeds of its own.
 */
export class Ledger {
  readonly #init: LedgerInit
  index: CommitIndex
  feeds: Feeds
  heads = new Set<CommitId>()
  /** Highest stamp applied. */
  stamp = 0
  /** The index stands for the log up to here. */
  position: LogPosition | undefined
  last: { position: LogPosition; id: CommitId } | undefined
  /** Signed feeds with commits that were refused (1) or quarantined (2). */
  marks = new Map<FeedId, 1 | 2>()
  /** Names or verdicts given before have changed: all must be replayed. */
  renamed = false
  rejudge = false
  /** Commits lie in the log unread: the index does not stand for it. */
  incomplete = false
  /** A record that the index points to cannot be read any more. */
  damaged = false
  /** What broke off between log and index: consumer and index are apart until they are opened anew. */
  failure: unknown

  constructor(init: LedgerInit, forks = new ForkTable()) {
    this.#init = init
    this.index = new CommitIndex(init.db)
    this.feeds = new Feeds(forks)
  }

  get stale(): boolean {
    return this.renamed || this.rejudge
  }

  past(vector: Vector = this.feeds.tips()): VectorPast {
    return new VectorPast(this.feeds, vector, this.#init.writerOf)
  }

  /** The verdict, without any effect. */
  async consider(staged: Staged): Promise<{ verdict: Verdict; error: PeerfoldError | undefined }> {
    const one = await this.#examine(staged)
    const judged = await this.#judge(one)
    if (judged.verdict !== 'valid') return judged
    const error = await this.#check(one)
    return { verdict: error === undefined ? 'valid' : 'void', error }
  }

  /** Judges a group, applies what is valid, and writes one batch. */
  async settle(group: readonly Staged[], position: LogPosition): Promise<Outcome[]> {
    try {
      return await this.#settle(group, position)
    } catch (error) {
      this.failure = error
      throw error
    }
  }

  async #settle(group: readonly Staged[], position: LogPosition): Promise<Outcome[]> {
    const batch: IndexBatch = []
    const touched = new Set<Feed>()
    const outcomes: Outcome[] = []
    for (const staged of group) outcomes.push(await this.#decide(staged, batch, touched))
    const last = group.at(-1)
    if (last?.position !== undefined) this.last = { position: last.position, id: last.sealed.id }
    this.position = position
    this.index.drainInto(batch)
    for (const feed of touched)
      batch.push({ type: 'put', key: feedKey(feed.number), value: encodeFeed(feed) })
    batch.push(...this.#stateOps())
    await this.#init.db.batch(batch)
    this.index.written()
    for (const { commit, verdict } of outcomes) {
      if (commit !== undefined && verdict === 'valid') this.#init.consumer.applied(commit)
    }
    return outcomes
  }

  async #decide(staged: Staged, batch: IndexBatch, touched: Set<Feed>): Promise<Outcome> {
    const one = await this.#examine(staged)
    let { verdict, error } = await this.#judge(one)
    if (verdict !== 'void') {
      if (await this.#init.authority.apply(one.commit, one.past, batch)) this.rejudge = true
      if (verdict === 'valid' && this.rejudge) verdict = 'quarantine'
    }
    if (verdict === 'valid' && !staged.checked) {
      error = await this.#check(one)
      if (error !== undefined) verdict = 'void'
    }
    this.#record(one, verdict, batch, touched)
    if (verdict === 'valid') await this.#init.consumer.apply(one.commit, one.past, batch)
    return { id: staged.sealed.id, verdict, commit: one.commit, error }
  }

  /** Rule 5, and what the causes of a commit say about it. */
  async #judge(one: Case): Promise<{ verdict: Verdict; error: PeerfoldError | undefined }> {
    if (one.error !== undefined) return { verdict: 'void', error: one.error }
    try {
      const verdict = await this.#init.authority.judge(one.commit, one.past)
      const stands = one.parents.every((parent) => parent.verdict === 'valid')
      return { verdict: stands ? verdict : 'quarantine', error: undefined }
    } catch (error) {
      if (isPeerfoldError(error, 'COMMIT_INVALID')) return { verdict: 'void', error }
      if (isPeerfoldError(error, 'PROTOCOL_UNSUPPORTED')) return { verdict: 'quarantine', error }
      throw error
    }
  }

  /** Rules 6 and 7. */
  async #check(one: Case): Promise<PeerfoldError | undefined> {
    try {
      await this.#init.consumer.check(one.commit, one.past)
      return undefined
    } catch (error) {
      if (isPeerfoldError(error, 'UPDATE_INVALID') || isPeerfoldError(error, 'COMMIT_INVALID')) return error
      throw error
    }
  }

  #record(one: Case, verdict: Verdict, batch: IndexBatch, touched: Set<Feed>): void {
    const { commit, feed, staged, prev } = one
    if (verdict !== 'void' && this.feeds.byId(feed.id) === undefined) this.feeds.add(feed)
    if (verdict !== 'void') touched.add(feed)
    this.index.put(
      {
        id: commit.id,
        position: staged.position as LogPosition,
        verdict,
        feed: verdict === 'void' ? -1 : feed.number,
        seq: commit.seq,
        stamp: commit.stamp,
        time: commit.time,
        prev: commit.prev,
      },
      one.vector,
      prev,
      one.prevVector,
    )
    if (verdict === 'valid') this.#advance(one)
    else this.#mark(commit.signedFeed, verdict === 'void' ? 1 : 2, batch)
  }

  #mark(signed: FeedId, mark: 1 | 2, batch: IndexBatch): void {
    const before = this.marks.get(signed)
    if (before === 1 || before === mark) return
    this.marks.set(signed, mark)
    batch.push({ type: 'put', key: `log/x/${signed}`, value: Uint8Array.of(mark) })
  }

  #advance({ commit, feed, rivals, collision }: Case): void {
    if (feed.tipSeq === 0) {
      feed.firstSeq = commit.seq
      feed.firstId = commit.id
    }
    feed.tipSeq = commit.seq
    feed.tipId = commit.id
    this.stamp = Math.max(this.stamp, commit.stamp)
    if (commit.prev !== undefined) this.heads.delete(commit.prev)
    for (const dep of commit.deps) this.heads.delete(dep)
    this.heads.add(commit.id)
    const { forks } = this.feeds
    if (rivals !== undefined && forks.add(rivals.point, rivals.ids, rivals.keeper)) this.renamed = true
    if (collision === undefined) return
    forks.moved.set(collision.higher, collision.lower)
    if (this.feeds.byId(collision.higher) !== undefined) this.renamed = true
  }

  async #examine(staged: Staged): Promise<Case> {
    const { sealed, body } = staged
    const ids = sealed.prev === undefined ? body.deps : [sealed.prev, ...body.deps]
    const parents = await Promise.all(ids.map((id) => this.index.get(id)))
    const known = parents.filter((entry) => entry !== undefined)
    const prev = sealed.prev === undefined ? undefined : known[0]
    const refused = known.some(({ verdict }) => verdict === 'void') || known.length < ids.length
    const prevVector: Vector = prev && !refused ? await this.index.vector(prev.id) : new Map()
    let vector = prevVector
    if (!refused) for (const dep of body.deps) vector = merge(vector, await this.index.vector(dep))
    const placed = await this.#place(staged, refused ? undefined : prev)
    const error = refused
      ? invalid('it builds on a commit that was refused')
      : this.#fault(body, known, vector, placed.feed)
    const commit = this.#commitOf(staged, placed.feed, timeOf(staged, known))
    return {
      staged,
      parents: known,
      prev,
      prevVector,
      vector,
      past: this.past(vector),
      ...placed,
      commit,
      error,
    }
  }

  #fault(body: Body, parents: readonly Entry[], vector: Vector, feed: Feed): PeerfoldError | undefined {
    const highest = parents.reduce((max, { stamp }) => Math.max(max, stamp), 0)
    if (body.stamp <= highest) return invalid('its stamp is not above those of its causes')
    if (body.stamp > highest + MAX_STAMP_STEP)
      return invalid('its stamp is too far above those of its causes')
    if (this.feeds.seesFork(vector, feed))
      return invalid('it goes on with a feed that its author knew to be forked')
    return undefined
  }

  /** Which feed a commit counts to (PROTOCOL.md §4.6). */
  async #place(
    staged: Staged,
    prev: Entry | undefined,
  ): Promise<Pick<Case, 'feed' | 'rivals' | 'collision'>> {
    const { id, feed: signed, seq } = staged.sealed
    const base = prev === undefined ? undefined : this.feeds.get(prev.feed)
    const point = forkPoint(signed, staged.sealed.prev)
    const known = this.feeds.forks.points.get(point)
    const settled = known?.includes(id) === true
    const keeper = known?.[0] ?? (await this.#occupant(base, signed, seq))
    if (keeper === undefined || keeper === id) {
      if (base !== undefined) return { feed: base, rivals: undefined, collision: undefined }
      return { ...this.#feedOf(signed, staged, undefined), rivals: undefined }
    }
    const branch = this.#feedOf(branchIdOf(base?.id ?? signed, id), staged, base)
    return { ...branch, rivals: settled ? undefined : { point, ids: [keeper, id], keeper } }
  }

  async #occupant(base: Feed | undefined, signed: FeedId, seq: number): Promise<CommitId | undefined> {
    if (base !== undefined) return base.tipSeq < seq ? undefined : (await this.index.at(base.number, seq))?.id
    return this.feeds.bySigned(signed).find(({ firstSeq, tipSeq }) => firstSeq === 1 && tipSeq > 0)?.firstId
  }

  /** The feed of that name, made anew where a commit begins it; under another name where its writer id is taken. */
  #feedOf(wanted: FeedId, staged: Staged, parent: Feed | undefined): Pick<Case, 'feed' | 'collision'> {
    const { id, feed: signed, seq } = staged.sealed
    const { writerOf } = this.#init
    const { name, collision } = this.#free(wanted, id)
    const known = this.feeds.byId(name)
    if (known !== undefined) return { feed: known, collision }
    const owner = staged.owner ?? this.feeds.bySigned(signed)[0]
    const feed: Feed = {
      number: this.feeds.all.length,
      id: name,
      writer: writerOf(name),
      signed,
      signedWriter: writerOf(signed),
      device: owner?.device ?? NO_ID,
      user: owner?.user ?? NO_ID,
      parent: parent?.number,
      firstSeq: seq,
      firstId: id,
      tipSeq: 0,
      tipId: id,
    }
    return { feed, collision }
  }

  #free(name: FeedId, first: CommitId): Pick<Case, 'collision'> & { name: FeedId } {
    const moved = branchIdOf(name, first)
    if (this.feeds.forks.moved.has(name)) return { name: moved, collision: undefined }
    const other = this.feeds.byWriter(this.#init.writerOf(name))
    if (other === undefined || other.id === name) return { name, collision: undefined }
    const [lower, higher] = name < other.id ? [name, other.id] : [other.id, name]
    return { name: moved, collision: { lower, higher } }
  }

  #commitOf({ sealed, body, updates }: Staged, feed: Feed, time: number): Commit {
    return {
      id: sealed.id,
      feed: feed.id,
      seq: sealed.seq,
      prev: sealed.prev,
      epoch: sealed.epoch,
      writer: feed.writer,
      signedFeed: feed.signed,
      signedWriter: feed.signedWriter,
      device: feed.device,
      user: feed.user,
      deps: body.deps,
      stamp: body.stamp,
      time,
      claimedTime: body.time,
      updates,
      ...('root' in body.content ? { root: body.content.root } : undefined),
      operations: body.operations,
      tenure: body.tenure,
      aclHeads: body.aclHeads,
      identityHeads: body.identityHeads,
    }
  }

  /** The commit of an entry, for readers. */
  commitOf(entry: Entry, staged: Pick<Staged, 'sealed' | 'body' | 'updates'>): Commit {
    const feed = this.feeds.get(entry.feed)
    return this.#commitOf(
      { ...staged, owner: undefined, received: 0, position: 0, next: 0, checked: true },
      feed,
      entry.time,
    )
  }

  #stateOps(): IndexBatch {
    const { last } = this
    const value = encodeCbor([
      VERSION,
      this.stale || this.incomplete || this.damaged || this.position === undefined ? null : this.position,
      last === undefined ? null : [last.position, fromHex(last.id)],
      [...this.heads].map(fromHex),
      this.stamp,
    ])
    const ops: IndexBatch = [{ type: 'put', key: STATE, value }]
    if (this.feeds.forks.size > 0) ops.push({ type: 'put', key: FORKS, value: this.feeds.forks.encode() })
    return ops
  }

  /** Writes that the index stands for the log up to `position`, or for nothing. */
  async save(position: LogPosition | undefined): Promise<void> {
    this.position = position
    await this.#init.db.batch(this.#stateOps())
  }

  /** The index turned out to be damaged: whoever opens it next rebuilds it. */
  async condemn(failure: unknown): Promise<void> {
    this.failure ??= failure
    await this.noteDamage()
  }

  /** The log is damaged where the index thinks it sound: the next opening rebuilds, so that peers are asked for what is gone. */
  async noteDamage(): Promise<void> {
    this.damaged = true
    await this.#init.db.batch(this.#stateOps())
  }

  /** Takes up what the index holds. False when it is missing, damaged, of another version or unfinished. */
  async load(): Promise<boolean> {
    try {
      const state = await this.#init.db.get(STATE)
      const forks = await this.#init.db.get(FORKS)
      if (forks !== undefined) this.feeds = new Feeds(ForkTable.decode(forks))
      if (state === undefined) return false
      const [version, position, last, heads, stamp] = decodeCbor(state, 'INDEX_CORRUPT') as [
        number,
        number | null,
        [number, Uint8Array] | null,
        Uint8Array[],
        number,
      ]
      if (version !== VERSION || position === null) return false
      this.position = position
      this.last = last === null ? undefined : { position: last[0], id: toHex(last[1]) }
      this.heads = new Set(heads.map(toHex))
      this.stamp = stamp
      await this.#loadFeeds()
      return true
    } catch (error) {
      if (error instanceof Error) return false
      throw error
    }
  }

  async #loadFeeds(): Promise<void> {
    const { db } = this.#init
    for await (const [key, value] of db.iterator({ gt: 'log/f/', lt: 'log/f0' })) {
      this.feeds.add(decodeFeed(Number.parseInt(key.slice('log/f/'.length), 16), value))
    }
    for await (const [key, value] of db.iterator({ gt: 'log/x/', lt: 'log/x0' })) {
      this.marks.set(key.slice('log/x/'.length), value[0] === 1 ? 1 : 2)
    }
  }

  /**
   * Forgets all but the forks, and those too when verdicts change: a commit that is not valid any more contests no name. The index stands
   * for nothing until it was replayed.
   */
  async clear(): Promise<void> {
    await this.save(undefined)
    for (const part of ['c', 'f', 's', 'x'])
      await this.#init.db.clear({ gt: `log/${part}/`, lt: `log/${part}0` })
    this.index = new CommitIndex(this.#init.db)
    this.feeds = new Feeds(this.rejudge ? new ForkTable() : this.feeds.forks)
    this.heads = new Set()
    this.marks = new Map()
    this.stamp = 0
    this.last = undefined
    this.renamed = false
    this.rejudge = false
    this.damaged = false
  }
}

/** What the author claimed, unless it is beyond belief, and never before that of a cause. */
function timeOf({ body, received }: Staged, parents: readonly Entry[]): number {
  const claimed = body.time > received + MAX_CLOCK_AHEAD_MS ? received : body.time
  return parents.reduce((latest, { time }) => Math.max(latest, time), claimed)
}

function feedKey(number: number): string {
  return `log/f/${number.toString(16).padStart(8, '0')}`
}
