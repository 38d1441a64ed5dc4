import { equalBytes } from '../encoding/bytes.js'
import type { ItemId } from '../ports/ids.js'
import { ROOT_ITEM, type TreeEntry } from '../tree/types.js'
import { absolute, diskAt, type FolderContext, occupantAt } from './context.js'
import { baseName, isWithin, joinPath, parentPath, putNode } from './disk-tree.js'
import { DiskChanged, describeFailure, nodeOf, verifyFree, verifyParents } from './guard.js'
import { type MoveIntent, Mover } from './mover.js'
import { withSuffix } from './names.js'
import type { ApplyAction } from './plan.js'
import { type Removal, Remover } from './remover.js'
import type { StatePaths } from './state-directory.js'
import type { SyncedEntry, SyncedFile } from './synced-tree.js'

type Structural = Extract<ApplyAction, { do: 'mkdir' | 'move' | 'remove' | 'adopt' | 'rebind' }>

export interface ApplyOutcome {
  applied: number
  /** Directories to look at again: they were not as planned. */
  dirty: Set<string>
}

/**
 * Makes, moves and removes on disk. An action whose place is still taken, or whose folder is not empty yet, waits for the others; circles are
 * broken by way of another name. Nothing is overwritten: files move by link and unlink, what is removed goes to the trash.
 */
export async function applyStructure(
  folder: FolderContext,
  paths: StatePaths,
  actions: readonly Structural[],
): Promise<ApplyOutcome> {
  const run = new ApplyRun(folder, paths, actions)
  try {
    await run.all()
  } finally {
    await folder.journal.flush(folder.synced)
  }
  return run.outcome
}

type Verdict = 'done' | 'blocked'

/** A move that was announced. */
interface Moving {
  action: Structural
  intent: MoveIntent
}

class ApplyRun {
  readonly outcome: ApplyOutcome = { applied: 0, dirty: new Set() }
  /** Places that moves of this pass are bound for. */
  readonly #claimed = new Set<string>()
  readonly #mover: Mover
  readonly #remover: Remover
  #pending: Structural[]

  constructor(
    private readonly folder: FolderContext,
    paths: StatePaths,
    actions: readonly Structural[],
  ) {
    this.#pending = [...actions]
    this.#mover = new Mover(folder, paths)
    this.#remover = new Remover(folder, paths, this.outcome.dirty)
  }

  async all(): Promise<void> {
    await this.#remover.announce(this.#pending.filter(isRemoval))
    while (this.#pending.length > 0) {
      const before = this.#pending.length
      await this.#pass()
      if (this.#pending.length < before) continue
      if (await this.#breakCircle()) continue
      for (const removal of this.#pending.filter(isRemoval)) this.#remover.forget(removal.item)
      return
    }
  }

  /** What can be done now. Moves are announced together, then done. */
  async #pass(): Promise<void> {
    const blocked: Structural[] = []
    const moves: Moving[] = []
    this.#claimed.clear()
    for (const action of this.#pending) {
      this.folder.signal.throwIfAborted()
      const moving = action.do === 'move' ? this.#startMove(action) : undefined
      if (moving !== undefined) moves.push(moving)
      else if (action.do === 'move' || (await this.#attempt(action)) === 'blocked') blocked.push(action)
    }
    if (moves.length > 0) await this.folder.journal.flush(this.folder.synced)
    for (const moving of moves)
      if ((await this.#attempt(moving.action, moving)) === 'blocked') blocked.push(moving.action)
    this.#pending = blocked
  }

  /** One action that can't be done leaves the others free to go on. */
  async #attempt(action: Structural, moving?: Moving): Promise<Verdict> {
    try {
      const verdict = await this.#apply(action, moving)
      if (verdict === 'done') this.folder.issues.clear(action.path)
      return verdict
    } catch (error) {
      this.#failed(action.path, error)
      return 'done'
    } finally {
      if (moving !== undefined) this.#mover.end(moving.intent)
    }
  }

  #apply(action: Structural, moving: Moving | undefined): Promise<Verdict> {
    switch (action.do) {
      case 'adopt':
        return this.#adopt(action.item)
      case 'rebind':
        return this.#rebind(action.item, action.from)
      case 'mkdir':
        return this.#mkdir(action.item)
      case 'move':
        return this.#move(moving)
      case 'remove':
        return this.#remove(action)
    }
  }

  async #adopt(item: ItemId): Promise<Verdict> {
    const entry = this.folder.merged.get(item)
    const old = this.folder.synced.get(item)
    if (entry === undefined || old === undefined) return 'done'
    this.folder.synced.put({ ...old, name: entry.name, ...(old.file && { file: adopted(old.file, entry) }) })
    return 'done'
  }

  async #rebind(item: ItemId, from: ItemId): Promise<Verdict> {
    const { merged, synced } = this.folder
    const entry = merged.get(item)
    const old = synced.get(from)
    if (entry === undefined || old === undefined) return 'done'
    synced.rebind(from, { ...old, item, parent: entry.parent, name: entry.name })
    this.outcome.applied++
    return 'done'
  }

  async #mkdir(item: ItemId): Promise<Verdict> {
    const { folder } = this
    const entry = folder.merged.get(item)
    if (entry === undefined) return 'done'
    const path = targetOf(folder, entry)
    if (path === undefined) return 'blocked'
    if (occupantAt(folder, path) !== undefined) return 'blocked'
    await verifyParents(folder, path)
    await verifyFree(folder, path)
    await folder.files.mkdir(absolute(folder, path))
    const node = await nodeOf(folder, path, folder.clock.monotonic())
    node.listing = { children: new Map(), complete: true, opaque: new Map() }
    putNode(folder.disk, parentPath(path), node)
    folder.synced.put(placed(folder, entry, node.print))
    this.#applied('create', path)
    return 'done'
  }

  /** Announces a move whose place is free; undefined when it has to wait. */
  #startMove(action: Structural & { do: 'move' }): Moving | undefined {
    const { folder } = this
    const entry = folder.merged.get(action.item)
    const from = folder.synced.path(action.item)
    const to = entry && targetOf(folder, entry)
    if (entry === undefined || from === undefined || to === undefined) return undefined
    const occupant = occupantAt(folder, to)
    const isFree = occupant === undefined || occupant === diskAt(folder, from)
    const place = joinPath(parentPath(to), folder.traits.names.fold(baseName(to)))
    if ((isWithin(to, from) && to !== from) || !isFree || this.#claimed.has(place)) return undefined
    this.#claimed.add(place)
    const { parent, name } = entry
    return { action, intent: this.#mover.announce(action.item, from, to, { parent, name }) }
  }

  async #move(moving: Moving | undefined): Promise<Verdict> {
    const { folder } = this
    if (moving === undefined) return 'blocked'
    const { entry, path } = moving.intent
    const from = folder.synced.path(entry.item)
    if (from === undefined) return 'done'
    // A folder above it moved in the meantime: another pass finds it where it is then.
    if (
      from !== moving.intent.from ||
      path !== joinPath(folder.synced.path(entry.parent) ?? '', entry.diskName)
    )
      return 'blocked'
    await this.#mover.move(moving.intent)
    const old = folder.synced.get(entry.item)!
    const { parent, name, diskName } = entry
    folder.synced.put({ ...old, parent, name, diskName })
    this.#applied('move', path, from)
    return 'done'
  }

  async #remove(action: Removal): Promise<Verdict> {
    const { folder } = this
    const path = folder.synced.path(action.item)
    if (path === undefined) return 'done'
    if ((diskAt(folder, path)?.listing?.children.size ?? 0) > 0) return 'blocked'
    await this.#remover.remove(action, path)
    this.#applied('remove', path)
    return 'done'
  }

  /**
   * Moves that wait for each other, for a folder to go that something has to leave first, or for one to be made where they lie: one takes another
   * name until its place is free.
   */
  async #breakCircle(): Promise<boolean> {
    const pending = new Map(this.#pending.map((action) => [action.item, action.do]))
    for (const { item, do: what } of this.#pending) {
      const entry = what === 'move' || what === 'mkdir' ? this.folder.merged.get(item) : undefined
      const to = entry && targetOf(this.folder, entry)
      const occupant = to === undefined ? undefined : this.#itemAt(to)
      if (to === undefined || occupant === undefined || occupant === item) continue
      const mover = pending.get(occupant) === 'remove' ? this.#moverIn(occupant) : occupant
      if (mover === undefined || pending.get(mover) !== 'move') continue
      await this.#tryStepAside(mover, parentPath(to))
      return true
    }
    return false
  }

  /** What is to leave a folder, and lies in it still. */
  #moverIn(folder: ItemId): ItemId | undefined {
    const { synced } = this.folder
    const path = synced.path(folder)!
    const isInside = ({ item, do: what }: Structural) =>
      what === 'move' && isWithin(synced.path(item) ?? '', path)
    return this.#pending.find(isInside)?.item
  }

  /** What can't step aside is left to the next plan. */
  async #tryStepAside(item: ItemId, directory: string): Promise<void> {
    try {
      await this.#stepAside(item, directory)
    } catch (error) {
      const path = this.folder.synced.path(item) ?? directory
      this.#pending = this.#pending.filter((action) => action.item !== item)
      this.#failed(path, error)
    }
  }

  #failed(path: string, error: unknown): void {
    if (error instanceof DiskChanged) {
      this.outcome.dirty.add(parentPath(path))
      return
    }
    const failure = describeFailure(error)
    if (failure === undefined) throw error
    this.folder.issues.add(path, failure.code, failure.message)
  }

  /** The synced item that has the place of a path on this disk. */
  #itemAt(path: string): ItemId | undefined {
    const node = occupantAt(this.folder, path)
    return this.folder.synced.at(node === undefined ? path : joinPath(parentPath(path), node.name))
  }

  async #stepAside(item: ItemId, directory: string): Promise<void> {
    const { folder } = this
    const from = folder.synced.path(item)!
    let name = baseName(from)
    for (let n = 2; occupantAt(folder, joinPath(directory, name)) !== undefined; n++)
      name = withSuffix(baseName(from), ` (${n})`, folder.traits.names.maxBytes)
    const old = folder.synced.get(item)!
    const place = { parent: folder.synced.at(directory)!, name: old.name }
    const intent = this.#mover.announce(item, from, joinPath(directory, name), place)
    await folder.journal.flush(folder.synced)
    try {
      await this.#mover.move(intent)
      folder.synced.put({ ...folder.synced.get(item)!, ...place, diskName: name })
    } finally {
      this.#mover.end(intent)
    }
    await folder.journal.flush(folder.synced)
  }

  #applied(action: 'create' | 'move' | 'remove', path: string, from?: string): void {
    this.outcome.applied++
    this.folder.activity({
      direction: 'applied',
      action,
      path,
      bytes: 0,
      ...(from === undefined ? {} : { from }),
    })
  }
}

const isRemoval = (action: Structural): action is Removal => action.do === 'remove'

/** The version that the disk shows, by its present id. One that the disk does not show yet is not adopted with the name. */
function adopted(file: SyncedFile, { heads: [head] }: TreeEntry): SyncedFile {
  if (head === undefined || head.type !== file.type) return file
  if (!equalBytes(head.content.plain, file.content.plain)) return file
  return { ...file, version: head.id, content: head.content }
}

/** Where an item belongs on disk now; undefined while its folder is not there. */
export function targetOf(
  folder: Pick<FolderContext, 'synced' | 'merged'>,
  entry: TreeEntry,
): string | undefined {
  const parent = entry.parent === ROOT_ITEM ? '' : folder.synced.path(entry.parent)
  return parent === undefined ? undefined : joinPath(parent, folder.merged.diskName(entry))
}

export function placed(
  folder: Pick<FolderContext, 'merged'>,
  entry: TreeEntry,
  print: SyncedEntry['print'],
): SyncedEntry {
  const { item, kind, parent, name } = entry
  return { item, kind, parent, name, diskName: folder.merged.diskName(entry), print, racy: false }
}
