import { PeerfoldError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'
import type { ItemId } from '../ports/ids.js'
import { kindOf } from '../tree/item-id.js'
import type { FileVersion, Tree, TreeEntry, TreeTransaction } from '../tree/types.js'
import { formatPath, type ItemPath } from './path.js'
import type { RemovedItem } from './types.js'
import { makeFolders } from './writer.js'

type History = Pick<Tree, 'removed' | 'versions'>

/** Folders are left out: all that can come back of them is what was in them. */
export async function* listRemovedFiles(
  history: History,
  options?: AbortOptions,
): AsyncGenerator<RemovedItem> {
  for await (const { item, path, time } of history.removed(options)) {
    if (kindOf(item) === 'folder') continue
    const last = await lastVersion(history, item, options)
    if (last === undefined) continue
    const { id: version, type, size } = last
    const name = path.at(-1) ?? ''
    yield { id: item, path: formatPath(path), name, type, version, size, time: new Date(time) }
  }
}

/** The file that was removed last of those that were at a path. */
export async function findRemovedFile(
  history: History,
  path: string,
  options?: AbortOptions,
): Promise<ItemId | undefined> {
  let latest: { item: ItemId; time: number; stamp: number } | undefined
  for await (const { item, path: names, time } of history.removed(options)) {
    if (latest !== undefined && time < latest.time) break
    if (kindOf(item) === 'folder' || formatPath(names) !== path) continue
    // Programs make and remove a file within a millisecond: then its causes tell what came last.
    const stamp = (await lastVersion(history, item, options))?.stamp ?? 0
    if (latest === undefined || stamp > latest.stamp) latest = { item, time, stamp }
  }
  return latest?.item
}

async function lastVersion(
  history: History,
  item: ItemId,
  options?: AbortOptions,
): Promise<FileVersion | undefined> {
  for await (const version of history.versions(item, options)) return version
  return undefined
}

export interface FileRestore {
  item: ItemId
  version: FileVersion
  /** Where it comes back to if it is removed. */
  to: ItemPath
}

/** Makes a version the newest of its item; an item that is not in the tree comes back to it. */
export async function restoreFile(
  tx: TreeTransaction,
  { item, version, to }: FileRestore,
): Promise<TreeEntry> {
  const { content, mtime, type, executable } = version
  const meta = { mtime, type, executable }
  if ((await tx.entry(item)) !== undefined) return await tx.writeFile(item, content, meta)
  // Before it comes back: with the claim to its name that it had, it could push aside what has the name now.
  if ((await tx.lookup(to.names)) !== undefined) {
    const path = formatPath(to.names)
    throw new PeerfoldError('ALREADY_EXISTS', `already there: ${path}`, { details: { path } })
  }
  const folder = await makeFolders(tx, to.parent)
  await tx.writeFile(item, content, meta)
  // Its old folder may be gone, too, and another one be at its path.
  return await tx.move(item, folder, to.name)
}
