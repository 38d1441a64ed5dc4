import { raceSignal } from '../async/deadline.js'
import { fromUtf8, toHex, toUtf8 } from '../encoding/bytes.js'
import { PeerfoldError } from '../errors.js'
import type { WorkspaceLog } from '../log/types.js'
import type { AbortOptions } from '../ports/abort.js'
import type { CommitId } from '../ports/ids.js'
import type { KeyValue } from '../ports/key-value.js'
import type { Random } from '../ports/random.js'
import type { Tree, TreeChange } from '../tree/types.js'
import { ROOT_ITEM } from '../tree/types.js'
import { describeChanges, type UncountedChange } from './changes.js'
import { EventQueue } from './event-queue.js'
import { formatPath, isWithin } from './path.js'
import type { TreeGate } from './tree-gate.js'
import type { Change, Cursor } from './types.js'

export interface ChangeFeedInit {
  db: KeyValue
  random: Random
  tree: Tree
  gate: TreeGate
  log: Pick<WorkspaceLog, 'rebuilding' | 'on'>
}

const PREFIX = 'feed/'
const AT = 'feed-at'
const GENERATION = 'feed-generation'
/** Older changes are forgotten: a reader that was away for longer is told of everything once. */
const MAX_KEPT = 100_000
const PAGE = 500

/** A change for a reader, with the number of its row. */
interface Told {
  number: number
  change: Change
}

/** A row of the feed. A gap stands where this device cannot say what changed: it crashed, or rebuilt its index. */
type Row = { gap: true } | { change: UncountedChange }

/**
 * The changes of a workspace in the order in which this device applied them, numbered, so that a reader can go on where it was.
 *
 * Delivery is at least once. Where changes were not recorded, a reader that passes the place is told of every item as `edit` and of every removed
 * one as `remove`.
 */
export class ChangeFeed {
  readonly #init: ChangeFeedInit
  readonly #readers = new Set<EventQueue<Told>>()
  readonly #stops: Array<() => void>
  #next = 1
  /** Names this numbering: a lost index begins another. */
  #generation = ''
  /** Commits of the tree that the feed has taken into account. */
  #at = 0
  #work: Promise<void>
  /** Something happened that no row tells of yet. */
  #gap = false
  #closed = false

  constructor(init: ChangeFeedInit) {
    this.#init = init
    this.#work = this.#load()
    this.#stops = [
      init.tree.onChange((changes, commit, ordinal) => this.#take(changes, commit, ordinal)),
      init.log.on('rebuild', (active) => {
        if (!active) this.#enqueue(() => this.#record([]))
      }),
    ]
  }

  /** Changes at and below a folder, from after `since`, or from now on. Ends with the signal. */
  async *watch(folder: string, options: AbortOptions & { since?: Cursor } = {}): AsyncGenerator<Change> {
    const { since, signal } = options
    if (this.#closed) throw new PeerfoldError('CLOSED', 'the workspace is closed')
    const from = since === undefined ? undefined : parseCursor(since)
    const queue = new EventQueue<Told>()
    this.#readers.add(queue)
    try {
      await this.#work
      // What is recorded from here on is in the queue, what was before is read: nothing is missed between the two.
      const until = this.#next
      if (from !== undefined) {
        for await (const change of this.#since(from, until, signal))
          if (concerns(folder, change)) yield change
      }
      for await (const { number, change } of queue.values({ signal }))
        if (number >= until && concerns(folder, change)) yield change
    } finally {
      this.#readers.delete(queue)
    }
  }

  /** The place after all that the tree has taken in so far. */
  async cursor({ signal }: AbortOptions = {}): Promise<Cursor> {
    await raceSignal(this.#work, signal)
    return this.#cursor(this.#next - 1)
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const stop of this.#stops) stop()
    for (const reader of this.#readers) reader.fail(new PeerfoldError('CLOSED', 'the workspace is closed'))
    await this.#work
  }

  async #load(): Promise<void> {
    const { db, tree, random } = this.#init
    const generation = await db.get(GENERATION)
    this.#generation = generation === undefined ? toHex(random.bytes(8)) : fromUtf8(generation)
    if (generation === undefined) await db.put(GENERATION, toUtf8(this.#generation))
    for await (const key of db.keys({ gte: PREFIX, lt: 'feed0', reverse: true, limit: 1 }))
      this.#next = numberOf(key) + 1
    const at = await db.get(AT)
    this.#at = await tree.position()
    if (at === undefined ? this.#at > 0 : Number(fromUtf8(at)) !== this.#at) {
      this.#gap = true
      await this.#record([])
    }
  }

  #take(changes: TreeChange[], commit: CommitId, ordinal: number): void {
    const replayed = this.#init.log.rebuilding
    this.#enqueue(async () => {
      if (replayed || ordinal !== this.#at + 1) this.#gap = true
      this.#at = ordinal
      if (replayed) return
      const described = await describeChanges(this.#init.gate, changes, commit, '')
      await this.#record(described.map((change) => ({ change })))
    })
  }

  #enqueue(work: () => Promise<void>): void {
    this.#work = this.#work.then(work).catch((error: unknown) => {
      for (const reader of this.#readers) reader.fail(error as Error)
    })
  }

  async #record(changes: readonly Row[]): Promise<void> {
    if (this.#closed) return
    const rows: Row[] = this.#gap ? [{ gap: true }, ...changes] : [...changes]
    this.#gap = false
    const first = this.#next
    this.#next += rows.length
    const forgotten = first - MAX_KEPT
    await this.#init.db.batch([
      ...rows.map((row, i) => ({
        type: 'put' as const,
        key: keyOf(first + i),
        value: toUtf8(JSON.stringify(row)),
      })),
      ...rows
        .filter((_, i) => forgotten + i >= 0)
        .map((_, i) => ({ type: 'del' as const, key: keyOf(forgotten + i) })),
      { type: 'put', key: AT, value: toUtf8(String(this.#at)) },
    ])
    for (const [i, row] of rows.entries()) {
      if (this.#readers.size === 0) break
      const number = first + i
      const told: Told[] = []
      if ('gap' in row) for await (const change of this.#everything(number)) told.push({ number, change })
      else told.push({ number, change: { ...row.change, cursor: this.#cursor(number) } })
      for (const reader of this.#readers) reader.push(told)
    }
  }

  /** A cursor of another numbering says no more than that its reader has seen something of this workspace. */
  #since(from: Place, until: number, signal: AbortSignal | undefined): AsyncIterable<Change> {
    return from.generation === this.#generation
      ? this.#recorded(from.number + 1, until, signal)
      : this.#everything(until - 1)
  }

  #cursor(number: number): Cursor {
    return `${this.#generation}.${number}`
  }

  async *#recorded(from: number, until: number, signal: AbortSignal | undefined): AsyncGenerator<Change> {
    const { db } = this.#init
    let expected = from
    for (let start = from; start < until; ) {
      const page = await db.iterator({ gte: keyOf(start), lt: keyOf(until), limit: PAGE }).all()
      signal?.throwIfAborted()
      if (page.length === 0) break
      for (const [key, value] of page) {
        const number = numberOf(key)
        const row = JSON.parse(fromUtf8(value)) as Row
        if ('gap' in row || number !== expected) yield* this.#everything(number)
        if ('change' in row) yield { ...row.change, cursor: this.#cursor(number) }
        expected = number + 1
      }
      start = expected
    }
  }

  /** Only the last of these takes the reader past the gap: one that stops between them is told of all again. */
  async *#everything(number: number): AsyncGenerator<Change> {
    let held: Omit<Change, 'cursor'> | undefined
    for await (const change of this.#allItems()) {
      if (held !== undefined) yield { ...held, cursor: this.#cursor(number - 1) }
      held = change
    }
    if (held !== undefined) yield { ...held, cursor: this.#cursor(number) }
  }

  async *#allItems(): AsyncGenerator<UncountedChange> {
    const { gate, tree } = this.#init
    const waiting = [{ item: ROOT_ITEM, names: [] as string[] }]
    for (let folder = waiting.pop(); folder !== undefined; folder = waiting.pop()) {
      for await (const { item, kind, name, heads } of gate.children(folder.item)) {
        const names = [...folder.names, name]
        yield { type: 'edit', path: formatPath(names), item, kind, commit: heads[0]?.commit ?? '' }
        if (kind === 'folder') waiting.push({ item, names })
      }
    }
    for await (const { item, path } of tree.removed())
      yield { type: 'remove', path: formatPath(path), item, kind: 'file', commit: '' }
  }
}

interface Place {
  generation: string
  number: number
}

function concerns(folder: string, { path, from }: Change): boolean {
  return isWithin(folder, path) || (from !== undefined && isWithin(folder, from))
}

/** @throws {PeerfoldError} `INVALID_ARGUMENT` */
function parseCursor(cursor: Cursor): Place {
  const [, generation, number] = /^([0-9a-f]{16})\.(\d{1,15})$/.exec(cursor) ?? []
  if (generation === undefined) throw new PeerfoldError('INVALID_ARGUMENT', `not a cursor: ${cursor}`)
  return { generation, number: Number(number) }
}

function keyOf(number: number): string {
  return PREFIX + String(Math.max(0, number)).padStart(15, '0')
}

function numberOf(key: string): number {
  return Number(key.slice(PREFIX.length))
}
