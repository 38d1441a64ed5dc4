import { type Block, type BlockStore, PeerfoldError } from '@peerfold/core'
import { blockCid, blockDigest } from '@peerfold/core/platform'
import { fromHex, toHex } from '@peerfold/core/relay'
import type { CID } from 'multiformats/cid'

/** Blocks of a test device. It believes what it is given: a test may give it wrong bytes under a name. */
export class DeviceBlocks implements BlockStore {
  readonly #blocks = new Map<string, Uint8Array>()
  /** Called before a block is handed out. */
  onGet: (digest: string) => Promise<void> = async () => {}

  give(digest: Uint8Array, bytes: Uint8Array): void {
    this.#blocks.set(toHex(digest), bytes)
  }

  get size(): number {
    return this.#blocks.size
  }

  async get(cid: CID): Promise<Uint8Array> {
    const digest = toHex(blockDigest(cid))
    await this.onGet(digest)
    const bytes = this.#blocks.get(digest)
    if (bytes === undefined) throw new PeerfoldError('BLOCK_NOT_FOUND', 'not here')
    return bytes
  }

  async has(cids: readonly CID[]): Promise<boolean[]> {
    return cids.map((cid) => this.#blocks.has(toHex(blockDigest(cid))))
  }

  async put(blocks: readonly Block[]): Promise<void> {
    for (const { cid, bytes } of blocks) this.give(blockDigest(cid), bytes)
  }

  async flush(): Promise<void> {}

  async delete(cids: readonly CID[]): Promise<void> {
    for (const cid of cids) this.#blocks.delete(toHex(blockDigest(cid)))
  }

  async *list(): AsyncGenerator<CID> {
    for (const digest of this.#blocks.keys()) yield blockCid(fromHex(digest))
  }

  async close(): Promise<void> {}
}
