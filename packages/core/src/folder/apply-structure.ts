import { equalBytes } from '../encoding/bytes.js'
import type { ItemId } from '../ports/ids.js'
import type { TreeEntry } from '../tree/types.js'
import { diskAt, type FolderContext, occupantAt } from './context.js'
import { baseName, isWithin, joinPath, parentPath } from './disk-tree.js'
import { FolderMaker } from './folder-maker.js'
import { DiskChanged, describeFailure } from './guard.js'
import type { Intent } from './journal.js'
import { type MoveIntent, Mover } from './mover.js'
import { withSuffix } from './names.js'
import { targetOf } from './place.js'
import type { ApplyAction } from './plan.js'
import { type Removal, Remover } from './remover.js'
import type { StatePaths } from './state-directory.js'
import type { SyncedFile } from './synced-tree.js'

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

type Announceable = Extract<Structural, { do: 'mkdir' | 'move' }>

/** What was said in the journal, and comes next. */
interface Announced {
  action: Announceable
  carryOut(): Promise<Verdict>
  end(): void
}

class ApplyRun {
  readonly outcome: ApplyOutcome = { applied: 0, dirty: new Set() }
  /** Places that this pass is going to take. */
  readonly #claimed = new Set<string>()
  readonly #maker: FolderMaker
  readonly #mover: Mover
  readonly #remover: Remover
  #pending: Structural[]

  constructor(
    private readonly folder: FolderContext,
    paths: StatePaths,
    actions: readonly Structural[],
  ) {
    this.#pending = [...actions]
    this.#maker = new FolderMaker(folder)
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

  /** What can be done now. Moves and new folders are announced together, then done. */
  async #pass(): Promise<void> {
    const blocked: Structural[] = []
    const announced: Announced[] = []
    this.#claimed.clear()
    for (const action of this.#pending) {
      this.folder.signal.throwIfAborted()
      if (action.do === 'move' || action.do === 'mkdir') {
        const next = this.#announce(action)
        if (next === undefined) blocked.push(action)
        else announced.push(next)
      } else if ((await this.#attempt(action, () => this.#apply(action))) === 'blocked') blocked.push(action)
    }
    if (announced.length > 0) await this.folder.journal.flush(this.folder.synced)
    for (const { action, carryOut, end } of announced)
      try {
        if ((await this.#attempt(action, carryOut)) === 'blocked') blocked.push(action)
      } finally {
        end()
      }
    this.#pending = blocked
  }

  /** One action that can't be done leaves the others free to go on. */
  async #attempt(action: Structural, work: () => Promise<Verdict>): Promise<Verdict> {
    try {
      const verdict = await work()
      if (verdict === 'done') this.folder.issues.clear(action.path)
      return verdict
    } catch (error) {
      this.#failed(action.path, error)
      return 'done'
    }
  }

  #apply(action: Exclude<Structural, Announceable>): Promise<Verdict> {
    switch (action.do) {
      case 'adopt':
        return this.#adopt(action.item)
      case 'rebind':
        return this.#rebind(action.item, action.from)
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

  /** Says what is to be done where the place is free; undefined when it has to wait. */
  #announce(action: Announceable): Announced | undefined {
    const { folder } = this
    const entry = folder.merged.get(action.item)
    const from = folder.synced.path(action.item)
    const to = entry && targetOf(folder, entry)
    if (entry === undefined || to === undefined) return undefined
    const occupant = occupantAt(folder, to)
    const place = joinPath(parentPath(to), folder.traits.names.fold(baseName(to)))
    if (this.#claimed.has(place)) return undefined
    if (action.do === 'mkdir') {
      if (occupant !== undefined) return undefined
      this.#claimed.add(place)
      const intent = this.#maker.announce(entry, to)
      return { action, carryOut: () => this.#mkdir(intent), end: () => this.#maker.end(intent) }
    }
    if (from === undefined || (isWithin(to, from) && to !== from)) return undefined
    if (occupant !== undefined && occupant !== diskAt(folder, from)) return undefined
    this.#claimed.add(place)
    const { parent, name } = entry
    const intent = this.#mover.announce(action.item, from, to, { parent, name })
    return { action, carryOut: () => this.#move(intent), end: () => this.#mover.end(intent) }
  }

  /** A folder above it moved in the meantime: another pass finds it where it is then. */
  #isStill({ path, entry }: Intent): boolean {
    return path === joinPath(this.folder.synced.path(entry.parent) ?? '', entry.diskName)
  }

  async #mkdir(intent: Intent): Promise<Verdict> {
    if (!this.#isStill(intent)) return 'blocked'
    await this.#maker.make(intent)
    this.#applied('create', intent.path)
    return 'done'
  }

  async #move(intent: MoveIntent): Promise<Verdict> {
    const { folder } = this
    const { entry, path } = intent
    const from = folder.synced.path(entry.item)
    if (from === undefined) return 'done'
    if (from !== intent.from || !this.#isStill(intent)) return 'blocked'
    await this.#mover.move(intent)
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
