import type { BlockStore, Crypto } from '@peerfold/core'
import { openPackedBlockStore } from '@peerfold/core/platform'
import { openKeyValue } from '../key-value.js'
import { openOpfsDisk } from './opfs-disk.js'

/**
 * Opens a block store in the origin private file system, its index in IndexedDB: blocks in append-only segments (PROTOCOL.md §8.5). Only in
 * dedicated workers.
 *
 * @param name directory below the origin's root, and of the index
 * @throws {PeerfoldError} `HOME_LOCKED` when another tab has it open; `STORE_FULL`, `IO_FAILED`
 */
export async function openOpfsBlockStore(
  name: string,
  { crypto, segmentBytes }: { crypto: Pick<Crypto, 'hash'>; segmentBytes?: number },
): Promise<BlockStore> {
  return openPackedBlockStore({
    crypto,
    segmentBytes,
    disk: await openOpfsDisk(name),
    openIndex: async (fresh) => {
      const index = await openKeyValue(`${name}/index`)
      if (fresh) await index.clear()
      return index
    },
  })
}
