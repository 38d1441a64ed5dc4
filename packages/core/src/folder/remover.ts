import { FileSystemError } from '../errors.js'
import type { ItemId } from '../ports/ids.js'
import { absolute, type FolderContext } from './context.js'
import { removeNode } from './disk-tree.js'
import { fingerprintOf, sameInode } from './fingerprint.js'
import { DiskChanged, statAbsolute, verifyParents, verifyUnchanged } from './guard.js'
import { moveFile } from './move.js'
import type { ApplyAction } from './plan.js'
import { type StatePaths, trashName } from './state-directory.js'
import { wasWritten } from './trash.js'

export type Removal = Extract<ApplyAction, { do: 'remove' }>

/** Removes files, by way of the trash, and empty folders from disk, disk tree and synced tree. */
export class Remover {
  /** Names in the trash that were announced. */
  readonly #trashed = new Map<ItemId, string>()

  constructor(
    private readonly folder: FolderContext,
    private readonly paths: StatePaths,
    /** Takes directories that prove not to be as planned. */
    private readonly dirty: Set<string>,
  ) {}

  /** Says durably what the trash is going to hold before anything goes there. */
  async announce(removals: readonly Removal[]): Promise<void> {
    const { folder } = this
    for (const { item, path } of removals) {
      const old = folder.synced.get(item)
      if (old?.file === undefined) continue
      const now = folder.clock.now()
      const name = trashName(folder.random, now, old.diskName)
      this.#trashed.set(item, name)
      folder.journal.addTrash({ name, path, item, print: old.print, file: old.file, time: now })
    }
    await folder.journal.flush(folder.synced)
  }

  /** It stays where it is. */
  forget(item: ItemId): void {
    const name = this.#trashed.get(item)
    if (name !== undefined) this.folder.journal.endTrash(name)
  }

  /**
   * @param path where it lies now
   * @throws {DiskChanged} when it is not what was synced, or the workspace has it again
   */
  async remove(removal: Removal, path: string): Promise<void> {
    if (removal.kind === 'folder') await this.#removeFolder(removal, path)
    else await this.#removeFile(removal, path)
    removeNode(this.folder.disk, path)
    this.folder.synced.drop(removal.item)
  }

  async #removeFile(removal: Removal, path: string): Promise<void> {
    const name = this.#trashed.get(removal.item)
    if (name === undefined) throw new DiskChanged(path)
    try {
      await this.#toTrash(removal, path, name)
    } catch (error) {
      if (await this.#isFree(name)) this.forget(removal.item)
      throw error
    }
  }

  /** Whether nothing lies in the trash under a name; where the disk does not say, something may. */
  async #isFree(name: string): Promise<boolean> {
    try {
      return (await statAbsolute(this.folder, this.folder.files.join(this.paths.trash, name))) === undefined
    } catch {
      return false
    }
  }

  /** Into the trash; and back again when it proves not to be what was synced. */
  async #toTrash({ item, hidden }: Removal, path: string, name: string): Promise<void> {
    const { folder } = this
    const { print } = folder.synced.get(item)!
    if (!hidden) await this.#verifyRemoved(item, path)
    await verifyParents(folder, path)
    await verifyUnchanged(folder, path, print)
    const trash = folder.files.join(this.paths.trash, name)
    await folder.files.rename(absolute(folder, path), trash)
    const now = await statAbsolute(folder, trash)
    if (now !== undefined && sameInode(fingerprintOf(now), print) && !wasWritten(print, fingerprintOf(now)))
      return
    await moveFile(folder, trash, absolute(folder, path))
    throw new DiskChanged(path)
  }

  async #removeFolder({ item, hidden }: Removal, path: string): Promise<void> {
    const { folder } = this
    if (!hidden) await this.#verifyRemoved(item, path)
    await verifyParents(folder, path)
    try {
      await folder.files.rmdir(absolute(folder, path))
    } catch (error) {
      if (!(error instanceof FileSystemError) || !['ENOTEMPTY', 'EEXIST', 'ENOENT'].includes(error.errno))
        throw error
      this.dirty.add(path)
      throw new DiskChanged(path)
    }
  }

  /** The workspace itself is asked again before anything is removed. */
  async #verifyRemoved(item: ItemId, path: string): Promise<void> {
    if ((await this.folder.source.tree.entry(item)) === undefined) return
    this.folder.merged.mark([item])
    throw new DiskChanged(path)
  }
}
