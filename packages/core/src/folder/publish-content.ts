import type { ContentRef } from '../content/types.js'
import { equalBytes } from '../encoding/bytes.js'
import type { ItemId } from '../ports/ids.js'
import {
  type FileMeta,
  type FileVersion,
  ROOT_ITEM,
  type TreeEntry,
  type TreeTransaction,
} from '../tree/types.js'
import { absolute, diskAt, executableOf, type FolderContext } from './context.js'
import { baseName, type DiskNode, parentPath, renewPrint } from './disk-tree.js'
import { type Fingerprint, isRacy, mtimeOf } from './fingerprint.js'
import { freeName } from './names.js'
import { forEachParallel } from './parallel.js'
import { metaDiffers, type PublishAction } from './plan.js'
import { treeName } from './publish-structure.js'
import { readStable } from './stable-read.js'
import type { SyncedChange, SyncedEntry } from './synced-tree.js'
import type { FolderActivity } from './types.js'

type ContentAction = Extract<PublishAction, { do: 'create' | 'edit' }>

/** A file that was read and stored, ready to be said in a commit. */
interface Ingested {
  action: ContentAction
  node: DiskNode
  print: Fingerprint
  /** When it was begun to be read, another write might still have left the same fingerprint. */
  racy: boolean
  content: ContentRef
  meta: FileMeta
}

export interface PublishContentOptions {
  /** Called when a file could not be read; it is tried again later. */
  onFailure(action: ContentAction, error: unknown): void
  /** Called when a file was published, or found unchanged. */
  onDone(path: string): void
}

const READERS = 6
const LARGE_READERS = 1
const LARGE = 1 << 20
const ITEMS_PER_COMMIT = 1_000
const COMMIT_INTERVAL_MS = 1_000

/**
 * Reads, stores and publishes new and changed files: small ones first, several at a time, a commit for each thousand or second, so that
 * others see the first while the last are still being read.
 */
export async function publishContents(
  folder: FolderContext,
  actions: readonly ContentAction[],
  options: PublishContentOptions,
): Promise<void> {
  const committer = new Committer(folder, options)
  const read = async (action: ContentAction) => {
    try {
      const ingested = await ingest(folder, action, options)
      if (ingested !== undefined) await committer.add(ingested)
    } catch (error) {
      if (folder.signal.aborted) throw error
      options.onFailure(action, error)
    }
  }
  await forEachParallel(
    actions.filter((action) => action.bytes < LARGE),
    READERS,
    read,
  )
  await committer.flush()
  await forEachParallel(
    actions.filter((action) => action.bytes >= LARGE),
    LARGE_READERS,
    read,
  )
  await committer.flush()
}

/** Undefined when there is nothing to say: the bytes are the synced ones. */
async function ingest(
  folder: FolderContext,
  action: ContentAction,
  options: PublishContentOptions,
): Promise<Ingested | undefined> {
  const node = diskAt(folder, action.path)
  if (node === undefined || node.type === 'folder') return undefined
  const old = action.do === 'edit' ? folder.synced.get(action.item) : undefined
  if (old !== undefined && (await isUntouched(folder, action.path, old, node))) {
    options.onDone(action.path)
    return undefined
  }
  const { signal, source } = folder
  const base = old?.file?.content
  const begun = folder.clock.now()
  const { print, value } = await readStable(
    folder.files,
    absolute(folder, action.path),
    node.type,
    (bytes, stat) => source.ingest(bytes, { signal, size: stat.size, ...(base ? { base } : {}) }),
    { signal },
  )
  const type = node.type
  const meta: FileMeta = {
    type,
    mtime: mtimeOf(print),
    executable: type === 'file' && executableOf(folder, print, old?.file),
  }
  return { action, node, print, racy: isRacy(print, begun), content: value, meta }
}

/** Only times or modes of the inode changed (or the fingerprint was too young): look at the bytes, store nothing. */
async function isUntouched(
  folder: FolderContext,
  path: string,
  old: SyncedEntry,
  node: DiskNode,
): Promise<boolean> {
  const file = old.file!
  if (
    node.type !== file.type ||
    node.print.size !== old.print.size ||
    metaDiffers(old, node, folder.traits.executables)
  )
    return false
  const { signal, source } = folder
  const begun = folder.clock.now()
  const { print, value } = await readStable(
    folder.files,
    absolute(folder, path),
    node.type,
    (bytes) => source.identify(bytes, { signal, base: file.content }),
    { signal },
  )
  if (!equalBytes(value.plain, file.content.plain)) return false
  const entry = folder.synced.get(old.item)
  if (entry !== undefined) folder.synced.put({ ...entry, print, racy: isRacy(print, begun) })
  renewPrint(node, print)
  return true
}

/** Gathers files and says them in commits. */
class Committer {
  #batch: Ingested[] = []
  #since: number
  #last: Promise<void> = Promise.resolve()

  constructor(
    private readonly folder: FolderContext,
    private readonly options: PublishContentOptions,
  ) {
    this.#since = folder.clock.monotonic()
  }

  async add(ingested: Ingested): Promise<void> {
    this.#batch.push(ingested)
    const due = this.folder.clock.monotonic() - this.#since >= COMMIT_INTERVAL_MS
    if (due || this.#batch.length >= ITEMS_PER_COMMIT) await this.flush()
  }

  /** One commit after the other. */
  flush(): Promise<void> {
    this.#last = this.#last.then(() => this.#commit())
    return this.#last
  }

  async #commit(): Promise<void> {
    const batch = this.#batch
    this.#batch = []
    this.#since = this.folder.clock.monotonic()
    const { folder } = this
    if (batch.length > 0) {
      const { value } = await folder.source.transact((tx) => publishBatch(folder, tx, batch), {
        signal: folder.signal,
      })
      folder.synced.apply(value.flatMap((outcome) => outcome.changes))
      folder.merged.mark(value.flatMap((outcome) => outcome.touched))
      await folder.merged.refresh({ signal: folder.signal })
      for (const outcome of value) {
        renewPrint(outcome.node, outcome.print)
        this.options.onDone(outcome.path)
        if (outcome.activity !== undefined) folder.activity(outcome.activity)
      }
    }
    await folder.journal.flush(folder.synced, { signal: folder.signal })
  }
}

interface Outcome {
  path: string
  node: DiskNode
  print: Fingerprint
  changes: SyncedChange[]
  touched: ItemId[]
  activity: FolderActivity | undefined
}

async function publishBatch(
  folder: FolderContext,
  tx: TreeTransaction,
  batch: readonly Ingested[],
): Promise<Outcome[]> {
  const outcomes: Outcome[] = []
  for (const ingested of batch) {
    const outcome = await publishFile(folder, tx, ingested)
    if (outcome !== undefined) outcomes.push(outcome)
  }
  return outcomes
}

/** Undefined when its folder is not there any more; the next plan makes it again. */
async function publishFile(
  folder: FolderContext,
  tx: TreeTransaction,
  ingested: Ingested,
): Promise<Outcome | undefined> {
  const { action } = ingested
  const old = action.do === 'edit' ? folder.synced.get(action.item) : undefined
  const entry = old === undefined ? undefined : await tx.entry(old.item)
  if (old !== undefined && entry !== undefined) return publishEdit(tx, ingested, old, entry)
  const parent = folder.synced.at(parentPath(action.path))
  if (parent === undefined) return undefined
  if (parent !== ROOT_ITEM && (await tx.entry(parent))?.kind !== 'folder') return undefined
  const outcome = await publishNew(folder, tx, ingested, parent, old)
  if (old !== undefined) outcome.changes.push({ drop: old.item })
  return outcome
}

/** A new version based on the one that was on disk, and on nothing that the disk had not shown. */
async function publishEdit(
  tx: TreeTransaction,
  ingested: Ingested,
  old: SyncedEntry,
  entry: TreeEntry,
): Promise<Outcome> {
  const { content, meta } = ingested
  const file = old.file!
  const known = sameVersion(entry.heads, content, meta)
  if (known !== undefined) return done(ingested, entry, known, old)
  const isHead = entry.heads.some((head) => head.id === file.version)
  // Only touched, while the workspace has gone on: the newer version comes, nothing is said.
  if (!isHead && equalBytes(content.plain, file.content.plain) && meta.type === file.type)
    return done(ingested, entry, file, old)
  const base = baseOf(entry, file.version)
  const after = await tx.writeFile(old.item, content, meta, base)
  return done(ingested, after, headOf(after, entry, content), old, 'edit')
}

/** The only head is what was on disk: all that it stands for (equal content written twice) is superseded. */
function baseOf(entry: TreeEntry, version: string): string[] | undefined {
  return entry.heads.length === 1 && entry.heads[0]!.id === version ? undefined : [version]
}

async function publishNew(
  folder: FolderContext,
  tx: TreeTransaction,
  ingested: Ingested,
  parent: ItemId,
  old: SyncedEntry | undefined,
): Promise<Outcome> {
  const { action, content, meta } = ingested
  const name = treeName(folder, parent, baseName(action.path), old?.item)
  const occupant = await tx.child(parent, name)
  if (occupant === undefined) {
    const made = await tx.makeFile(parent, name, content, meta)
    return done(ingested, made, headOf(made, undefined, content), undefined, old ? 'edit' : 'create')
  }
  if (occupant.kind === 'file' && !folder.synced.has(occupant.item)) {
    const known = sameContent(occupant.heads, content, meta)
    if (known !== undefined) return done(ingested, occupant, known, undefined)
    const after = await tx.writeFile(occupant.item, content, meta, [])
    return done(ingested, after, headOf(after, occupant, content), undefined, 'conflict')
  }
  const free = await freeName(name, async (other) => (await tx.child(parent, other)) === undefined)
  const made = await tx.makeFile(parent, free, content, meta)
  return done(ingested, made, headOf(made, undefined, content), undefined, 'create')
}

function sameContent(
  heads: readonly FileVersion[],
  content: ContentRef,
  meta: FileMeta,
): FileVersion | undefined {
  return heads.find((head) => equalBytes(head.content.plain, content.plain) && head.type === meta.type)
}

function sameVersion(
  heads: readonly FileVersion[],
  content: ContentRef,
  meta: FileMeta,
): FileVersion | undefined {
  const head = sameContent(heads, content, meta)
  const same = meta.type === 'symlink' || (head?.mtime === meta.mtime && head.executable === meta.executable)
  return same ? head : undefined
}

/** The head that stands for what was just written. */
function headOf(after: TreeEntry, before: TreeEntry | undefined, content: ContentRef): FileVersion {
  const old = new Set(before?.heads.map((head) => head.id))
  const equal = after.heads.filter((head) => equalBytes(head.content.plain, content.plain))
  return equal.find((head) => !old.has(head.id)) ?? equal[0] ?? after.heads[0]!
}

function done(
  ingested: Ingested,
  entry: TreeEntry,
  version: { content: ContentRef; id?: string; version?: string },
  old: SyncedEntry | undefined,
  action?: FolderActivity['action'],
): Outcome {
  const { path } = ingested.action
  const { node, print, racy, meta } = ingested
  const put: SyncedEntry = {
    item: entry.item,
    kind: 'file',
    parent: old?.parent ?? entry.parent,
    name: old?.name ?? entry.name,
    // A file that was renamed and edited keeps its old place until its move is published, which may be later.
    diskName: old?.diskName ?? baseName(path),
    print,
    racy,
    file: { version: (version.id ?? version.version)!, content: version.content, ...meta },
  }
  const activity: FolderActivity | undefined = action && {
    direction: 'published',
    action,
    path,
    bytes: ingested.content.size,
  }
  return { path, node, print, changes: [{ put }], touched: [entry.item], activity }
}
