import type { ContentRef } from '../content/types.js'
import type { ItemId, RecordId } from '../ports/ids.js'
import { type FileMeta, type ItemKind, ROOT_ITEM } from '../tree/types.js'
import { joinPath } from './disk-tree.js'
import type { Fingerprint } from './fingerprint.js'

/** The version of a file that disk and workspace last agreed on. Its time and mode are those on disk. */
export interface SyncedFile extends FileMeta {
  version: RecordId
  content: ContentRef
}

/** An item as disk and workspace last agreed on it. */
export interface SyncedEntry {
  item: ItemId
  kind: ItemKind
  parent: ItemId
  /** The name in the merged tree. */
  name: string
  /** The name on disk: the same, or a local alias. */
  diskName: string
  print: Fingerprint
  /** The fingerprint can't be trusted alone: look at the bytes again once the clock has moved on. */
  racy: boolean
  /** Files only. */
  file?: SyncedFile
}

export type SyncedChange = { put: SyncedEntry } | { drop: ItemId }

/**
 * What was last equal on disk and in the workspace, by item and by path. Changes since the last `takeChanges` are kept for the journal.
 * A folder entry lives as long as anything below it.
 */
export class SyncedTree {
  readonly #entries = new Map<ItemId, SyncedEntry>()
  readonly #children = new Map<ItemId, Map<string, ItemId>>()
  #changes = new Map<ItemId, SyncedChange>()

  /** Items without the root. */
  get size(): number {
    return this.#entries.size
  }

  get(item: ItemId): SyncedEntry | undefined {
    return this.#entries.get(item)
  }

  has(item: ItemId): boolean {
    return item === ROOT_ITEM || this.#entries.has(item)
  }

  entries(): IterableIterator<SyncedEntry> {
    return this.#entries.values()
  }

  *children(parent: ItemId): IterableIterator<SyncedEntry> {
    for (const item of this.#children.get(parent)?.values() ?? []) yield this.#entries.get(item)!
  }

  child(parent: ItemId, diskName: string): SyncedEntry | undefined {
    const item = this.#children.get(parent)?.get(diskName)
    return item === undefined ? undefined : this.#entries.get(item)
  }

  /** Every item below a folder, parents first. */
  *below(item: ItemId): IterableIterator<SyncedEntry> {
    for (const child of this.children(item)) {
      yield child
      yield* this.below(child.item)
    }
  }

  /** Path on disk, or undefined when the item is not synced. */
  path(item: ItemId): string | undefined {
    if (item === ROOT_ITEM) return ''
    const entry = this.#entries.get(item)
    if (entry === undefined) return undefined
    const parent = this.path(entry.parent)
    return parent === undefined ? undefined : joinPath(parent, entry.diskName)
  }

  /** The item at a path on disk. */
  at(path: string): ItemId | undefined {
    if (path === '') return ROOT_ITEM
    let item: ItemId | undefined = ROOT_ITEM
    for (const name of path.split('/')) {
      item = this.#children.get(item)?.get(name)
      if (item === undefined) return undefined
    }
    return item
  }

  put(entry: SyncedEntry): void {
    const occupant = this.#children.get(entry.parent)?.get(entry.diskName)
    if (occupant !== undefined && occupant !== entry.item) this.drop(occupant)
    this.#place(entry)
    this.#changes.set(entry.item, { put: entry })
  }

  /** Takes changes from the journal: a set, in no order, as `takeChanges` gave them. */
  replay(changes: readonly SyncedChange[]): void {
    for (const change of changes) if ('drop' in change) this.#remove(change.drop)
    for (const change of changes) if ('put' in change) this.#place(change.put)
  }

  /**
   * Many changes at once, in no order: places may be exchanged. What lost its place to another, or its folder, is forgotten: the next plan sees it
   * as new where it lies.
   */
  apply(changes: readonly SyncedChange[]): void {
    const displaced = this.#displacedBy(changes)
    this.replay(changes)
    for (const change of changes) this.#changes.set('put' in change ? change.put.item : change.drop, change)
    for (const item of displaced) if (!this.#isPlaced(item)) this.drop(item)
  }

  /** Whose place or folder changes give away: they and what is put below them may be without one afterwards. */
  #displacedBy(changes: readonly SyncedChange[]): Set<ItemId> {
    const found = new Set<ItemId>()
    for (const change of changes) {
      if ('drop' in change) for (const child of this.children(change.drop)) found.add(child.item)
      else {
        const occupant = this.#children.get(change.put.parent)?.get(change.put.diskName)
        if (occupant !== undefined) found.add(occupant)
        found.add(change.put.item)
      }
    }
    return found
  }

  /** Whether it is found on the way from the root. Places that go round in a circle are none. */
  #isPlaced(item: ItemId): boolean {
    const seen = new Set<ItemId>()
    for (let at = item; at !== ROOT_ITEM; ) {
      const entry = this.#entries.get(at)
      if (entry === undefined || seen.has(at)) return false
      if (this.#children.get(entry.parent)?.get(entry.diskName) !== at) return false
      seen.add(at)
      at = entry.parent
    }
    return true
  }

  /** Its old place is given up, unless another has it by now. */
  #place(entry: SyncedEntry): void {
    this.#unlink(entry.item)
    this.#entries.set(entry.item, entry)
    const siblings = this.#children.get(entry.parent)
    if (siblings === undefined) this.#children.set(entry.parent, new Map([[entry.diskName, entry.item]]))
    else siblings.set(entry.diskName, entry.item)
  }

  /** Forgets an item and all below it. */
  drop(item: ItemId): void {
    const below = [...this.children(item)]
    this.#children.delete(item)
    if (this.#entries.has(item)) {
      this.#remove(item)
      this.#changes.set(item, { drop: item })
    }
    for (const child of below) this.drop(child.item)
  }

  /** Gives a folder another item, below which everything stays. */
  rebind(from: ItemId, to: SyncedEntry): void {
    for (const child of [...this.children(from)]) this.put({ ...child, parent: to.item })
    this.put(to)
    this.drop(from)
  }

  /** Forgets entries that have no place: their parent is gone, or another has their name (a journal that ended early). */
  dropOrphans(): void {
    for (const entry of [...this.#entries.values()]) {
      const placed = this.#children.get(entry.parent)?.get(entry.diskName) === entry.item
      if (!placed || this.path(entry.item) === undefined) this.drop(entry.item)
    }
  }

  clear(): void {
    for (const item of [...this.#entries.keys()]) this.drop(item)
  }

  takeChanges(): SyncedChange[] {
    const changes = [...this.#changes.values()]
    this.#changes = new Map()
    return changes
  }

  /** Changes that were taken and could not be written; newer ones of the same items stand. */
  giveBack(changes: readonly SyncedChange[]): void {
    const newer = this.#changes
    this.#changes = new Map(
      changes.map((change) => ['put' in change ? change.put.item : change.drop, change]),
    )
    for (const [item, change] of newer) this.#changes.set(item, change)
  }

  #remove(item: ItemId): void {
    this.#unlink(item)
    this.#entries.delete(item)
  }

  #unlink(item: ItemId): void {
    const old = this.#entries.get(item)
    if (old === undefined) return
    const siblings = this.#children.get(old.parent)
    if (siblings?.get(old.diskName) === item) siblings.delete(old.diskName)
  }
}
