import type { AbortOptions } from '../ports/abort.js'
import type { ItemId } from '../ports/ids.js'
import { ROOT_ITEM, type TreeEntry, type TreeReader } from '../tree/types.js'
import { joinPath } from './disk-tree.js'
import { type NameRules, projectNames } from './names.js'

/**
 * The merged tree in memory, with the names that this disk gives its items. Changes only mark items; `refresh` reads them anew, so that
 * events that come late or out of order do no harm.
 */
export class MergedTree {
  readonly #entries = new Map<ItemId, TreeEntry>()
  readonly #children = new Map<ItemId, Set<ItemId>>()
  readonly #diskNames = new Map<ItemId, Map<ItemId, string>>()
  readonly #dirty = new Set<ItemId>()
  /** Files with more than one head. */
  readonly conflicts = new Set<ItemId>()

  constructor(
    private readonly tree: TreeReader,
    private rules: NameRules,
  ) {}

  /** Gives the names anew, by the rules of the disk that the folder proves to lie on. */
  useNames(rules: NameRules): void {
    this.rules = rules
    this.#diskNames.clear()
  }

  get(item: ItemId): TreeEntry | undefined {
    return this.#entries.get(item)
  }

  *children(parent: ItemId): IterableIterator<TreeEntry> {
    for (const item of this.#children.get(parent) ?? []) yield this.#entries.get(item)!
  }

  /** The name that an item of this tree has on this disk. */
  diskName(entry: TreeEntry): string {
    let names = this.#diskNames.get(entry.parent)
    if (names === undefined) {
      names = projectNames(this.children(entry.parent), this.rules, entry.parent === ROOT_ITEM)
      this.#diskNames.set(entry.parent, names)
    }
    return names.get(entry.item)!
  }

  /** The item that a path on this disk stands for. */
  at(path: string): TreeEntry | undefined {
    let parent: ItemId = ROOT_ITEM
    let found: TreeEntry | undefined
    for (const name of path.split('/')) {
      found = undefined
      for (const child of this.children(parent)) if (this.diskName(child) === name) found = child
      if (found === undefined) return undefined
      parent = found.item
    }
    return found
  }

  /** Its path in the workspace. */
  path(entry: TreeEntry): string {
    const parent = this.#entries.get(entry.parent)
    return parent === undefined ? entry.name : joinPath(this.path(parent), entry.name)
  }

  mark(items: Iterable<ItemId>): void {
    for (const item of items) this.#dirty.add(item)
  }

  get stale(): boolean {
    return this.#dirty.size > 0
  }

  /** Reads what was marked. */
  async refresh(options?: AbortOptions): Promise<void> {
    const items = [...this.#dirty]
    this.#dirty.clear()
    for (const item of items) this.set(item, await this.tree.entry(item, options))
  }

  /** Reads everything. */
  async load(options?: AbortOptions): Promise<void> {
    const seen = new Set<ItemId>()
    await this.#loadBelow(ROOT_ITEM, seen, options)
    for (const item of [...this.#entries.keys()]) if (!seen.has(item)) this.mark([item])
    await this.refresh(options)
  }

  async #loadBelow(parent: ItemId, seen: Set<ItemId>, options?: AbortOptions): Promise<void> {
    const folders: ItemId[] = []
    for await (const entry of this.tree.children(parent, options)) {
      if (seen.has(entry.item)) continue
      seen.add(entry.item)
      this.set(entry.item, entry)
      if (entry.kind === 'folder') folders.push(entry.item)
    }
    for (const folder of folders) await this.#loadBelow(folder, seen, options)
  }

  set(item: ItemId, entry: TreeEntry | undefined): void {
    if (item === ROOT_ITEM) return
    const old = this.#entries.get(item)
    if (old !== undefined) {
      this.#children.get(old.parent)?.delete(item)
      this.#diskNames.delete(old.parent)
    }
    if (entry !== undefined && entry.heads.length > 1) this.conflicts.add(item)
    else this.conflicts.delete(item)
    if (entry === undefined) {
      this.#entries.delete(item)
      return
    }
    this.#entries.set(item, entry)
    const siblings = this.#children.get(entry.parent)
    if (siblings === undefined) this.#children.set(entry.parent, new Set([item]))
    else siblings.add(item)
    this.#diskNames.delete(entry.parent)
  }
}

/** What the planner asks of it. */
export type MergedView = Pick<MergedTree, 'get' | 'children' | 'diskName'>
