import { FileSystemError } from '../errors.js'
import type { FileStat } from '../ports/file-system.js'
import { absolute, type FolderContext } from './context.js'
import { baseName, joinPath, parentPath } from './disk-tree.js'
import { type Fingerprint, fingerprintOf, sameInode } from './fingerprint.js'
import { DiskChanged, statAbsolute } from './guard.js'
import type { Intent } from './journal.js'
import { moveFile, moveToFreeName } from './move.js'
import { isGone } from './stable-read.js'
import type { StatePaths } from './state-directory.js'
import { removeQuietly, wasWritten } from './trash.js'

type RecoverContext = Pick<
  FolderContext,
  'files' | 'directory' | 'synced' | 'journal' | 'clock' | 'traits' | 'leftovers' | 'issues'
>

const DENIED = new Set(['EACCES', 'EPERM'])

/**
 * What was being put into place either is there, and then it is the synced state, or it is not, and then nothing happened. Prepared files are
 * thrown away. Runs before the first scan after a start, and before each round that has something left to find out.
 */
export async function recover(folder: RecoverContext, paths: StatePaths): Promise<void> {
  const { journal, files, issues } = folder
  for (const intent of [...journal.intents.values()]) {
    try {
      await recoverIntent(folder, paths, { ...intent, path: placeNow(folder, intent) })
      journal.endIntent(intent.id)
      issues.clear(intent.path)
    } catch (error) {
      // Where this program may not look now, nothing is published; the others need not wait for it.
      if (!(error instanceof FileSystemError) || !DENIED.has(error.errno)) throw error
      issues.add(intent.path, 'IO_FAILED', error.message)
    }
  }
  await forgetMissingTrash(folder, paths)
  await journal.flush(folder.synced)
  for (const { name, addressable } of await files.readdir(paths.tmp))
    if (addressable && !journal.intents.has(name)) await removeQuietly(folder, files.join(paths.tmp, name))
}

/** Its folder may have been moved since it was announced. */
function placeNow({ synced }: RecoverContext, { path, entry }: Intent): string {
  const folder = synced.path(entry.parent)
  return folder === undefined ? path : joinPath(folder, entry.diskName)
}

async function recoverIntent(folder: RecoverContext, paths: StatePaths, intent: Intent): Promise<void> {
  const { path, from, replaced } = intent
  const stat = await statAbsolute(folder, absolute(folder, path))
  if (from !== undefined) await recoverMove(folder, paths, { ...intent, from }, stat)
  else if (stat !== undefined && isMeant(intent, stat)) finish(folder, intent, stat)
  else if (replaced !== undefined) await undoReplace(folder, paths, intent, stat)
}

function isMeant({ ino, entry }: Intent, stat: FileStat): boolean {
  return ino === undefined ? stat.type === entry.kind : stat.ino === ino
}

async function recoverMove(
  folder: RecoverContext,
  paths: StatePaths,
  intent: Intent & { from: string },
  stat: FileStat | undefined,
): Promise<void> {
  const { id, ino, path, from, entry } = intent
  const aside = folder.files.join(paths.tmp, id)
  const kept = await statAbsolute(folder, aside)
  if (kept !== undefined && kept.ino === stat?.ino) await removeQuietly(folder, aside)
  else if (kept !== undefined) {
    const back = folder.synced.path(entry.item) ?? from
    const above = absolute(folder, parentPath(back))
    const directory = (await statAbsolute(folder, above))?.type === 'folder' ? above : folder.directory
    await moveToFreeName(folder, entry.kind, aside, directory, baseName(back))
    return
  }
  const before = await statAbsolute(folder, absolute(folder, from))
  // One name in two spellings: the next scan sees which it has.
  if (isOneName(folder, path, from)) return
  // Both names of a file that moves by link and unlink: the move has not happened.
  if (before !== undefined && stat?.ino === before.ino) await removeQuietly(folder, absolute(folder, path))
  else if (stat !== undefined && stat.ino === ino) finish(folder, intent, stat)
}

function isOneName({ traits }: RecoverContext, a: string, b: string): boolean {
  const { fold } = traits.names
  return parentPath(a) === parentPath(b) && fold(baseName(a)) === fold(baseName(b))
}

/** The inode is the prepared one. When somebody wrote to it since, its old fingerprint makes that an edit of this version. */
function finish(folder: RecoverContext, intent: Intent, stat: FileStat): void {
  const print = fingerprintOf(stat)
  keepReplaced(folder, intent)
  const parent = intent.entry.parent
  if (folder.synced.path(parent) === undefined) return
  folder.synced.put({
    ...intent.entry,
    print: intent.ino === undefined || isWhatWasMeant(intent.entry.print, print) ? print : intent.entry.print,
  })
}

/** Where its folder is gone, or something has come there, it stays in the trash. */
async function giveBack(folder: RecoverContext, intent: Intent, kept: string): Promise<void> {
  try {
    await moveFile(folder, kept, absolute(folder, intent.path))
  } catch (error) {
    if (!(error instanceof DiskChanged) && !isGone(error)) throw error
    return keepReplaced(folder, intent)
  }
  if (folder.leftovers.has(kept)) keepReplaced(folder, intent)
}

/** What moved may have been edited before, in place or by another file: its fingerprint stays the synced one, so that this is still seen. */
function isWhatWasMeant(meant: Fingerprint, print: Fingerprint): boolean {
  return sameInode(meant, print) && !wasWritten(meant, print)
}

/** What was replaced lies in the trash: by us, or by a program that took its place meanwhile. */
function keepReplaced(folder: RecoverContext, { entry, path, replaced }: Intent): void {
  const file = folder.synced.get(entry.item)?.file
  if (replaced === undefined || file === undefined) return
  const { trash: name, print } = replaced
  folder.journal.addTrash({ name, path, item: entry.item, print, file, time: folder.clock.now() })
}

/** The old file is still in place, or (on a disk without hard links) only in the trash: then it goes back. */
async function undoReplace(
  folder: RecoverContext,
  paths: StatePaths,
  intent: Intent,
  stat: FileStat | undefined,
): Promise<void> {
  const kept = folder.files.join(paths.trash, intent.replaced!.trash)
  const inTrash = await statAbsolute(folder, kept)
  if (inTrash === undefined) return
  if (stat === undefined) await giveBack(folder, intent, kept)
  else if (stat.ino === inTrash.ino) await removeQuietly(folder, kept)
  else keepReplaced(folder, intent)
}

async function forgetMissingTrash(folder: RecoverContext, paths: StatePaths): Promise<void> {
  for (const name of [...folder.journal.trash.keys()])
    if ((await statAbsolute(folder, folder.files.join(paths.trash, name))) === undefined)
      folder.journal.endTrash(name)
}
