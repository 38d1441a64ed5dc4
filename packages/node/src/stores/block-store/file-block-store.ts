import { createHash } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type BlockStore, type Crypto, type KeyValue, PeerfoldError } from '@peerfold/core'
import { type BlockDisk, openPackedBlockStore } from '@peerfold/core/platform'
import { ClassicLevel } from 'classic-level'
import { nodeDisk } from './node-disk.js'

export interface FileBlockStoreInit {
  /** Hashes what is put and got. @default on the calling thread */
  crypto?: Pick<Crypto, 'hash'>
  /** @default node:fs below the store's directory */
  disk?: BlockDisk
  /**
   * Opens the index, which may be lost at any time; empty when `fresh`.
   * @default classic-level in `index` below the store's directory
   */
  openIndex?: (fresh: boolean) => Promise<KeyValue>
  /** Size at which a new segment is begun. @default 256 MiB */
  segmentBytes?: number
}

/**
 * Opens the block store that lies in a directory, making it when it is missing: blocks in append-only segments (PROTOCOL.md §8.5). One process at a time.
 *
 * @throws {PeerfoldError} `HOME_LOCKED` when another process has it open; `STORE_FULL`, `IO_FAILED`
 *
 * @example
 * ```ts
 * const store = await openFileBlockStore('/home/me/.peerfold/blocks', { crypto })
 * await store.put([block])
 * await store.flush()
 * await store.close()
 * ```
 */
export function openFileBlockStore(directory: string, init: FileBlockStoreInit = {}): Promise<BlockStore> {
  return openPackedBlockStore({
    crypto: init.crypto ?? hashHere,
    disk: init.disk ?? nodeDisk(directory),
    openIndex: init.openIndex ?? ((fresh) => openLevel(join(directory, 'index'), fresh)),
    segmentBytes: init.segmentBytes,
  })
}

const hashHere: Pick<Crypto, 'hash'> = {
  async hash(inputs, options) {
    options?.signal?.throwIfAborted()
    return inputs.map((input) => new Uint8Array(createHash('sha256').update(input).digest()))
  },
}

async function openLevel(path: string, fresh: boolean): Promise<KeyValue> {
  if (fresh) await rm(path, { recursive: true, force: true })
  const db = new ClassicLevel<string, Uint8Array>(path, {
    keyEncoding: 'utf8',
    valueEncoding: 'view',
    cacheSize: 2 << 20,
    writeBufferSize: 1 << 20,
  })
  try {
    await db.open()
    return db
  } catch (error) {
    const locked = (error as { cause?: { code?: string } }).cause?.code === 'LEVEL_LOCKED'
    if (locked) throw new PeerfoldError('HOME_LOCKED', `${path} is open in another process`, { cause: error })
    if (fresh) throw error
    return openLevel(path, true)
  }
}
