import { Emitter } from '../async/emitter.js'
import { equalBytes } from '../encoding/bytes.js'
import { PeerfoldError } from '../errors.js'
import type { CausalPast, Commit, CommitDraft, IndexBatch, ShardUpdate } from '../log/types.js'
import type { AbortOptions } from '../ports/abort.js'
import type { Clock } from '../ports/clock.js'
import type { CommitId, DeviceId, ItemId, RecordId, WorkspaceId, WriterId } from '../ports/ids.js'
import type { KeyValue } from '../ports/key-value.js'
import { applyCommit, writeHistory } from './apply.js'
import { changesOf } from './changes.js'
import { readEntry, toVersion } from './entry.js'
import { findVersion, listRemoved, listVersions } from './history.js'
import { shardOf } from './item-id.js'
import { findChild, findNames, findPath, listChildren } from './reads.js'
import { Layer, RowStore } from './row-store.js'
import { RowDraft, RowView } from './row-view.js'
import {
  bucketOf,
  type Content,
  EMPTY_META,
  keys,
  type Meta,
  numberOf,
  type Ordinal,
  restOf,
  type WriterRow,
} from './rows.js'
import { type ScannedCommit, scanCommit } from './scan.js'
import { Shards } from './shards.js'
import { Transaction } from './transaction.js'
import type { FileVersion, Tree, TreeChange, TreeEntry, TreeStats, TreeTransaction } from './types.js'

export interface TreeInit {
  /** Where the log writes index batches; the tree's keys begin with `prefix`. */
  db: KeyValue
  workspace: WorkspaceId
  clock: Pick<Clock, 'now'>
  /** Yjs documents of the workspace, a power of two up to 65,536, fixed when it is made. @default 256 */
  shards?: number
  /** @default 'tree/' */
  prefix?: string
  /** Rows kept in memory. @default 10000 */
  cacheEntries?: number
}

interface TreeEvents {
  change: (changes: TreeChange[], commit: CommitId, ordinal: Ordinal) => void
}

/**
 * Opens the tree of one workspace on this device.
 *
 * @example
 * ```ts
 * const tree = await createTree({ db, workspace, clock: systemClock })
 * const log = await openLog({ db, consumer: tree, ... })
 * await log.commit(async (past) => {
 *   const tx = tree.begin(past, log.nextStamp(), log.nextSeq(), log.writer)
 *   await tx.makeFolder(ROOT_ITEM, 'photos')
 *   return tx.draft()
 * })
 * ```
 */
export async function createTree(init: TreeInit): Promise<MergedIndex> {
  const tree = new MergedIndex(init)
  await tree.open()
  return tree
}

/** `Tree` over a key-value index. Made by `createTree`. */
export class MergedIndex implements Tree {
  /** Yjs documents, for checkpoints and for tests that compare them with the index. */
  readonly documents: Shards
  readonly #init: Required<TreeInit>
  readonly #store: RowStore
  readonly #events = new Emitter<TreeEvents>()
  readonly #writers = new Map<WriterId, WriterRow>()
  /** Views in use: each is told how rows were before they change. */
  readonly #readers = new Set<Layer[]>()
  #meta: Meta = EMPTY_META
  /** Applied, but not known to be written yet. */
  #pending: Pending | undefined
  /** The last draft of a transaction: its rows are those that its commit leads to. */
  #draft: Draft | undefined
  #scanned: { commit: CommitId; scanned: ScannedCommit } | undefined
  #listeners = 0
  #rebuilding = false
  #closed = false

  constructor(init: TreeInit) {
    this.#init = { shards: 256, prefix: 'tree/', cacheEntries: 10_000, ...init }
    const { shards } = this.#init
    if (!Number.isInteger(Math.log2(shards)) || shards > 65_536) {
      throw new PeerfoldError('INVALID_ARGUMENT', 'shards is a power of two up to 65,536')
    }
    this.#store = new RowStore(init.db, this.#init.prefix, this.#init.cacheEntries)
    this.documents = new Shards(init.db, this.#store)
  }

  async open(): Promise<void> {
    this.#meta = (await this.#store.get(keys.meta)) ?? EMPTY_META
    for await (const page of this.#store.pages<WriterRow>(keys.writer())) {
      for (const [key, row] of page) this.#writers.set(numberOf(key), row)
    }
    await this.documents.open()
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#events.clear()
    await this.documents.settled()
  }

  // The log's consumer

  async check(commit: Commit, past: CausalPast): Promise<void> {
    const rows = new RowView(this.#store, this.#below())
    const scanned = await scanCommit({ rows, shards: this.#init.shards, commit, past })
    this.#scanned = { commit: commit.id, scanned }
  }

  async apply(commit: Commit, past: CausalPast, batch: IndexBatch): Promise<void> {
    if (commit.updates.length === 0) return
    if (this.#scanned?.commit !== commit.id) await this.check(commit, past)
    const { scanned } = this.#scanned!
    this.#scanned = undefined
    const rows = (await this.#adopt(commit, past, scanned)) ?? new RowDraft(this.#store, this.#below())
    if (rows !== this.#draft?.rows) await applyCommit(rows, commit, past, scanned, this.#writers)
    this.#draft = undefined
    rows.write(batch)
    const pending = this.#openPending()
    const heard = this.#listeners > 0 && !this.#rebuilding
    const changes = heard ? await changesOf(rows, this.#store, this.#below(), this.#init.shards) : []
    this.#take(rows, pending)
    pending.commits.set(commit.id, { changes, ordinal: this.#meta.ordinal })
    this.#writers.set(commit.writer, rows.changes.get(keys.writer(commit.writer)) as WriterRow)
  }

  /** An own commit was folded while it was drafted: its rows are taken over, unless anything came between. */
  async #adopt(commit: Commit, past: CausalPast, scanned: ScannedCommit): Promise<RowDraft | undefined> {
    const draft = this.#draft
    if (draft === undefined || draft.ordinal !== this.#meta.ordinal + 1) return undefined
    if (draft.writer !== commit.writer || draft.stamp !== commit.stamp) return undefined
    if (draft.updates.length !== commit.updates.length) return undefined
    for (const [i, { shard, update }] of commit.updates.entries()) {
      const own = draft.updates[i]!
      if (own.shard !== shard || !equalBytes(own.update, update)) return undefined
    }
    // Rows of removed items are sorted by the commit's time, which its transaction could only guess.
    for (const key of draft.rows.changes.keys())
      if (key.startsWith('t/') && draft.time !== commit.time) return undefined
    await writeHistory(draft.rows, draft.ordinal, commit, past, scanned, this.#writers)
    return draft.rows
  }

  #take(rows: RowDraft, pending: Pending): void {
    for (const [key, row] of rows.before.rows) if (!pending.before.rows.has(key)) pending.before.set(key, row)
    for (const [key, row] of rows.changes) pending.after.set(key, row)
    this.#meta = rows.changes.get(keys.meta) as Meta
  }

  #openPending(): Pending {
    if (this.#pending) return this.#pending
    this.#pending = { before: new Layer(), after: new Layer(), commits: new Map() }
    for (const layers of this.#readers) layers.push(this.#pending.before)
    return this.#pending
  }

  #below(): Layer[] {
    return this.#pending ? [this.#pending.after] : []
  }

  applied(commit: Commit): void {
    const pending = this.#pending
    const told = pending?.commits.get(commit.id)
    if (pending === undefined || told === undefined) return
    pending.commits.delete(commit.id)
    if (pending.commits.size === 0) {
      this.#store.absorb(pending.after.rows)
      this.#pending = undefined
    }
    for (const { shard } of commit.updates) this.documents.appended(shard)
    this.#events.emit('change', told.changes, commit.id, told.ordinal)
  }

  async reset(): Promise<void> {
    this.#rebuilding = true
    this.#pending = undefined
    this.#draft = undefined
    this.#scanned = undefined
    this.#meta = EMPTY_META
    this.#writers.clear()
    await this.documents.reset()
    await this.#store.clear()
  }

  restored(): void {
    this.#rebuilding = false
  }

  // Writing

  begin(_past: CausalPast, stamp: number, seq: number, writer: WriterId): TreeTransaction {
    const { workspace, shards, clock } = this.#init
    const rows = new RowDraft(this.#store, this.#below())
    const meta = { ...this.#meta, ordinal: this.#meta.ordinal + 1 }
    const { ordinal } = meta
    const time = clock.now()
    rows.put(keys.meta, meta, this.#meta)
    rows.put(keys.commit(ordinal), { id: '', writer, seq, stamp, time, behind: [] })
    const drafted = ({ updates }: CommitDraft) => {
      this.#draft = { rows, ordinal, writer, stamp, time, updates }
    }
    return new Transaction({ rows, meta, workspace, shards, stamp, writer, drafted })
  }

  // Reading

  entry(item: ItemId): Promise<TreeEntry | undefined> {
    return this.#reading((rows) => readEntry(rows, this.#init.shards, item))
  }

  lookup(path: readonly string[]): Promise<TreeEntry | undefined> {
    return this.#reading(async (rows) => {
      const item = await findPath(rows, path)
      return item === undefined ? undefined : readEntry(rows, this.#init.shards, item)
    })
  }

  child(parent: ItemId, name: string): Promise<TreeEntry | undefined> {
    return this.#reading(async (rows) => {
      const item = await findChild(rows, parent, name)
      return item === undefined ? undefined : readEntry(rows, this.#init.shards, item)
    })
  }

  children(parent: ItemId, options?: AbortOptions): AsyncIterable<TreeEntry> {
    return this.#listing((rows) => listChildren(rows, this.#init.shards, parent, options))
  }

  path(item: ItemId, options?: AbortOptions): Promise<string[] | undefined> {
    return this.#reading((rows) => findNames(rows, item, { ...options, live: true }))
  }

  versions(item: ItemId, options?: AbortOptions): AsyncIterable<FileVersion & { device: DeviceId }> {
    return this.#listing((rows) => listVersions(rows, this.#init.shards, this.#writers, item, options))
  }

  /** Straight from the store: what was written once never changes. */
  async *allVersions(options?: AbortOptions): AsyncGenerator<FileVersion & { item: ItemId }> {
    const { rows, layers } = this.#openView()
    try {
      for await (const page of this.#store.pages<Content>(keys.versions, options)) {
        for (const [key, content] of page) {
          const item = bucketOf(key).split('/')[1]!
          yield { item, ...(await toVersion(rows, shardOf(item, this.#init.shards), content)) }
        }
      }
    } finally {
      this.#readers.delete(layers)
    }
  }

  version(id: RecordId): Promise<{ item: ItemId; version: FileVersion } | undefined> {
    return this.#reading((rows) => findVersion(rows, id))
  }

  conflicts(options?: AbortOptions): AsyncIterable<TreeEntry> {
    const { shards } = this.#init
    return this.#listing(async function* (rows) {
      for await (const [key] of rows.range(keys.conflict(), options)) {
        yield (await readEntry(rows, shards, restOf(key)))!
      }
    })
  }

  removed(options?: AbortOptions): AsyncIterable<{ item: ItemId; path: string[]; time: number }> {
    return this.#listing((rows) => listRemoved(rows, options))
  }

  lastPath(item: ItemId, options?: AbortOptions): Promise<string[] | undefined> {
    return this.#reading((rows) => findNames(rows, item, { ...options, live: false }))
  }

  stats(): Promise<TreeStats> {
    return this.#reading(async (rows) => {
      const { files, folders, bytes, conflicts } = (await rows.get(keys.meta)) ?? EMPTY_META
      return { files, folders, bytes, conflicts }
    })
  }

  position(): Promise<number> {
    return this.#reading(async (rows) => (await rows.get(keys.meta))?.ordinal ?? 0)
  }

  onChange(listener: (changes: TreeChange[], commit: CommitId, ordinal: number) => void): () => void {
    const off = this.#events.on('change', listener)
    let heard = 1
    this.#listeners++
    return () => {
      off()
      this.#listeners -= heard
      heard = 0
    }
  }

  /** A view of what is written now, whatever is written while it is used. */
  #openView(): { rows: RowView; layers: Layer[] } {
    if (this.#closed) throw new PeerfoldError('CLOSED', 'the tree is closed')
    const layers = this.#pending ? [this.#pending.before] : []
    this.#readers.add(layers)
    return { rows: new RowView(this.#store, layers), layers }
  }

  async #reading<T>(read: (rows: RowView) => Promise<T>): Promise<T> {
    const { rows, layers } = this.#openView()
    try {
      return await read(rows)
    } finally {
      this.#readers.delete(layers)
    }
  }

  async *#listing<T>(list: (rows: RowView) => AsyncIterable<T>): AsyncGenerator<T> {
    const { rows, layers } = this.#openView()
    try {
      yield* list(rows)
    } finally {
      this.#readers.delete(layers)
    }
  }
}

interface Draft {
  rows: RowDraft
  ordinal: Ordinal
  writer: WriterId
  stamp: number
  time: number
  updates: ShardUpdate[]
}

interface Pending {
  before: Layer
  after: Layer
  /** Commits in it that were not confirmed yet, with what they changed. */
  commits: Map<CommitId, { changes: TreeChange[]; ordinal: Ordinal }>
}
