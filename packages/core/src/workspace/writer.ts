import type { ContentRef } from '../content/types.js'
import { PeerfoldError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'
import type { RecordId } from '../ports/ids.js'
import { type FileMeta, ROOT_ITEM, type TreeEntry, type TreeTransaction } from '../tree/types.js'
import { formatPath, parseItemPath, parsePath } from './path.js'
import { notFound, requireEntry } from './reader.js'
import type { WriteOptions } from './types.js'

/** The verbs of `Writer`, each inside a tree transaction. Content has been ingested before. */

export interface FileWrite {
  path: string
  content: ContentRef
  meta: FileMeta
  ifVersion?: RecordId | null
}

/** @returns the entry as the transaction now shows it */
export async function putFile(tx: TreeTransaction, write: FileWrite): Promise<TreeEntry> {
  const { parent, name, names } = parseItemPath(write.path)
  const existing = await tx.lookup(names)
  checkVersion(existing, write)
  if (existing === undefined) {
    const folder = await makeFolders(tx, parent)
    return await tx.makeFile(folder, name, write.content, write.meta)
  }
  if (existing.kind === 'folder')
    throw new PeerfoldError('NOT_A_FILE', `a folder: ${formatPath(names)}`, { details: { path: write.path } })
  return await tx.writeFile(existing.item, write.content, write.meta)
}

function checkVersion(existing: TreeEntry | undefined, { ifVersion, path }: FileWrite): void {
  if (ifVersion === undefined) return
  const present = existing?.heads[0]?.id ?? null
  if (ifVersion === null && existing === undefined) return
  // A conflict is not the version that the caller saw, even where that one is primary.
  if (present === ifVersion && existing?.heads.length === 1) return
  throw new PeerfoldError('VERSION_MISMATCH', `${path} is not at the expected version`, {
    details: { path, present, expected: ifVersion },
  })
}

/** Makes what is missing of a folder path. @returns its item id */
export async function makeFolders(tx: TreeTransaction, names: readonly string[]): Promise<string> {
  let item = ROOT_ITEM
  for (const [depth, name] of names.entries()) {
    const child = await tx.child(item, name)
    if (child !== undefined && child.kind !== 'folder') {
      const path = formatPath(names.slice(0, depth + 1))
      throw new PeerfoldError('NOT_A_FOLDER', `a file: ${path}`, { details: { path } })
    }
    item = (child ?? (await tx.makeFolder(item, name))).item
  }
  return item
}

export async function moveItem(tx: TreeTransaction, from: string, to: string): Promise<void> {
  const source = await requireEntry(tx, parseItemPath(from).names)
  const target = parseItemPath(to)
  const existing = await tx.lookup(target.names)
  if (existing !== undefined && existing.item !== source.item)
    throw new PeerfoldError('ALREADY_EXISTS', `already there: ${formatPath(target.names)}`, {
      details: { path: to },
    })
  // Checked before parents are made, so that the way to the target cannot be made below what moves.
  const sourceNames = parsePath(from)
  if (
    target.names.length > sourceNames.length &&
    sourceNames.every((name, depth) => target.names[depth] === name)
  )
    throw new PeerfoldError('MOVE_INTO_ITSELF', `${from} cannot move to ${to}`, { details: { from, to } })
  await tx.move(source.item, await makeFolders(tx, target.parent), target.name)
}

export async function removeItem(tx: TreeTransaction, path: string): Promise<void> {
  const { names } = parseItemPath(path)
  const entry = await tx.lookup(names)
  if (entry === undefined) throw notFound(names)
  await tx.remove(entry.item)
}

export function toMeta(options: WriteOptions & AbortOptions, now: number, previous?: TreeEntry): FileMeta {
  const head = previous?.heads[0]
  return {
    mtime: Math.trunc(options.mtime?.getTime() ?? now),
    type: options.type ?? 'file',
    executable: options.executable ?? head?.executable ?? false,
  }
}
