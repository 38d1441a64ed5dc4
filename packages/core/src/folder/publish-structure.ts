import { isPeerfoldError } from '../errors.js'
import type { ItemId } from '../ports/ids.js'
import { ROOT_ITEM, type TreeEntry, type TreeReader, type TreeTransaction } from '../tree/types.js'
import { diskAt, type FolderContext } from './context.js'
import { baseName, parentPath } from './disk-tree.js'
import { freeName } from './names.js'
import type { PublishAction } from './plan.js'
import type { SyncedChange, SyncedEntry } from './synced-tree.js'
import type { FolderActivity } from './types.js'

type Structural = Exclude<PublishAction, { do: 'create' | 'edit' }>

const ACTIONS_PER_COMMIT = 1_000

/**
 * Publishes new folders, moves and removals. Inside a transaction, each action waits for those that make its folder, free its name or empty it;
 * circles are broken by way of another name. What the workspace already says is adopted, so that repeating a plan after a crash does no harm.
 *
 * @returns whether anything was published or learned
 */
export async function publishStructure(
  folder: FolderContext,
  actions: readonly Structural[],
): Promise<boolean> {
  const made = new Map<string, ItemId>()
  let pending: ReadonlySet<Structural> = new Set(actions)
  let progress = false
  while (pending.size > 0) {
    folder.signal.throwIfAborted()
    const { value: run } = await folder.source.transact(
      async (tx) => {
        const run = new StructureRun(folder, tx, pending, made)
        await run.all()
        return run
      },
      { signal: folder.signal },
    )
    await run.settle()
    progress ||= run.changed
    pending = run.pending
  }
  return progress
}

/** One transaction's worth of structural actions. */
class StructureRun {
  readonly pending = new Set<Structural>()
  /** What pending actions will move, and remove. */
  readonly #moving = new Set<ItemId>()
  readonly #removing = new Set<ItemId>()
  readonly #puts = new Map<ItemId, SyncedEntry>()
  readonly #drops = new Set<ItemId>()
  /** Names that items get once they are free. */
  readonly #wanted = new Map<ItemId, string>()
  readonly #touched = new Set<ItemId>()
  readonly #activities: FolderActivity[] = []
  #done = 0

  constructor(
    private readonly folder: FolderContext,
    private readonly tx: TreeTransaction,
    actions: Iterable<Structural>,
    /** Folders that this plan made, by their path on disk. */
    private readonly made: Map<string, ItemId>,
  ) {
    for (const action of actions) this.#begin(action)
  }

  get changed(): boolean {
    return this.#puts.size + this.#drops.size > 0
  }

  async all(): Promise<void> {
    while (this.pending.size > 0 && !this.#isFull) {
      if ((await this.#pass()) || (await this.#breakCircle())) continue
      this.#abandon()
    }
  }

  /** What is left has lost its folder: it is forgotten, and the next plan sees it as new where it lies. */
  #abandon(): void {
    for (const action of this.pending) if (action.do !== 'mkdir') this.#forget(action.item)
    this.pending.clear()
  }

  get #isFull(): boolean {
    return this.#done >= ACTIONS_PER_COMMIT
  }

  /** Whether anything could be done. */
  async #pass(): Promise<boolean> {
    const before = this.#done
    for (const action of [...this.pending]) {
      if (this.#isFull) break
      if (await this.#attempt(action)) this.#end(action)
    }
    return this.#done > before
  }

  /** Each waits for another: one takes another name for now, and asks for the true one again afterwards. */
  async #breakCircle(): Promise<boolean> {
    for (const action of [...this.pending]) {
      this.#end(action)
      if (await this.#attempt(action, true)) return true
      this.#begin(action)
    }
    return false
  }

  #begin(action: Structural): void {
    this.pending.add(action)
    if (action.do === 'move') this.#moving.add(action.item)
    if (action.do === 'remove') this.#removing.add(action.item)
  }

  #end(action: Structural): void {
    this.pending.delete(action)
    if (action.do === 'move') this.#moving.delete(action.item)
    if (action.do === 'remove') this.#removing.delete(action.item)
    this.#done++
  }

  /** False when it has to wait for another pending action. */
  #attempt(action: Structural, force = false): Promise<boolean> {
    if (action.do === 'mkdir') return this.#mkdir(action, force)
    if (action.do === 'move') return this.#move(action, force)
    return this.#remove(action.item, action.path, force)
  }

  async #mkdir(action: Structural & { do: 'mkdir' }, force: boolean): Promise<boolean> {
    const { path, revives } = action
    const node = diskAt(this.folder, path)
    if (node === undefined) return true
    const parent = await this.#folderOf(action)
    if (parent === undefined) return false
    const name = treeName(this.folder, parent, baseName(path), revives)
    const occupant = await this.tx.child(parent, name)
    const waits = occupant !== undefined && this.#isPending(occupant.item)
    let made: TreeEntry
    if (occupant === undefined) made = await this.tx.makeFolder(parent, name)
    else if (occupant.kind === 'folder' && this.#isFree(occupant.item, path)) made = occupant
    else if (waits && !force) return false
    else made = await this.tx.makeFolder(parent, await this.#freeName(parent, name))
    if (revives !== undefined && revives !== made.item) this.#rebind(revives, made.item)
    const diskName = baseName(path)
    const { item } = made
    this.#put({ item, kind: 'folder', parent, name: made.name, diskName, print: node.print, racy: false })
    this.made.set(path, item)
    if (made === occupant) return true
    if (waits) this.#wantLater({ do: 'move', item, from: path, path, folder: parent }, name)
    this.#activities.push({ direction: 'published', action: 'create', path, bytes: 0 })
    return true
  }

  async #move(action: Structural & { do: 'move' }, force: boolean): Promise<boolean> {
    const { item, path } = action
    const old = this.#puts.get(item) ?? this.folder.synced.get(item)
    const entry = await this.tx.entry(item)
    if (old === undefined || entry === undefined) return this.#forget(item)
    const parent = await this.#folderOf(action)
    if (parent === undefined || this.#liesBelow(parent, item)) return false
    const name = this.#wanted.get(item) ?? this.#nameFor(old, parent, baseName(path))
    let place = { parent, name }
    if (entry.parent !== parent || entry.name !== name) {
      const occupant = await this.tx.child(parent, name)
      if (occupant !== undefined && occupant.item !== item) {
        const waits = this.#isPending(occupant.item)
        if (waits && !force) return false
        place = { parent, name: await this.#freeName(parent, name) }
        if (waits) this.#wantLater({ ...action, from: path, folder: parent }, name)
      }
      if (await this.#tryMove(item, place.parent, place.name)) this.#published('move', path, item)
    }
    const shown = (await this.tx.entry(item))?.name ?? place.name
    this.#put({ ...old, parent, name: shown, diskName: baseName(path) })
    return true
  }

  /** Whether a folder is still taken to lie in `item`: its own move comes first. Half-way, places may go round in a circle. */
  #liesBelow(folder: ItemId, item: ItemId): boolean {
    const seen = new Set<ItemId>()
    for (let at: ItemId | undefined = folder; at !== undefined && !seen.has(at); ) {
      if (at === item) return true
      seen.add(at)
      at = this.#placeOf(at)?.parent
    }
    return false
  }

  #placeOf(item: ItemId): SyncedEntry | undefined {
    return this.#puts.get(item) ?? this.folder.synced.get(item)
  }

  #wantLater(move: Structural & { do: 'move' }, name: string): void {
    this.#wanted.set(move.item, name)
    this.#begin(move)
  }

  /** A folder that the workspace has moved into this very item meanwhile: its move stands, and the disk follows later. */
  async #tryMove(item: ItemId, parent: ItemId, name: string): Promise<boolean> {
    try {
      await this.tx.move(item, parent, name)
      return true
    } catch (error) {
      if (isPeerfoldError(error, 'MOVE_INTO_ITSELF')) return false
      throw error
    }
  }

  /** An item is removed only where the workspace says nothing that the disk had not seen; else it is put back. */
  async #remove(item: ItemId, path: string, force: boolean): Promise<boolean> {
    const old = this.folder.synced.get(item)
    if (old === undefined || this.#puts.has(item)) return true
    if (!force && old.kind === 'folder' && this.#hasPendingMoveBelow(item)) return false
    const entry = await this.tx.entry(item)
    const stayed = entry !== undefined && entry.parent === old.parent && entry.name === old.name
    if (stayed && (await this.#removeSeen(entry))) this.#published('remove', path, item)
    return this.#forget(item)
  }

  /** Removes what the disk had shown of `entry`, and keeps the folders above what it had not. Rule 8. */
  async #removeSeen(entry: TreeEntry): Promise<boolean> {
    if (entry.kind === 'file') return this.#removeFile(entry)
    const unseen = await hasUnseen(this.tx, entry, (below) => this.#isUnseen(below))
    if (!unseen) {
      await this.tx.remove(entry.item)
      this.#touched.add(entry.item)
      return true
    }
    for (const child of await collect(this.tx.children(entry.item)))
      if (!this.#isForeign(child)) await this.#removeSeen(child)
    return false
  }

  async #removeFile(entry: TreeEntry): Promise<boolean> {
    if (this.#isUnseen(entry)) return false
    await this.tx.remove(entry.item)
    this.#touched.add(entry.item)
    return true
  }

  /** Whether the workspace knows more of an item than the disk had shown where it was deleted. */
  #isUnseen(entry: TreeEntry): boolean {
    if (this.#isForeign(entry)) return true
    const old = this.folder.synced.get(entry.item)!
    if (entry.kind === 'folder') return false
    return entry.heads.length !== 1 || entry.heads[0]!.id !== old.file!.version
  }

  /** Not on disk there: it came, or moved in, or is being moved. */
  #isForeign(entry: TreeEntry): boolean {
    const old = this.folder.synced.get(entry.item)
    return old === undefined || old.parent !== entry.parent || this.#puts.has(entry.item)
  }

  #forget(item: ItemId): true {
    this.#drops.add(item)
    return true
  }

  #published(action: 'move' | 'remove', path: string, item: ItemId): void {
    const from = this.folder.synced.path(item)
    const activity: FolderActivity = { direction: 'published', action, path, bytes: 0 }
    if (action === 'remove') this.#activities.push(activity)
    else if (from !== undefined && from !== path) this.#activities.push({ ...activity, from })
  }

  #put(entry: SyncedEntry): void {
    this.#puts.set(entry.item, entry)
    this.#touched.add(entry.item)
  }

  /** A folder that the workspace had removed has a new item. */
  #rebind(dead: ItemId, item: ItemId): void {
    for (const child of this.folder.synced.children(dead))
      if (!this.#puts.has(child.item)) this.#puts.set(child.item, { ...child, parent: item })
    this.#drops.add(dead)
  }

  /** The item of the folder that an action's path lies in; undefined while it is not there, or no more. */
  async #folderOf(action: { path: string; folder: ItemId | undefined }): Promise<ItemId | undefined> {
    const folder = this.made.get(parentPath(action.path)) ?? action.folder
    if (folder === undefined || folder === ROOT_ITEM) return folder
    return (await this.tx.entry(folder)) === undefined ? undefined : folder
  }

  #nameFor(old: SyncedEntry, parent: ItemId, diskName: string): string {
    return diskName === old.diskName ? old.name : treeName(this.folder, parent, diskName, old.item)
  }

  #isFree(item: ItemId, path: string): boolean {
    if (this.#puts.has(item)) return false
    const at = this.folder.synced.path(item)
    return at === undefined || at === path
  }

  /** Whether a pending action will move or remove it. */
  #isPending(item: ItemId): boolean {
    if (this.#moving.has(item)) return true
    for (let at: ItemId | undefined = item; at !== undefined; at = this.folder.synced.get(at)?.parent)
      if (this.#removing.has(at)) return true
    return false
  }

  #hasPendingMoveBelow(item: ItemId): boolean {
    for (const moving of this.#moving) if (this.#isBelow(moving, item)) return true
    return false
  }

  #isBelow(item: ItemId, ancestor: ItemId): boolean {
    for (let at = this.folder.synced.get(item); at !== undefined; at = this.folder.synced.get(at.parent))
      if (at.parent === ancestor) return true
    return false
  }

  #freeName(parent: ItemId, name: string): Promise<string> {
    return freeName(name, async (candidate) => (await this.tx.child(parent, candidate)) === undefined)
  }

  /** The commit is durable: the synced tree may say so. */
  async settle(): Promise<void> {
    const { synced, merged, journal, signal } = this.folder
    const changes: SyncedChange[] = [...this.#puts.values()].map((put) => ({ put }))
    for (const item of this.#drops) for (const drop of this.#dropped(item)) changes.push({ drop })
    synced.apply(changes)
    merged.mark(this.#touched)
    merged.mark(this.#drops)
    await merged.refresh({ signal })
    await journal.flush(synced, { signal })
    for (const activity of this.#activities) this.folder.activity(activity)
  }

  *#dropped(item: ItemId): IterableIterator<ItemId> {
    if (this.#puts.has(item)) return
    for (const child of this.folder.synced.children(item)) yield* this.#dropped(child.item)
    yield item
  }
}

/** The merged name behind a name on disk: the other way round of an alias. */
export function treeName(
  folder: Pick<FolderContext, 'merged' | 'synced'>,
  parent: ItemId,
  diskName: string,
  item: ItemId | undefined,
): string {
  const own = item === undefined ? undefined : folder.synced.get(item)
  if (own !== undefined && own.diskName === diskName) return own.name
  if (!diskName.includes('~')) return diskName
  for (const entry of folder.merged.children(parent))
    if (folder.merged.diskName(entry) === diskName) return entry.name
  return diskName
}

async function hasUnseen(
  tree: TreeReader,
  entry: TreeEntry,
  isUnseen: (entry: TreeEntry) => boolean,
): Promise<boolean> {
  for await (const child of tree.children(entry.item)) {
    if (isUnseen(child)) return true
    if (child.kind === 'folder' && (await hasUnseen(tree, child, isUnseen))) return true
  }
  return false
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const item of items) found.push(item)
  return found
}
