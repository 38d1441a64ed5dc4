import type { ItemId } from '../ports/ids.js'
import type { ItemKind } from '../tree/types.js'
import { absolute, diskAt, type FolderContext, occupantAt } from './context.js'
import { baseName, parentPath, putNode, removeNode } from './disk-tree.js'
import { type Fingerprint, fingerprintOf, sameFingerprint, sameInode } from './fingerprint.js'
import { DiskChanged, nodeOf, statAbsolute, statOf, verifyParents } from './guard.js'
import type { Intent } from './journal.js'
import { moveEntry, moveToFreeName } from './move.js'
import { randomId, type StatePaths } from './state-directory.js'
import { wasWritten } from './trash.js'

/** A move that was announced. */
export type MoveIntent = Intent & { from: string }

/** Moves files and folders. Each is announced, which the caller makes durable for many at once, then carried out, then ended. */
export class Mover {
  /** Moves that were begun and not seen to their end: the file or folder may lie in `.peerfold/tmp`, or in its new place already. */
  readonly #halfway = new Set<string>()

  constructor(
    private readonly folder: FolderContext,
    private readonly paths: StatePaths,
  ) {}

  /** What is about to move is said in the journal; the caller flushes it. */
  announce(item: ItemId, from: string, to: string, place: { parent: ItemId; name: string }): MoveIntent {
    const { folder } = this
    const old = folder.synced.get(item)!
    const ino = diskAt(folder, from)?.print.ino ?? old.print.ino
    const intent = {
      id: randomId(folder.random),
      ino,
      from,
      path: to,
      entry: { ...old, ...place, diskName: baseName(to) },
    }
    folder.journal.addIntent(intent)
    return intent
  }

  /** Moves on disk and in the disk tree; in the synced tree only its fingerprint. */
  async move({ id, entry: { item }, from, path: to }: MoveIntent): Promise<void> {
    const { folder } = this
    const old = folder.synced.get(item)!
    await verifyParents(folder, from)
    await verifyParents(folder, to)
    const stat = await statOf(folder, from)
    const known = diskAt(folder, from)
    if (stat === undefined || known === undefined || !sameInode(fingerprintOf(stat), known.print))
      throw new DiskChanged(from)
    if (old.kind === 'file' || occupantAt(folder, to) === known)
      await this.#moveAside(id, old.kind, known.print, from, to)
    else await moveEntry(folder, old.kind, absolute(folder, from), absolute(folder, to))
    this.#halfway.add(id)
    const node = await nodeOf(folder, to, folder.clock.monotonic())
    if (known.listing !== undefined) node.listing = known.listing
    removeNode(folder.disk, from)
    putNode(folder.disk, parentPath(to), node)
    // Between the move and this look, a program may have written to it, or put another file in its place.
    const stayed = sameInode(known.print, node.print) && !wasWritten(old.print, node.print)
    const clean = sameFingerprint(fingerprintOf(stat), old.print) && stayed
    folder.synced.put({ ...old, print: clean || old.kind === 'folder' ? node.print : old.print })
    this.#halfway.delete(id)
  }

  /**
   * By way of `.peerfold/tmp`: a file that a program puts there in the last moment is seen to be another, and two names that are one to this disk
   * are no obstacle.
   */
  async #moveAside(id: string, kind: ItemKind, print: Fingerprint, from: string, to: string): Promise<void> {
    const { folder } = this
    const aside = folder.files.join(this.paths.tmp, id)
    await folder.files.rename(absolute(folder, from), aside)
    this.#halfway.add(id)
    try {
      const stat = await statAbsolute(folder, aside)
      if (stat === undefined || !sameInode(fingerprintOf(stat), print)) throw new DiskChanged(from)
      await moveEntry(folder, kind, aside, absolute(folder, to))
    } catch (error) {
      await moveToFreeName(folder, kind, aside, absolute(folder, parentPath(from)), baseName(from))
      this.#halfway.delete(id)
      throw error
    }
  }

  /** What did not come to its end stays announced: recovery, before the next round, finds out where it is. */
  end({ id }: MoveIntent): void {
    if (!this.#halfway.has(id)) this.folder.journal.endIntent(id)
  }
}
