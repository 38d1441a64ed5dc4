import * as Y from 'yjs'
import { PeerfoldError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'
import type { WriterId } from '../ports/ids.js'
import type { KeyValue } from '../ports/key-value.js'
import { decodeRecord, type TreeRecord } from './record.js'
import type { RowStore } from './row-store.js'
import { bucketOf, encodeRow, keys, numberOf, type Ordinal } from './rows.js'

/** Documents only take what came in commits; nothing is ever written under this name. */
const OBSERVER: WriterId = 0

/** Updates that lie beside a shard's state before they are folded into it. */
const FOLD_AFTER = 100
/** Documents kept in memory. */
const MAX_DOCUMENTS = 8

interface Loaded {
  doc: Y.Doc
  /** Commit of the last update in it. */
  ordinal: Ordinal
}

/** A live record as the Yjs document has it. Clocks are the document's own. */
export interface ShardRecord {
  writer: WriterId
  clock: number
  record: TreeRecord
}

/**
 * The tree's Yjs documents. Commits only append their updates beside a document's state; the document itself is loaded when updates are folded
 * into the state, or when someone wants the state (checkpoints). What is alive is read from the index.
 */
export class Shards {
  readonly #loaded = new Map<number, Loaded>()
  readonly #waiting = new Map<number, number>()
  #work: Promise<void> = Promise.resolve()
  #failure: unknown

  constructor(
    private readonly db: KeyValue,
    private readonly store: RowStore,
  ) {}

  /** Counts updates that earlier runs left unfolded. */
  async open(): Promise<void> {
    const { prefix } = this.store
    for await (const key of this.db.keys({ gt: `${prefix}u/`, lt: `${prefix}u0` })) {
      const shard = Number(bucketOf(key).split('/').at(-2))
      this.#waiting.set(shard, (this.#waiting.get(shard) ?? 0) + 1)
    }
  }

  /** Told of an update that was written; folds the shard, in the background, when many wait. */
  appended(shard: number): void {
    const count = (this.#waiting.get(shard) ?? 0) + 1
    this.#waiting.set(shard, count)
    if (count % FOLD_AFTER === 0) this.#enqueue(shard)
  }

  #enqueue(shard: number): void {
    this.#work = this.#work
      .then(() => this.#fold(shard))
      .catch((error) => {
        this.#failure ??= error
      })
  }

  /** Folds all shards beside whose state at least `atLeast` updates lie. Call it when nothing else is to do. */
  async fold(atLeast = 1, options?: AbortOptions): Promise<void> {
    for (const [shard, count] of this.#waiting) {
      options?.signal?.throwIfAborted()
      if (count >= atLeast) this.#enqueue(shard)
      await this.settled()
    }
  }

  /** Waits for work in the background. @throws what went wrong in it */
  async settled(): Promise<void> {
    await this.#work
    const failure = this.#failure
    this.#failure = undefined
    if (failure) throw failure
  }

  /** The shard's whole Yjs state (V1), the same bytes on every replica that applied the same commits. */
  async state(shard: number): Promise<Uint8Array> {
    await this.settled()
    return Y.encodeStateAsUpdate((await this.#load(shard)).doc)
  }

  /** Live records as Yjs has them. */
  async records(shard: number): Promise<ShardRecord[]> {
    await this.settled()
    const { doc } = await this.#load(shard)
    const records: ShardRecord[] = []
    for (const [writer, structs] of doc.store.clients) {
      for (const struct of structs) {
        if (!(struct instanceof Y.Item) || struct.deleted) continue
        for (const [i, text] of (struct.content as Y.ContentAny).arr.entries()) {
          records.push({ writer, clock: struct.id.clock + i, record: decodeRecord(text) })
        }
      }
    }
    return records
  }

  async #fold(shard: number): Promise<void> {
    const { prefix } = this.store
    const { doc, ordinal } = await this.#load(shard)
    const state = keys.state(shard)
    const written: string[] = []
    for await (const page of this.store.pages<Uint8Array>(keys.update(shard))) {
      for (const [key] of page) if (numberOf(key) <= ordinal) written.push(prefix + key)
    }
    await this.db.batch([
      { type: 'put', key: prefix + state, value: encodeRow(state, Y.encodeStateAsUpdate(doc)) },
      ...written.map((key) => ({ type: 'del' as const, key })),
    ])
    this.#waiting.set(shard, Math.max(0, (this.#waiting.get(shard) ?? 0) - written.length))
  }

  async #load(shard: number): Promise<Loaded> {
    const loaded = this.#loaded.get(shard) ?? (await this.#read(shard))
    this.#loaded.delete(shard)
    this.#loaded.set(shard, loaded)
    await this.#catchUp(shard, loaded)
    this.#dropOldest()
    return loaded
  }

  async #read(shard: number): Promise<Loaded> {
    const doc = new Y.Doc({ guid: `shard ${shard}` })
    const state = await this.db.get(this.store.prefix + keys.state(shard))
    if (state) Y.applyUpdate(doc, state)
    // After loading: Yjs takes another client id when it meets its own.
    doc.clientID = OBSERVER
    return { doc, ordinal: 0 }
  }

  /** Applies what was appended since, in order, in one transaction. */
  async #catchUp(shard: number, loaded: Loaded): Promise<void> {
    const { doc } = loaded
    const after = keys.update(shard, loaded.ordinal)
    const updates: Uint8Array[] = []
    for await (const page of this.store.pages<Uint8Array>(keys.update(shard), { after })) {
      for (const [key, update] of page) {
        updates.push(update)
        loaded.ordinal = numberOf(key)
      }
    }
    doc.transact(() => {
      for (const update of updates) Y.applyUpdate(doc, update)
    })
    const pending = doc.store.pendingStructs !== null || doc.store.pendingDs !== null
    if (!pending && doc.clientID === OBSERVER) return
    this.#loaded.delete(shard)
    throw new PeerfoldError('INDEX_CORRUPT', `updates of shard ${shard} do not fit together`)
  }

  #dropOldest(): void {
    for (const [shard, { doc }] of this.#loaded) {
      if (this.#loaded.size <= MAX_DOCUMENTS) return
      this.#loaded.delete(shard)
      doc.destroy()
    }
  }

  async reset(): Promise<void> {
    await this.#work
    this.#failure = undefined
    for (const { doc } of this.#loaded.values()) doc.destroy()
    this.#loaded.clear()
    this.#waiting.clear()
  }
}
