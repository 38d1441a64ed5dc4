import { type Entry, encodeNode, type ManifestNode } from './manifest.js'
import { NODE_CUT_BELOW, NODE_ENTRIES_MAX, NODE_ENTRIES_MIN } from './sizes.js'

/** Seals an encoded node, puts its block, and says what its parent lists. */
export type StoreNode = (plaintext: Uint8Array, length: number) => Promise<Entry>

/**
 * Builds a manifest's tree from its chunks, bottom up (PROTOCOL.md §2.3). Nodes end where their entries' hashes say so: changing a chunk
 * changes its node and the nodes above, and nothing beside them. Holds one node of each level.
 */
export class ManifestBuilder {
  readonly #store: StoreNode
  /** Entries that wait for their node to be complete, by level. */
  readonly #open: Entry[][] = [[]]

  constructor(store: StoreNode) {
    this.#store = store
  }

  async add(entry: Entry): Promise<void> {
    await this.#addAt(0, entry)
  }

  /** The topmost node; for a content without chunks it is empty. */
  async finish(): Promise<ManifestNode> {
    // `length` grows when the last level below has to be closed.
    for (let level = 0; level < this.#open.length - 1; level++) await this.#close(level)
    const level = this.#open.length - 1
    return { level, entries: this.#open[level] as Entry[] }
  }

  async #addAt(level: number, entry: Entry): Promise<void> {
    // A complete node is closed when another entry comes: a node is never closed only to be its level's last and only one.
    if (isComplete(this.#open[level] as Entry[])) await this.#close(level)
    this.#open[level]?.push(entry)
  }

  async #close(level: number): Promise<void> {
    const entries = this.#open[level] as Entry[]
    this.#open[level] = []
    const length = entries.reduce((sum, entry) => sum + entry.length, 0)
    const parent = await this.#store(encodeNode({ level, entries }), length)
    if (this.#open.length === level + 1) this.#open.push([])
    await this.#addAt(level + 1, parent)
  }
}

function isComplete(entries: readonly Entry[]): boolean {
  if (entries.length < NODE_ENTRIES_MIN) return false
  if (entries.length === NODE_ENTRIES_MAX) return true
  const { hash } = entries[entries.length - 1] as Entry
  return (hash[0] as number) * 256 + (hash[1] as number) < NODE_CUT_BELOW
}
