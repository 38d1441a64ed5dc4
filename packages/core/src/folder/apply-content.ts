import { equalBytes } from '../encoding/bytes.js'
import { FileSystemError } from '../errors.js'
import type { FileHandle, FileStat } from '../ports/file-system.js'
import type { FileVersion, TreeEntry } from '../tree/types.js'
import type { ApplyOutcome } from './apply-structure.js'
import { absolute, diskAt, type FolderContext } from './context.js'
import { forgetBytes, parentPath, putNode } from './disk-tree.js'
import {
  type Fingerprint,
  fingerprintOf,
  isExecutable,
  isRacy,
  sameFingerprint,
  sameInode,
} from './fingerprint.js'
import {
  DiskChanged,
  describeFailure,
  nodeOf,
  statAbsolute,
  statOf,
  verifyFree,
  verifyParents,
  verifyUnchanged,
} from './guard.js'
import type { Intent } from './journal.js'
import { moveFile, NO_LINKS } from './move.js'
import { forEachParallel } from './parallel.js'
import { placed, targetOf } from './place.js'
import type { ApplyAction } from './plan.js'
import { randomId, type StatePaths, trashName } from './state-directory.js'
import type { SyncedEntry } from './synced-tree.js'
import { discard, removeQuietly, wasWritten } from './trash.js'
import { writeVersion } from './write-version.js'

type ContentAction = Extract<ApplyAction, { do: 'create' | 'edit' | 'meta' }>

const WRITERS = 8
const LARGE = 1 << 20
const FILES_PER_BATCH = 256
const BYTES_PER_BATCH = 256 << 20

export interface ContentOutcome extends ApplyOutcome {
  /** Those whose content proved not to be here after all. */
  missing: FileVersion[]
}

/**
 * Puts file contents on disk, in batches: write and sync each file in `.peerfold/tmp`, say durably what is going to be where, link or rename
 * it into place, sync each directory once, say durably that it is there.
 */
export async function applyContents(
  folder: FolderContext,
  paths: StatePaths,
  actions: readonly ContentAction[],
): Promise<ContentOutcome> {
  const outcome: ContentOutcome = { applied: 0, dirty: new Set(), missing: [] }
  for (const path of [...folder.leftovers]) await discard(folder, path)
  const bySize = [...actions].sort((a, b) => bytesOf(a) - bytesOf(b))
  for (const batch of batches(bySize)) {
    folder.signal.throwIfAborted()
    await applyBatch(folder, paths, batch, outcome)
  }
  return outcome
}

const bytesOf = (action: ContentAction): number => (action.do === 'meta' ? 0 : action.bytes)

function* batches(actions: readonly ContentAction[]): IterableIterator<ContentAction[]> {
  let batch: ContentAction[] = []
  let bytes = 0
  for (const action of actions) {
    if (batch.length >= FILES_PER_BATCH || (batch.length > 0 && bytes + bytesOf(action) > BYTES_PER_BATCH)) {
      yield batch
      batch = []
      bytes = 0
    }
    batch.push(action)
    bytes += bytesOf(action)
  }
  if (batch.length > 0) yield batch
}

/** A file that lies ready in `.peerfold/tmp`. */
interface Prepared {
  action: ContentAction
  entry: TreeEntry
  head: FileVersion
  path: string
  tmp: string
  intent: Intent
  old: SyncedEntry | undefined
  /** It has left `.peerfold/tmp` for its place. */
  inPlace: boolean
}

async function applyBatch(
  folder: FolderContext,
  paths: StatePaths,
  actions: readonly ContentAction[],
  outcome: ContentOutcome,
): Promise<void> {
  const prepared: Prepared[] = []
  const placed = new Set<Prepared>()
  const directories = new Set<string>()
  try {
    const begin = (action: ContentAction) =>
      attempt(folder, action, outcome, async () => {
        if (action.do === 'meta') await applyMeta(folder, action, outcome)
        else {
          const file = await prepare(folder, paths, action)
          if (file !== undefined) prepared.push(file)
        }
      })
    const isLarge = (action: ContentAction) => action.do !== 'meta' && action.bytes >= LARGE
    await forEachParallel(
      actions.filter((action) => !isLarge(action)),
      WRITERS,
      begin,
    )
    // One alone keeps disk and threads busy; several would each hold their own read-ahead.
    await forEachParallel(actions.filter(isLarge), 1, begin)
    for (const file of prepared) folder.journal.addIntent(file.intent)
    await folder.journal.flush(folder.synced)
    const verified = new Set<string>()
    await forEachParallel(prepared, WRITERS, (file) =>
      attempt(folder, file.action, outcome, async () => {
        await place(folder, paths, file, verified)
        placed.add(file)
        directories.add(parentPath(file.path))
        outcome.applied++
      }),
    )
    for (const directory of directories) await folder.files.syncDirectory(absolute(folder, directory))
  } finally {
    await cleanUp(folder, prepared, placed)
  }
}

/**
 * Whatever was not placed is thrown away. After a crash of this process, recovery does the same. What lies in its place, and could not be looked at
 * there, stays announced: recovery finds out before the next round, which would take it for a person's.
 */
async function cleanUp(
  folder: FolderContext,
  prepared: readonly Prepared[],
  placed: ReadonlySet<Prepared>,
): Promise<void> {
  for (const file of prepared) {
    if (!file.inPlace) await discard(folder, file.tmp)
    if (!file.inPlace || placed.has(file)) folder.journal.endIntent(file.intent.id)
  }
  await folder.journal.flush(folder.synced)
}

async function attempt(
  folder: FolderContext,
  action: ContentAction,
  outcome: ContentOutcome,
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work()
    folder.issues.clear(action.path)
  } catch (error) {
    if (folder.signal.aborted) throw error
    if (error instanceof DiskChanged || (error instanceof FileSystemError && error.errno === 'EEXIST')) {
      outcome.dirty.add(parentPath(action.path))
      return
    }
    const failure = describeFailure(error)
    if (failure === undefined) throw error
    const head = folder.merged.get(action.item)?.heads[0]
    if (failure.code === 'BLOCKS_UNAVAILABLE' && head !== undefined) outcome.missing.push(head)
    else folder.issues.add(action.path, failure.code, failure.message)
  }
}

async function prepare(
  folder: FolderContext,
  paths: StatePaths,
  action: ContentAction,
): Promise<Prepared | undefined> {
  const entry = folder.merged.get(action.item)
  const head = entry?.heads[0]
  const old = folder.synced.get(action.item)
  if (entry === undefined || head === undefined) return undefined
  const path = action.do === 'edit' ? folder.synced.path(action.item) : targetOf(folder, entry)
  if (path === undefined) return undefined
  if (old !== undefined) await verifyUnchanged(folder, path, old.print)
  else if (diskAt(folder, path) !== undefined) throw new DiskChanged(path)
  else await verifyFree(folder, path)
  const id = randomId(folder.random)
  const tmp = folder.files.join(paths.tmp, id)
  try {
    const print = await writeVersion(folder, tmp, head, modeOf(folder, head, old))
    return {
      action,
      entry,
      head,
      path,
      tmp,
      old,
      inPlace: false,
      intent: intentOf(folder, id, path, entry, head, print, old),
    }
  } catch (error) {
    await discard(folder, tmp)
    throw error
  }
}

function intentOf(
  folder: FolderContext,
  id: string,
  path: string,
  entry: TreeEntry,
  head: FileVersion,
  print: Fingerprint,
  old: SyncedEntry | undefined,
): Intent {
  const place = old === undefined ? placed(folder, entry, print) : { ...old, print, racy: false }
  const intent: Intent = { id, ino: print.ino, path, entry: { ...place, file: fileOf(head) } }
  if (old !== undefined) {
    const trash = trashName(folder.random, folder.clock.now(), old.diskName)
    intent.replaced = { trash, print: old.print }
  }
  return intent
}

function fileOf(head: FileVersion): NonNullable<SyncedEntry['file']> {
  const { id, content, mtime, type, executable } = head
  return { version: id, content, mtime, type, executable }
}

/** What a file that is replaced lets others do with it is kept. */
function modeOf(
  { traits }: FolderContext,
  head: FileVersion,
  old: SyncedEntry | undefined,
): number | undefined {
  if (!traits.executables || old?.file?.type !== 'file') return undefined
  return withExecutable(old.print.mode, head.executable)
}

/** Whoever may read may also execute. */
export function withExecutable(mode: number, executable: boolean): number {
  return executable ? mode | ((mode & 0o444) >> 2) : mode & ~0o111
}

async function place(
  folder: FolderContext,
  paths: StatePaths,
  file: Prepared,
  verified: Set<string>,
): Promise<void> {
  const { path, tmp, intent, old, head } = file
  const target = absolute(folder, path)
  await verifyParents(folder, path, verified)
  if (old === undefined) await moveFile(folder, tmp, target)
  else await replace(folder, paths, file, target, old)
  file.inPlace = true
  await verifyStayed(folder, file)
  const looked = folder.clock.now()
  const node = await nodeOf(folder, path, folder.clock.monotonic())
  putNode(folder.disk, parentPath(path), node)
  const racy = isRacy(node.print, looked)
  const unchanged = node.print.ino === intent.ino && !wasWritten(intent.entry.print, node.print)
  folder.synced.put({ ...intent.entry, print: unchanged ? node.print : intent.entry.print, racy })
  const action = old === undefined ? 'create' : 'edit'
  folder.activity({ direction: 'applied', action, path, bytes: head.size })
}

/**
 * The old file gets a second name in the trash before the new one takes its place, so that its bytes, and whatever a program still writes to it,
 * stay. Between the last look at the path and the rename lie two system calls: see docs/decisions/0051.
 */
async function replace(
  folder: FolderContext,
  paths: StatePaths,
  file: Prepared,
  target: string,
  old: SyncedEntry,
): Promise<void> {
  const name = file.intent.replaced!.trash
  const kept = folder.files.join(paths.trash, name)
  const linked = await keepOld(folder, target, kept)
  try {
    const stat = await statAbsolute(folder, kept)
    const current = linked ? await statAbsolute(folder, target) : stat
    if (!isOld(stat, old) || !isOld(current, old)) throw new DiskChanged(file.path)
    if (linked) await folder.files.rename(file.tmp, target)
    else await moveFile(folder, file.tmp, target)
  } catch (error) {
    await giveBack(folder, kept, target, linked).catch(() => keepRecord(folder, file, old))
    throw error
  }
  keepRecord(folder, file, old)
}

async function giveBack(folder: FolderContext, kept: string, target: string, linked: boolean): Promise<void> {
  if (linked) await removeQuietly(folder, kept)
  else await moveFile(folder, kept, target)
}

/** What lies in the trash is known there, also when it proves to be something else: that is found as a late write. */
function keepRecord(folder: FolderContext, file: Prepared, old: SyncedEntry): void {
  const name = file.intent.replaced!.trash
  const { print, file: version, item } = old
  folder.journal.addTrash({ name, path: file.path, item, print, file: version!, time: folder.clock.now() })
}

function isOld(stat: FileStat | undefined, old: SyncedEntry): boolean {
  if (stat === undefined) return false
  const print = fingerprintOf(stat)
  return sameInode(print, old.print) && !wasWritten(old.print, print)
}

/** False where there are no hard links: then the old file was moved away, and for a moment nothing lies at the path. */
async function keepOld(folder: FolderContext, target: string, kept: string): Promise<boolean> {
  try {
    await folder.files.link(target, kept)
    return true
  } catch (error) {
    if (!(error instanceof FileSystemError) || !NO_LINKS.has(error.errno)) throw error
    await folder.files.rename(target, kept)
    return false
  }
}

/** A parent swapped for a link in the last moment: take back what was put beyond it. */
async function verifyStayed(folder: FolderContext, file: Prepared): Promise<void> {
  const { path, intent } = file
  try {
    await verifyParents(folder, path)
  } catch (error) {
    if (!(error instanceof DiskChanged)) throw error
    file.inPlace = false
    if ((await statOf(folder, path))?.ino === intent.ino) await removeQuietly(folder, absolute(folder, path))
    throw error
  }
}

/**
 * Only time or mode differ: the file stays. Setting a time covers up what a program writes just before, so the bytes are looked at once more by the
 * next round.
 */
async function applyMeta(
  folder: FolderContext,
  action: ContentAction,
  outcome: ContentOutcome,
): Promise<void> {
  const old = folder.synced.get(action.item)
  const path = folder.synced.path(action.item)
  const head = folder.merged.get(action.item)?.heads[0]
  if (old === undefined || path === undefined || head === undefined) return
  // Another content would be said to be on disk, and what lies there to be an edit of it.
  if (!equalBytes(head.content.plain, old.file!.content.plain)) throw new DiskChanged(path)
  await verifyParents(folder, path)
  await verifyUnchanged(folder, path, old.print)
  const handle = await folder.files.openRead(absolute(folder, path))
  try {
    const stat = await handle.stat()
    if (!sameFingerprint(fingerprintOf(stat), old.print)) throw new DiskChanged(path)
    await setMeta(folder, handle, path, old, head)
  } finally {
    await handle.close()
  }
  outcome.applied++
}

/** What was done of it before a call failed is no change of a person. */
async function setMeta(
  folder: FolderContext,
  handle: FileHandle,
  path: string,
  old: SyncedEntry,
  head: FileVersion,
): Promise<void> {
  let file = old.file!
  try {
    if (folder.traits.executables && isExecutable(old.print) !== head.executable) {
      await handle.chmod(withExecutable(old.print.mode, head.executable))
      file = { ...file, executable: head.executable }
    }
    await handle.utimes(head.mtime)
    file = fileOf(head)
  } finally {
    const print = fingerprintOf(await handle.stat())
    const node = diskAt(folder, path)
    if (node !== undefined) {
      node.print = print
      forgetBytes(node)
    }
    folder.synced.put({ ...old, print, racy: true, file })
  }
}
