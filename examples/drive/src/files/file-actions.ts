import type { Item, Workspace } from '@peerfold/core'
import { baseName, freeName, joinPath, parentPath } from './names.js'
import { type RestorableFile, restoreFile } from './restore-file.js'

export async function renameItem(workspace: Workspace, item: Item, name: string): Promise<void> {
  await workspace.move(item.path, joinPath(parentPath(item.path), name))
}

/** A move that was made, and can be taken back. */
export interface Moved {
  from: string
  to: string
}

/** Moves items into a folder, all or none. What has a name there already gets a number: nothing is replaced. */
export async function moveItems(
  workspace: Workspace,
  paths: readonly string[],
  folder: string,
): Promise<Moved[]> {
  const { value } = await workspace.transact(async (tx) => {
    const taken = new Set<string>()
    for await (const { name } of tx.list(folder)) taken.add(name)
    const moved: Moved[] = []
    for (const from of paths) {
      if (parentPath(from) === folder) continue
      const name = freeName(baseName(from), taken)
      taken.add(name)
      const to = joinPath(folder, name)
      await tx.move(from, to)
      moved.push({ from, to })
    }
    return moved
  })
  return value
}

export async function moveBack(workspace: Workspace, moved: readonly Moved[]): Promise<void> {
  await workspace.transact(async (tx) => {
    for (const { from, to } of moved) await tx.move(to, from)
  })
}

/** What a deletion took away. */
export interface Removed {
  folders: string[]
  files: RestorableFile[]
}

/** Removes items with all below, all or none; what it returns brings them back. */
export async function removeItems(workspace: Workspace, items: readonly Item[]): Promise<Removed> {
  const removed: Removed = { folders: [], files: [] }
  const note = ({ kind, path, version }: Item) => {
    if (kind === 'folder') removed.folders.push(path)
    else if (version !== undefined) removed.files.push({ path, version })
  }
  for (const item of items) {
    note(item)
    if (item.kind === 'folder')
      for await (const below of workspace.list(item.path, { recursive: true })) note(below)
  }
  await workspace.transact(async (tx) => {
    for (const { path } of items) await tx.remove(path)
  })
  return removed
}

export async function bringBack(workspace: Workspace, { folders, files }: Removed): Promise<void> {
  for (const path of folders) await workspace.mkdir(path)
  for (const file of files) await restoreFile(workspace, file)
}
