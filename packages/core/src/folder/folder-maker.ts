import type { TreeEntry } from '../tree/types.js'
import { absolute, type FolderContext } from './context.js'
import { emptyListing, parentPath, putNode } from './disk-tree.js'
import { NO_FINGERPRINT } from './fingerprint.js'
import { nodeOf, verifyFree, verifyParents } from './guard.js'
import type { Intent } from './journal.js'
import { placed } from './place.js'
import { randomId } from './state-directory.js'

/** Makes folders on disk. Each is announced, which the caller makes durable for many at once, then made, then ended. */
export class FolderMaker {
  /** Made, and not seen to be there. */
  readonly #unseen = new Set<string>()

  constructor(private readonly folder: FolderContext) {}

  /** Whatever folder lies there after a crash is this one: of two with one name the workspace makes one in any case. */
  announce(entry: TreeEntry, path: string): Intent {
    const { folder } = this
    const intent = { id: randomId(folder.random), path, entry: placed(folder, entry, NO_FINGERPRINT) }
    folder.journal.addIntent(intent)
    return intent
  }

  /** @throws {DiskChanged} */
  async make({ id, path, entry }: Intent): Promise<void> {
    const { folder } = this
    await verifyParents(folder, path)
    await verifyFree(folder, path)
    await folder.files.mkdir(absolute(folder, path))
    this.#unseen.add(id)
    const node = await nodeOf(folder, path, folder.clock.monotonic())
    node.listing = { ...emptyListing(), complete: true }
    putNode(folder.disk, parentPath(path), node)
    folder.synced.put({ ...entry, print: node.print })
    this.#unseen.delete(id)
  }

  /** What was made and could not be looked at stays announced: recovery, before the next round, does. */
  end({ id }: Intent): void {
    if (!this.#unseen.has(id)) this.folder.journal.endIntent(id)
  }
}
