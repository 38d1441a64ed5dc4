import { joinPath } from '../folder/disk-tree.js'
import { type NameRules, projectNames, withSuffix } from '../folder/names.js'
import type { AbortOptions } from '../ports/abort.js'
import type { ItemId } from '../ports/ids.js'
import { type FileVersion, ROOT_ITEM, type TreeEntry, type TreeReader } from '../tree/types.js'
import { EXPORT_STATE } from './state.js'
import type { ExportReport, ExportSource } from './types.js'

/** Where versions of the past lie in an export. */
export const HISTORY = '.history'

/** A file of an export: a version, and where it goes. */
export interface ExportFile {
  /** In the workspace. */
  path: string
  /** In the export, `/`-separated. */
  target: string
  version: FileVersion
}

/** Everything that an export consists of. */
export interface Layout {
  /** In the export, those above first. */
  folders: string[]
  files: ExportFile[]
  renamed: ExportReport['renamed']
}

/** A child of a folder on its way to a name that the disk can hold. */
interface Child {
  /** Unique among its siblings. */
  item: string
  name: string
}

/** Names that exports use themselves come first: whoever is named alike gets an alias. */
const RESERVED: Child[] = [EXPORT_STATE, HISTORY].map((name) => ({ item: name, name }))

/** The workspace's tree as it is at one moment. */
export async function layOut(
  source: Pick<ExportSource, 'transact'>,
  rules: NameRules,
  options?: AbortOptions,
): Promise<Layout> {
  const { value } = await source.transact((tree) => new LayoutMaker(tree, rules, options).make(), options)
  return value
}

class LayoutMaker {
  readonly #layout: Layout = { folders: [], files: [], renamed: [] }

  constructor(
    private readonly tree: TreeReader,
    private readonly rules: NameRules,
    private readonly options: AbortOptions | undefined,
  ) {}

  async make(): Promise<Layout> {
    await this.#addBelow(ROOT_ITEM, '', '')
    return this.#layout
  }

  async #addBelow(parent: ItemId, path: string, target: string): Promise<void> {
    const entries: TreeEntry[] = []
    for await (const entry of this.tree.children(parent, this.options)) entries.push(entry)
    const isRoot = parent === ROOT_ITEM
    const children = entries.flatMap(childrenOf)
    const names = projectNames(isRoot ? [...RESERVED, ...children] : children, this.rules, isRoot)
    const place = (key: string, entry: TreeEntry) => {
      const at = { path: joinPath(path, entry.name), target: joinPath(target, names.get(key) as string) }
      if (names.get(key) !== entry.name) this.#layout.renamed.push({ path: at.path, as: at.target })
      return at
    }
    for (const entry of entries) {
      if (entry.kind === 'file')
        for (const [i, version] of entry.heads.entries())
          this.#layout.files.push({ ...place(keyOf(entry, i), entry), version })
      else {
        const at = place(entry.item, entry)
        this.#layout.folders.push(at.target)
        await this.#addBelow(entry.item, at.path, at.target)
      }
    }
  }
}

/** Versions that compete lie side by side, the primary one under the file's own name. */
function childrenOf(entry: TreeEntry): Child[] {
  const others = entry.heads.slice(1).map((head, i) => ({
    item: keyOf(entry, i + 1),
    name: withSuffix(entry.name, ` (version ${stampOf(head)})`, Number.POSITIVE_INFINITY),
  }))
  return [{ item: entry.item, name: entry.name }, ...others]
}

function keyOf({ item, heads }: TreeEntry, index: number): string {
  return index === 0 ? item : `${item}/${heads[index]?.id}`
}

/** `20261122T191534Z-3.912.5`: when by the author's clock, and which. */
export function stampOf({ id, time }: Pick<FileVersion, 'id' | 'time'>): string {
  return `${timestamp(time)}-${id}`
}

/** The largest time that a date can tell. */
const MAX_TIME = 8.64e15

function timestamp(time: number): string {
  if (!(Math.abs(time) <= MAX_TIME)) return 'unknown'
  return new Date(time).toISOString().replace(/[-:]|\.\d+/g, '')
}
