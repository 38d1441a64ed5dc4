import { rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import {
  type BlockStore,
  type Crypto,
  isPeerfoldError,
  type KeyValue,
  type LogStore,
  type PeerfoldError,
} from '@peerfold/core'
import {
  loadKey,
  openFileBlockStore,
  openFileLogStore,
  openKeyValue,
  preparePrivateDirectory,
} from '@peerfold/node/platform'
import type { RelayLog } from './types.js'

/** A relay's data directory (PROTOCOL.md §10.9), locked against other processes: the lock is that of the index. */
export interface RelayHome {
  directory: string
  /** Seed of the relay's libp2p key. */
  seed: Uint8Array
  log: LogStore
  blocks: BlockStore
  index: KeyValue
  /** File of peers that may begin mailboxes. */
  allowed: string
  bundles: string
  /** Moves an index aside that opens and cannot be used, and opens an empty one. */
  replaceIndex(): Promise<KeyValue>
  /** Idempotent. */
  close(): Promise<void>
}

/** Given up when the disk is full, so that opening, deleting and closing work. */
export function reserveOf(directory: string): string {
  return join(directory, 'reserve')
}

/**
 * @throws {PeerfoldError} `HOME_LOCKED` when another process has it open; `HOME_INVALID` when it is no directory, cannot be written, or
 * its key is damaged
 */
export async function openRelayHome(
  directory: string,
  crypto: Pick<Crypto, 'hash'>,
  told: RelayLog,
): Promise<RelayHome> {
  await preparePrivateDirectory(directory, "the relay's data directory")
  return withReserve(directory, () => openStores(directory, crypto, told))
}

/** Does it again without the reserve when there is no room for it. */
export async function withReserve<T>(directory: string, task: () => Promise<T>): Promise<T> {
  try {
    return await task()
  } catch (error) {
    if (!isPeerfoldError(error, 'STORE_FULL')) throw error
    await rm(reserveOf(directory), { force: true })
    return task()
  }
}

async function openStores(
  directory: string,
  crypto: Pick<Crypto, 'hash'>,
  told: RelayLog,
): Promise<RelayHome> {
  const onDamage = (error: PeerfoldError) =>
    told.warn({ ...error.details }, 'the index is damaged, and built anew')
  const path = join(directory, 'index')
  // The lock comes first: whoever loses must not have touched anything.
  let index = await openKeyValue(path, { onDamage })
  const opened: Array<{ close(): Promise<void> }> = [{ close: () => index.close() }]
  const close = async () => {
    for (const store of opened.splice(0).reverse()) await store.close()
  }
  try {
    const seed = await loadKey(join(directory, 'key'))
    const log = await openFileLogStore(join(directory, 'log'))
    opened.push(log)
    const blocks = await openFileBlockStore(join(directory, 'blocks'), { crypto })
    opened.push(blocks)
    const replaceIndex = async () => {
      await index.close()
      await rename(path, `${path}.damaged-${Date.now()}`)
      index = await openKeyValue(path, { onDamage })
      return index
    }
    const paths = { allowed: join(directory, 'allowed'), bundles: join(directory, 'bundles') }
    return { directory, seed, log, blocks, index, ...paths, replaceIndex, close }
  } catch (error) {
    await close()
    throw error
  }
}
