import { raceSignal } from '../async/deadline.js'
import type { AbortOptions } from '../ports/abort.js'
import type { ItemId } from '../ports/ids.js'
import type { TreeEntry, TreeReader } from '../tree/types.js'

/**
 * A tree that is being rebuilt shows less than there is. Whoever read it then would take what is missing for deleted, so reads wait until it
 * is whole again.
 */
export class TreeGate implements TreeReader {
  readonly #tree: TreeReader
  #closed: Barrier | undefined

  constructor(tree: TreeReader) {
    this.#tree = tree
  }

  /** From now on reads wait. */
  close(): void {
    if (this.#closed !== undefined) return
    let open = () => {}
    const opened = new Promise<void>((resolve) => {
      open = resolve
    })
    this.#closed = { opened, open }
  }

  open(): void {
    this.#closed?.open()
    this.#closed = undefined
  }

  /** Resolves when the tree is whole. */
  async whole(options?: AbortOptions): Promise<void> {
    options?.signal?.throwIfAborted()
    while (this.#closed !== undefined) await raceSignal(this.#closed.opened, options?.signal)
  }

  async entry(item: ItemId, options?: AbortOptions): Promise<TreeEntry | undefined> {
    await this.whole(options)
    return await this.#tree.entry(item, options)
  }

  async lookup(path: readonly string[], options?: AbortOptions): Promise<TreeEntry | undefined> {
    await this.whole(options)
    return await this.#tree.lookup(path, options)
  }

  async child(parent: ItemId, name: string, options?: AbortOptions): Promise<TreeEntry | undefined> {
    await this.whole(options)
    return await this.#tree.child(parent, name, options)
  }

  async *children(parent: ItemId, options?: AbortOptions): AsyncGenerator<TreeEntry> {
    await this.whole(options)
    yield* this.#tree.children(parent, options)
  }

  async path(item: ItemId, options?: AbortOptions): Promise<string[] | undefined> {
    await this.whole(options)
    return await this.#tree.path(item, options)
  }
}

interface Barrier {
  opened: Promise<void>
  open: () => void
}
