import { type Item, isPeerfoldError, type Workspace } from '@peerfold/core'
import { baseName, freeName, joinPath, parentPath } from '../files/names.js'
import type { Collected } from './collect.js'

export type Answer = 'replace' | 'both' | 'skip'

/** What is there already, where files are to go. Paths are below the folder of the upload. */
export interface Collisions {
  /** Files by path. */
  items: ReadonlyMap<string, Item>
  /** All names by folder. */
  names: ReadonlyMap<string, ReadonlySet<string>>
}

export async function findCollisions(
  workspace: Workspace,
  folder: string,
  { files }: Collected,
): Promise<Collisions> {
  const items = new Map<string, Item>()
  const names = new Map<string, Set<string>>()
  for (const { path } of files) {
    const parent = parentPath(path)
    if (names.has(parent)) continue
    const there = await listIfThere(workspace, parent === '' ? folder : joinPath(folder, parent))
    names.set(parent, new Set(there.map(({ name }) => name)))
    for (const item of there) if (item.kind === 'file') items.set(joinPath(parent, item.name), item)
  }
  const wanted = new Set(files.map(({ path }) => path))
  return { items: new Map([...items].filter(([path]) => wanted.has(path))), names }
}

/** Without what is there as it is: the same upload, begun before and interrupted. */
export function withoutSame(collected: Collected, { items }: Collisions): Collected {
  const isSame = ({ path, file }: Collected['files'][number]) => {
    const item = items.get(path)
    return item?.size === file.size && item.mtime?.getTime() === file.lastModified
  }
  return { ...collected, files: collected.files.filter((each) => !isSame(each)) }
}

/** Leaves out, or renames, what collides. Replacing needs nothing: a file keeps its old versions. */
export function applyAnswer(collected: Collected, { items, names }: Collisions, answer: Answer): Collected {
  if (answer === 'replace') return collected
  if (answer === 'skip')
    return { ...collected, files: collected.files.filter(({ path }) => !items.has(path)) }
  const taken = new Map([...names].map(([parent, there]) => [parent, new Set(there)]))
  for (const { path } of collected.files) taken.get(parentPath(path))?.add(baseName(path))
  const files = collected.files.map((each) => {
    if (!items.has(each.path)) return each
    const parent = parentPath(each.path)
    const there = taken.get(parent) ?? new Set()
    const name = freeName(baseName(each.path), there)
    there.add(name)
    return { ...each, path: joinPath(parent, name) }
  })
  return { ...collected, files }
}

async function listIfThere(workspace: Workspace, folder: string): Promise<Item[]> {
  const items: Item[] = []
  try {
    for await (const item of workspace.list(folder)) items.push(item)
  } catch (error) {
    if (!isPeerfoldError(error, 'NOT_FOUND')) throw error
  }
  return items
}
