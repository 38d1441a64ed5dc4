import { fromHex, toHex } from '../encoding/bytes.js'
import { decodeCbor, encodeCbor } from '../encoding/cbor.js'
import type { CommitId, DeviceId, FeedId, UserId, WriterId } from '../ports/ids.js'
import { branchIdOf } from './feed-names.js'

/** For each feed, by its number, its highest commit in some causal past. */
export type Vector = ReadonlyMap<number, number>

/** One feed, or one branch of a feed that forked (PROTOCOL.md §4.6). */
export interface Feed {
  /** Stands for `id` in vectors and keys of this index. */
  number: number
  id: FeedId
  writer: WriterId
  signed: FeedId
  signedWriter: WriterId
  device: DeviceId
  user: UserId
  /** The feed it branched from; undefined for feeds of their own and for branches that differ from the first commit on. */
  parent: number | undefined
  firstSeq: number
  firstId: CommitId
  /** Highest applied commit; seq 0 while there is none. */
  tipSeq: number
  tipId: CommitId
}

/** Where commits of one signed feed part: the commit they all follow, or the beginning of the feed. */
export function forkPoint(signed: FeedId, prev: CommitId | undefined): string {
  return prev ?? `root:${signed}`
}

/**
 * What is known of forks. It outlives a rebuild of the index, which needs it to give each branch its final name at once.
 */
export class ForkTable {
  /** Valid commits that follow one point, ascending: the first keeps the name. Only points with several. */
  readonly points = new Map<string, CommitId[]>()
  /** Feeds that gave way because their writer id was taken → the feed that keeps it. */
  readonly moved = new Map<FeedId, FeedId>()

  /** Takes note of rival commits at a point; true when the name goes to another than before. */
  add(point: string, rivals: readonly CommitId[], keeper: CommitId): boolean {
    const all = new Set([...(this.points.get(point) ?? []), ...rivals])
    const sorted = [...all].sort()
    this.points.set(point, sorted)
    return sorted[0] !== keeper
  }

  get size(): number {
    return this.points.size + this.moved.size
  }

  /** Grows with each commit that contests a name. */
  get count(): number {
    return this.moved.size + [...this.points.values()].reduce((sum, ids) => sum + ids.length, 0)
  }

  encode(): Uint8Array {
    return encodeCbor([
      [...this.points].map(([point, ids]) => [point, ids.map(fromHex)]),
      [...this.moved].map(([from, by]) => [fromHex(from), fromHex(by)]),
    ])
  }

  static decode(bytes: Uint8Array): ForkTable {
    const table = new ForkTable()
    const [points, moved] = decodeCbor(bytes, 'INDEX_CORRUPT') as [
      Array<[string, Uint8Array[]]>,
      Array<[Uint8Array, Uint8Array]>,
    ]
    for (const [point, ids] of points) table.points.set(point, ids.map(toHex))
    for (const [from, by] of moved) table.moved.set(toHex(from), toHex(by))
    return table
  }
}

/** All feeds that one state of the index knows. A rebuild starts with an empty one. */
export class Feeds {
  readonly all: Feed[] = []
  readonly forks: ForkTable
  readonly #byId = new Map<FeedId, Feed>()
  readonly #byWriter = new Map<WriterId, Feed>()
  readonly #bySigned = new Map<FeedId, Feed[]>()

  constructor(forks: ForkTable) {
    this.forks = forks
  }

  get(number: number): Feed {
    return this.all[number] as Feed
  }

  byId(id: FeedId): Feed | undefined {
    return this.#byId.get(id)
  }

  byWriter(writer: WriterId): Feed | undefined {
    return this.#byWriter.get(writer)
  }

  /** The feed and its branches. */
  bySigned(signed: FeedId): readonly Feed[] {
    return this.#bySigned.get(signed) ?? []
  }

  add(feed: Feed): void {
    this.all[feed.number] = feed
    this.#byId.set(feed.id, feed)
    this.#byWriter.set(feed.writer, feed)
    this.#bySigned.set(feed.signed, [...this.bySigned(feed.signed), feed])
  }

  /** Everything applied. */
  tips(): Vector {
    return new Map(this.all.filter(({ tipSeq }) => tipSeq > 0).map(({ number, tipSeq }) => [number, tipSeq]))
  }

  /** Whether a vector has any commit that is the feed's own (a branch counts from where it left). */
  reaches(vector: Vector, feed: Feed): boolean {
    return (vector.get(feed.number) ?? 0) >= feed.firstSeq
  }

  /**
   * Whether `vector`, the past of a commit on `feed`, holds two branches of the signed feed: then its author knew of the fork and may not
   * go on with it.
   */
  seesFork(vector: Vector, feed: Feed): boolean {
    const chain = new Map<number, number>([[feed.number, Number.POSITIVE_INFINITY]])
    for (let at = feed; at.parent !== undefined; at = this.get(at.parent))
      chain.set(at.parent, at.firstSeq - 1)
    return this.bySigned(feed.signed).some((other) => {
      const reached = vector.get(other.number) ?? 0
      return reached >= other.firstSeq && reached > (chain.get(other.number) ?? 0)
    })
  }

  /** See `CausalPast.aliases`. */
  aliases(vector: Vector, writer: WriterId, writerOf: (feed: FeedId) => WriterId): readonly WriterId[] {
    if (this.forks.size === 0) return [writer]
    return this.all
      .filter((feed) => this.reaches(vector, feed) && writerOf(this.#nameIn(vector, feed)) === writer)
      .map((feed) => feed.writer)
  }

  /** The name that `feed` has for someone who knows no more than `vector`. */
  #nameIn(vector: Vector, feed: Feed): FeedId {
    if (feed.id === feed.signed) return feed.id
    const base = feed.parent === undefined ? feed.signed : this.#nameIn(vector, this.get(feed.parent))
    const rivals = this.#rivalsOf(feed).filter((rival) => this.#holds(vector, rival, feed.firstSeq))
    const keepsName = rivals.every((rival) => feed.firstId <= rival)
    const name = keepsName ? base : branchIdOf(base, feed.firstId)
    const winner = this.forks.moved.get(name)
    const rival = winner === undefined ? undefined : this.#byId.get(winner)
    return rival !== undefined && this.reaches(vector, rival) ? branchIdOf(name, feed.firstId) : name
  }

  #rivalsOf(feed: Feed): readonly CommitId[] {
    for (const ids of this.forks.points.values()) if (ids.includes(feed.firstId)) return ids
    return []
  }

  /** Whether `vector` holds the commit `id` that begins a branch at `seq`, or goes on with the feed there. */
  #holds(vector: Vector, id: CommitId, seq: number): boolean {
    const branch = this.all.find((feed) => feed.firstId === id)
    if (branch !== undefined) return this.reaches(vector, branch)
    return this.all.some(
      (feed) =>
        feed.firstSeq < seq &&
        (vector.get(feed.number) ?? 0) >= seq &&
        this.#rivalsAt(feed, seq).includes(id),
    )
  }

  /** Commits that branched from `feed` at `seq`, and the one that stayed. */
  #rivalsAt(feed: Feed, seq: number): readonly CommitId[] {
    const branch = this.all.find((other) => other.parent === feed.number && other.firstSeq === seq)
    return branch === undefined ? [] : this.#rivalsOf(branch)
  }
}

export function encodeFeed(feed: Feed): Uint8Array {
  return encodeCbor([
    fromHex(feed.id),
    feed.writer,
    fromHex(feed.signed),
    feed.signedWriter,
    fromHex(feed.device),
    fromHex(feed.user),
    feed.parent ?? null,
    feed.firstSeq,
    fromHex(feed.firstId),
    feed.tipSeq,
    fromHex(feed.tipId),
  ])
}

export function decodeFeed(number: number, bytes: Uint8Array): Feed {
  const [id, writer, signed, signedWriter, device, user, parent, firstSeq, firstId, tipSeq, tipId] =
    decodeCbor(bytes, 'INDEX_CORRUPT') as [
      Uint8Array,
      number,
      Uint8Array,
      number,
      Uint8Array,
      Uint8Array,
      number | null,
      number,
      Uint8Array,
      number,
      Uint8Array,
    ]
  return {
    number,
    id: toHex(id),
    writer,
    signed: toHex(signed),
    signedWriter,
    device: toHex(device),
    user: toHex(user),
    parent: parent ?? undefined,
    firstSeq,
    firstId: toHex(firstId),
    tipSeq,
    tipId: toHex(tipId),
  }
}
