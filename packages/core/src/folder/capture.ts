import { absolute, diskAt, executableOf, type FolderContext } from './context.js'
import { baseName, joinPath, parentPath } from './disk-tree.js'
import { mtimeOf } from './fingerprint.js'
import { statAbsolute, statOf, verifyParents } from './guard.js'
import type { TrashRecord } from './journal.js'
import { moveToFreeName } from './move.js'
import { readStable } from './stable-read.js'
import type { StatePaths } from './state-directory.js'
import { removeQuietly } from './trash.js'

/**
 * A program wrote to a file after this device had moved it to the trash. Its bytes become a version that competes with the one that took its
 * place; if the item is gone, the file goes back into the folder. Nothing is lost either way.
 *
 * @returns the directory to be scanned, if a file was put back
 */
export async function capture(
  folder: FolderContext,
  paths: StatePaths,
  record: TrashRecord,
): Promise<string | undefined> {
  const { source, signal } = folder
  const kept = folder.files.join(paths.trash, record.name)
  if (await wasPutBack(folder, kept, record.path)) return forget(folder, kept, record)
  const restore = async () => parentPath(await putBack(folder, paths, record))
  if ((await source.tree.entry(record.item)) === undefined) return restore()
  const { type } = record.file
  const base = record.file.content
  const { print, value: content } = await readStable(
    folder.files,
    kept,
    type,
    (bytes, stat) => source.ingest(bytes, { signal, size: stat.size, base }),
    { signal },
  )
  const meta = {
    type,
    mtime: mtimeOf(print),
    executable: type === 'file' && executableOf(folder, print, record.file),
  }
  const { commit } = await source.transact(
    async (tx) => {
      if ((await tx.entry(record.item)) === undefined) return
      await tx.writeFile(record.item, content, meta, [record.file.version])
    },
    { signal },
  )
  if (commit === undefined) return restore()
  folder.merged.mark([record.item])
  await folder.merged.refresh({ signal })
  folder.journal.addTrash({ ...record, print })
  await folder.journal.flush(folder.synced)
  folder.activity({ direction: 'published', action: 'conflict', path: record.path, bytes: content.size })
  return undefined
}

/** It lies in the folder again: only its name in the trash could not be removed. */
async function wasPutBack(folder: FolderContext, kept: string, path: string): Promise<boolean> {
  const [inTrash, inFolder] = [await statAbsolute(folder, kept), await statOf(folder, path)]
  return inTrash !== undefined && inTrash.ino === inFolder?.ino
}

async function forget(folder: FolderContext, kept: string, record: TrashRecord): Promise<undefined> {
  await removeQuietly(folder, kept)
  folder.journal.endTrash(record.name)
  await folder.journal.flush(folder.synced)
}

/** @returns the path that it has now */
export async function putBack(
  folder: FolderContext,
  paths: StatePaths,
  record: TrashRecord,
): Promise<string> {
  const wanted = parentPath(record.path)
  const parent = diskAt(folder, wanted)?.kind === 'folder' ? wanted : ''
  await verifyParents(folder, joinPath(parent, 'x'))
  const kept = folder.files.join(paths.trash, record.name)
  const name = await moveToFreeName(folder, 'file', kept, absolute(folder, parent), baseName(record.path))
  const path = joinPath(parent, name)
  if (folder.leftovers.has(kept)) folder.journal.addTrash({ ...record, path })
  else folder.journal.endTrash(record.name)
  await folder.journal.flush(folder.synced)
  return path
}
