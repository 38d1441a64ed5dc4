import { CID } from 'multiformats/cid'
import type { ContentRef } from '../content/types.js'
import { decodeCbor, encodeCbor } from '../encoding/cbor.js'
import { isPeerfoldError, PeerfoldError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'
import type { ItemId } from '../ports/ids.js'
import type { LogPosition, LogStore } from '../ports/log-store.js'
import type { Fingerprint } from './fingerprint.js'
import type { SyncedChange, SyncedEntry, SyncedFile, SyncedTree } from './synced-tree.js'

/**
 * A device's journal of one folder (PROTOCOL.md §9.2): synced tree, intents and trash, as changes in a `LogStore`, which checksums them.
 * It cannot be rebuilt. When it is lost or damaged the folder is joined anew: merged, with nothing deleted.
 */

/** What is about to be put at a path: so that after a crash the disk is not mistaken for a person's edit or rename. */
export interface Intent {
  /** Random; the name of a prepared file in `.peerfold/tmp`. */
  id: string
  /** Inode of the prepared file, or of what moves: what is looked for at `path`. None where a folder is to be made: any that lies there is it. */
  ino?: bigint
  path: string
  /** What `path` holds once it is done. `print` is that of the prepared file. */
  entry: SyncedEntry
  /** What is replaced, and its name in `.peerfold/trash`. */
  replaced?: { trash: string; print: Fingerprint }
  /** For moves: where it lies before. */
  from?: string
}

/** A file in `.peerfold/trash`. */
export interface TrashRecord {
  /** Its name there. */
  name: string
  /** Where it was. */
  path: string
  item: ItemId
  /** What it was when it was known to be captured; when it differs later, somebody wrote to it. */
  print: Fingerprint
  /** The version that these bytes are. */
  file: SyncedFile
  /** Wall time, milliseconds. */
  time: number
}

export interface JournalState {
  folder: string | undefined
  changes: SyncedChange[]
  intents: Map<string, Intent>
  trash: Map<string, TrashRecord>
}

type Operation =
  | ['begin', string]
  | ['ready', string]
  | ['put', unknown[]]
  | ['drop', ItemId]
  | ['intent', unknown[]]
  | ['done', string]
  | ['trash', unknown[]]
  | ['purged', string]

/** What a write is to make durable. */
interface Taken {
  changes: SyncedChange[]
  queue: Operation[]
}

const FORMAT = 1
const OPERATIONS_PER_RECORD = 500
/** Rewritten once it holds this many times more operations than are alive. */
const SLACK = 4

export class Journal {
  readonly intents: Map<string, Intent>
  readonly trash: Map<string, TrashRecord>
  #folder: string | undefined
  #queue: Operation[] = []
  #operations: number

  private constructor(
    private readonly log: LogStore,
    state: JournalState,
  ) {
    this.#folder = state.folder
    this.intents = state.intents
    this.trash = state.trash
    this.#operations = state.changes.length
  }

  /** Fills `synced` with what the log holds. */
  static async open(log: LogStore, synced: SyncedTree, options?: AbortOptions): Promise<Journal> {
    const { state, torn } = await readJournal(log, options)
    for (const change of state.changes) synced.replay([change])
    synced.dropOrphans()
    const journal = new Journal(log, state)
    if (torn && state.folder !== undefined) await journal.rewrite(synced, state.folder, options)
    synced.takeChanges()
    return journal
  }

  /** Id of the folder that this is about; undefined when there is nothing, or nothing that can be trusted. */
  get folder(): string | undefined {
    return this.#folder
  }

  addIntent(intent: Intent): void {
    this.intents.set(intent.id, intent)
    this.#queue.push(['intent', encodeIntent(intent)])
  }

  endIntent(id: string): void {
    if (this.intents.delete(id)) this.#queue.push(['done', id])
  }

  addTrash(record: TrashRecord): void {
    this.trash.set(record.name, record)
    this.#queue.push(['trash', encodeTrash(record)])
  }

  endTrash(name: string): void {
    if (this.trash.delete(name)) this.#queue.push(['purged', name])
  }

  /** Makes all changes since the last call durable, in one append. */
  async flush(synced: SyncedTree, options?: AbortOptions): Promise<void> {
    const taken = this.#take(synced)
    const operations = [...taken.changes.map(encodeChange), ...taken.queue]
    if (operations.length === 0) return
    await this.#append(operations, synced, taken, options)
    this.#operations += operations.length
    const alive = synced.size + this.intents.size + this.trash.size
    if (this.#operations > SLACK * (alive + OPERATIONS_PER_RECORD)) await this.rewrite(synced, this.#folder)
  }

  #take(synced: SyncedTree): Taken {
    const queue = this.#queue
    this.#queue = []
    return { changes: synced.takeChanges(), queue }
  }

  /** What could not be written is kept for the next time. */
  async #append(
    operations: readonly Operation[],
    synced: SyncedTree,
    taken: Taken,
    options?: AbortOptions,
  ): Promise<LogPosition | undefined> {
    try {
      const [first] = await this.log.append(encodeRecords(operations), options)
      return first
    } catch (error) {
      synced.giveBack(taken.changes)
      this.#queue = [...taken.queue, ...this.#queue]
      throw error
    }
  }

  /** Writes the whole state anew, then forgets what was before it. */
  async rewrite(synced: SyncedTree, folder: string | undefined, options?: AbortOptions): Promise<void> {
    const taken = this.#take(synced)
    if (folder === undefined) return
    const operations: Operation[] = [['begin', folder]]
    for (const entry of synced.entries()) operations.push(encodeChange({ put: entry }))
    for (const intent of this.intents.values()) operations.push(['intent', encodeIntent(intent)])
    for (const record of this.trash.values()) operations.push(['trash', encodeTrash(record)])
    operations.push(['ready', folder])
    const first = await this.#append(operations, synced, taken, options)
    if (first !== undefined) await this.log.truncate(first, options)
    this.#operations = operations.length
    this.#folder = folder
  }
}

/** `torn`: the log ends in a rewrite that was cut short, or was damaged; it is to be rewritten before anything is added. */
async function readJournal(
  log: LogStore,
  options?: AbortOptions,
): Promise<{ state: JournalState; torn: boolean }> {
  let state = emptyState()
  let staged: JournalState | undefined
  for await (const operations of readOperations(log, options)) {
    if (operations === 'damaged') {
      state = emptyState()
      staged = emptyState()
      continue
    }
    for (const operation of operations) {
      if (operation[0] === 'begin') staged = emptyState()
      else if (operation[0] === 'ready') {
        state = { ...(staged ?? state), folder: operation[1] }
        staged = undefined
      } else replay(staged ?? state, operation)
    }
  }
  return { state, torn: staged !== undefined }
}

async function* readOperations(
  log: LogStore,
  options?: AbortOptions,
): AsyncIterable<Operation[] | 'damaged'> {
  let from: number | undefined = log.start
  while (from !== undefined && from < log.end) {
    try {
      for await (const record of log.read(from, options)) yield decodeRecord(record.bytes)
      return
    } catch (error) {
      if (!isPeerfoldError(error, 'LOG_CORRUPT')) throw error
      yield 'damaged'
      from = typeof error.details.next === 'number' ? error.details.next : undefined
    }
  }
}

function emptyState(): JournalState {
  return { folder: undefined, changes: [], intents: new Map(), trash: new Map() }
}

function replay(state: JournalState, operation: Operation): void {
  const [name, value] = operation
  if (name === 'put') state.changes.push({ put: decodeEntry(value) })
  else if (name === 'drop') state.changes.push({ drop: value })
  else if (name === 'done') state.intents.delete(value)
  else if (name === 'purged') state.trash.delete(value)
  else if (name === 'intent') {
    const intent = decodeIntent(value)
    state.intents.set(intent.id, intent)
  } else if (name === 'trash') {
    const record = decodeTrash(value)
    state.trash.set(record.name, record)
  }
}

function encodeChange(change: SyncedChange): Operation {
  return 'put' in change ? ['put', encodeEntry(change.put)] : ['drop', change.drop]
}

/** Records of bounded size: each is `[1, [operation…]]`. */
function encodeRecords(operations: readonly Operation[]): Uint8Array[] {
  const records: Uint8Array[] = []
  for (let i = 0; i < operations.length; i += OPERATIONS_PER_RECORD)
    records.push(encodeCbor([FORMAT, operations.slice(i, i + OPERATIONS_PER_RECORD)]))
  return records
}

function decodeRecord(bytes: Uint8Array): Operation[] {
  const [format, operations] = decodeCbor(bytes, 'LOG_CORRUPT') as [number, Operation[]]
  if (format !== FORMAT)
    throw new PeerfoldError('PROTOCOL_UNSUPPORTED', `folder journal of unknown format ${format}`)
  return operations
}

function encodePrint(print: Fingerprint): unknown[] {
  const { dev, ino, size, mtimeNs, ctimeNs, birthtimeNs, mode } = print
  return [String(dev), String(ino), size, String(mtimeNs), String(ctimeNs), String(birthtimeNs), mode]
}

function decodePrint(value: unknown): Fingerprint {
  const [dev, ino, size, mtimeNs, ctimeNs, birthtimeNs, mode] = value as [
    ...[string, string, number, string, string, string, number],
  ]
  return {
    dev: BigInt(dev),
    ino: BigInt(ino),
    size,
    mtimeNs: BigInt(mtimeNs),
    ctimeNs: BigInt(ctimeNs),
    birthtimeNs: BigInt(birthtimeNs),
    mode,
  }
}

function encodeFile(file: SyncedFile): unknown[] {
  const { root, key, plain, size } = file.content
  return [file.version, root.bytes, key, plain, size, file.mtime, file.type, file.executable]
}

function decodeFile(value: unknown): SyncedFile {
  const [version, root, key, plain, size, mtime, type, executable] = value as [
    ...[string, Uint8Array, Uint8Array, Uint8Array, number, number, 'file' | 'symlink', boolean],
  ]
  const content: ContentRef = { root: CID.decode(root), key, plain, size }
  return { version, content, mtime, type, executable }
}

function encodeEntry(entry: SyncedEntry): unknown[] {
  const { item, kind, parent, name, diskName, print, racy, file } = entry
  return [item, kind, parent, name, diskName, encodePrint(print), racy, file ? encodeFile(file) : null]
}

function decodeEntry(value: unknown): SyncedEntry {
  const [item, kind, parent, name, diskName, print, racy, file] = value as [
    ...[string, 'file' | 'folder', string, string, string, unknown, boolean, unknown],
  ]
  const entry: SyncedEntry = { item, kind, parent, name, diskName, print: decodePrint(print), racy }
  if (file !== null) entry.file = decodeFile(file)
  return entry
}

function encodeIntent(intent: Intent): unknown[] {
  const { id, ino, path, entry, replaced, from } = intent
  const before = replaced ? [replaced.trash, encodePrint(replaced.print)] : null
  return [id, ino === undefined ? null : String(ino), path, encodeEntry(entry), before, from ?? null]
}

function decodeIntent(value: unknown): Intent {
  const [id, ino, path, entry, before, from] = value as [
    ...[string, string | null, string, unknown, [string, unknown] | null, string | null],
  ]
  const intent: Intent = { id, path, entry: decodeEntry(entry) }
  if (ino !== null) intent.ino = BigInt(ino)
  if (before !== null) intent.replaced = { trash: before[0], print: decodePrint(before[1]) }
  if (from !== null) intent.from = from
  return intent
}

function encodeTrash(record: TrashRecord): unknown[] {
  const { name, path, item, print, file, time } = record
  return [name, path, item, encodePrint(print), encodeFile(file), time]
}

function decodeTrash(value: unknown): TrashRecord {
  const [name, path, item, print, file, time] = value as [
    ...[string, string, string, unknown, unknown, number],
  ]
  return { name, path, item, print: decodePrint(print), file: decodeFile(file), time }
}
