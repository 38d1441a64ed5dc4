import { fromHex, toHex } from '../encoding/bytes.js'
import { decodeCbor, encodeCbor } from '../encoding/cbor.js'
import type { CommitId } from '../ports/ids.js'
import type { KeyValue } from '../ports/key-value.js'
import type { LogPosition } from '../ports/log-store.js'
import type { Vector } from './feeds.js'
import { Lru } from './lru.js'
import type { IndexBatch } from './types.js'

export type Verdict = 'valid' | 'quarantine' | 'void'
const VERDICTS: Verdict[] = ['valid', 'quarantine', 'void']

/** What the index keeps of one commit that lies in the log. */
export interface Entry {
  id: CommitId
  position: LogPosition
  verdict: Verdict
  /** Number of its feed. */
  feed: number
  seq: number
  stamp: number
  /** Time to show, milliseconds. */
  time: number
  prev: CommitId | undefined
  /** How many entries back along `prev` the last full vector lies. */
  depth: number
  /** Changes of its vector against that of `prev`, or all of it when `depth` is 0; itself left out. */
  changes: Array<[feed: number, seq: number]>
}

const FULL_EVERY = 32
const CACHED_ENTRIES = 8192
const CACHED_VECTORS = 2048

/** Commits and their causal pasts in the key-value index, under `log/c/` and `log/s/`. */
export class CommitIndex {
  readonly #db: KeyValue
  readonly #entries = new Lru<CommitId, Entry>(CACHED_ENTRIES)
  readonly #vectors = new Lru<CommitId, Vector>(CACHED_VECTORS)
  /** Put into a batch that is not written yet. */
  readonly #pending = new Map<CommitId, Entry>()
  readonly #pendingAt = new Map<string, CommitId>()

  constructor(db: KeyValue) {
    this.#db = db
  }

  /** @param written only what is durable in the index; else what the batch at hand holds, too */
  async get(id: CommitId, written = false): Promise<Entry | undefined> {
    const known = (written ? undefined : this.#pending.get(id)) ?? this.#entries.get(id)
    if (known !== undefined) return known
    const bytes = await this.#db.get(entryKey(id))
    return bytes === undefined ? undefined : this.#keep(decodeEntry(id, bytes))
  }

  /** Which of these lie in the index. */
  async known(ids: readonly CommitId[]): Promise<Set<CommitId>> {
    const here = (id: CommitId) => this.#pending.has(id) || this.#entries.get(id) !== undefined
    const asked = ids.filter((id) => !here(id))
    const found = asked.length === 0 ? [] : await this.#db.getMany(asked.map(entryKey))
    const absent = new Set(asked.filter((_, i) => found[i] === undefined))
    return new Set(ids.filter((id) => !absent.has(id)))
  }

  /** The applied commit of a feed. */
  async at(feed: number, seq: number): Promise<{ id: CommitId; position: LogPosition } | undefined> {
    const pending = this.#pendingAt.get(seqKey(feed, seq))
    if (pending !== undefined) return this.#pending.get(pending)
    const bytes = await this.#db.get(seqKey(feed, seq))
    return bytes === undefined ? undefined : decodePlace(bytes)
  }

  /** Positions of the applied commits of a feed above a seq. */
  async above(feed: number, seq: number): Promise<LogPosition[]> {
    const positions: LogPosition[] = []
    const range = { gt: seqKey(feed, seq), lt: seqKey(feed + 1, 0) }
    for await (const bytes of this.#db.values(range)) positions.push(decodePlace(bytes).position)
    return positions
  }

  /** @param past its vector without itself. @param prevVector that of `prev`, itself included */
  put(
    entry: Omit<Entry, 'depth' | 'changes'>,
    past: Vector,
    prev: Entry | undefined,
    prevVector: Vector,
  ): void {
    const full = prev === undefined || prev.depth + 1 >= FULL_EVERY
    const changes = full ? [...past] : [...past].filter(([feed, seq]) => prevVector.get(feed) !== seq)
    const whole: Entry = { ...entry, depth: full ? 0 : prev.depth + 1, changes }
    this.#pending.set(entry.id, whole)
    if (entry.verdict === 'valid') this.#pendingAt.set(seqKey(entry.feed, entry.seq), entry.id)
    this.#vectors.set(entry.id, withSelf(past, whole))
  }

  /** Moves what was put since the last call into `batch`. */
  drainInto(batch: IndexBatch): void {
    for (const entry of this.#pending.values()) {
      batch.push({ type: 'put', key: entryKey(entry.id), value: encodeEntry(entry) })
      if (entry.verdict === 'valid') {
        batch.push({ type: 'put', key: seqKey(entry.feed, entry.seq), value: encodePlace(entry) })
      }
    }
  }

  /** The batch was written. */
  written(): void {
    for (const entry of this.#pending.values()) this.#entries.set(entry.id, entry)
    this.#pending.clear()
    this.#pendingAt.clear()
  }

  /** The past of a commit, itself included. It must be in the index. */
  async vector(id: CommitId): Promise<Vector> {
    const cached = this.#vectors.get(id)
    if (cached !== undefined) return cached
    const chain: Entry[] = []
    let base: Vector | undefined
    for (let at: CommitId | undefined = id; at !== undefined && base === undefined; ) {
      const entry: Entry | undefined = await this.get(at)
      if (entry === undefined) break
      chain.push(entry)
      base = entry.depth === 0 ? new Map() : this.#vectors.get(entry.prev as CommitId)
      at = entry.prev
    }
    const vector = chain.reduceRight<Vector>(
      (sum, entry) => withSelf(merge(sum, entry.changes), entry),
      base ?? new Map(),
    )
    this.#vectors.set(id, vector)
    return vector
  }

  #keep(entry: Entry): Entry {
    this.#entries.set(entry.id, entry)
    return entry
  }
}

/** The higher of both, feed by feed. */
export function merge(a: Vector, b: Iterable<readonly [number, number]>): Vector {
  const joined = new Map(a)
  for (const [feed, seq] of b) if ((joined.get(feed) ?? 0) < seq) joined.set(feed, seq)
  return joined
}

function withSelf(past: Vector, entry: Entry): Vector {
  return merge(past, [[entry.feed, entry.seq]])
}

function entryKey(id: CommitId): string {
  return `log/c/${id}`
}

function seqKey(feed: number, seq: number): string {
  return `log/s/${feed.toString(16).padStart(8, '0')}/${seq.toString(16).padStart(14, '0')}`
}

function encodeEntry(entry: Entry): Uint8Array {
  return encodeCbor([
    entry.position,
    VERDICTS.indexOf(entry.verdict),
    entry.feed,
    entry.seq,
    entry.stamp,
    entry.time,
    entry.prev === undefined ? null : fromHex(entry.prev),
    entry.depth,
    entry.changes,
  ])
}

function decodeEntry(id: CommitId, bytes: Uint8Array): Entry {
  const [position, verdict, feed, seq, stamp, time, prev, depth, changes] = decodeCbor(
    bytes,
    'INDEX_CORRUPT',
  ) as [number, number, number, number, number, number, Uint8Array | null, number, Array<[number, number]>]
  const common = { id, position, feed, seq, stamp, time, depth, changes }
  return { ...common, verdict: VERDICTS[verdict] as Verdict, prev: prev === null ? undefined : toHex(prev) }
}

function encodePlace(place: { id: CommitId; position: LogPosition }): Uint8Array {
  return encodeCbor([fromHex(place.id), place.position])
}

function decodePlace(bytes: Uint8Array): { id: CommitId; position: LogPosition } {
  const [id, position] = decodeCbor(bytes, 'INDEX_CORRUPT') as [Uint8Array, number]
  return { id: toHex(id), position }
}
