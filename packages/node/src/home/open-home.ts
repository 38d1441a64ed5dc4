import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Crypto, KeyValue, LogStore } from '@peerfold/core'
import type { Home } from '@peerfold/core/platform'
import { openFileBlockStore } from '../stores/block-store/index.js'
import { openKeyValue } from '../stores/key-value.js'
import { openFileLogStore } from '../stores/log-store/index.js'
import { loadKey, preparePrivateDirectory } from './private-directory.js'

/** A device's home on disk, locked against other processes (PROTOCOL.md §8). */
export interface NodeHome extends Home {
  readonly directory: string
  /** Caches of the device; its lock is the home's lock. */
  readonly db: KeyValue
  /** Journal of a synced folder: what was last equal on disk and in the workspace. */
  folderJournal(workspace: string): Promise<LogStore>
}

export interface NodeHomeInit {
  /** Hashes blocks for their stores; not closed with the home. @default on the calling thread */
  crypto?: Pick<Crypto, 'hash'>
}

/**
 * Opens a home directory, making it when it is missing.
 *
 * @throws {PeerfoldError} `HOME_LOCKED` when another process has it open; `HOME_INVALID` when it is no directory, cannot be written, or
 * its key is damaged
 */
export async function openHome(directory: string, init: NodeHomeInit = {}): Promise<NodeHome> {
  await preparePrivateDirectory(directory, 'a home')
  // The lock comes first: whoever loses must not have touched anything.
  const db = await openKeyValue(join(directory, 'db'))
  try {
    const key = await loadKey(join(directory, 'key'))
    return createHome(directory, db, key, init)
  } catch (error) {
    await db.close()
    throw error
  }
}

function createHome(directory: string, db: KeyValue, key: Uint8Array, { crypto }: NodeHomeInit): NodeHome {
  const workspaceDirectory = (id: string) => join(directory, 'workspaces', id)
  // What waits for time alone does not keep Node running, but whoever has a home open may be waiting for just that.
  const alive = setInterval(() => {}, 2 ** 30)
  return {
    directory,
    db,
    key,
    journal: () => openFileLogStore(join(directory, 'journal')),
    workspace: async (id) => {
      const base = workspaceDirectory(id)
      await mkdir(base, { recursive: true, mode: 0o700 })
      const [log, blocks, index] = await Promise.all([
        openFileLogStore(join(base, 'log')),
        openFileBlockStore(join(base, 'blocks'), { crypto }),
        openKeyValue(join(base, 'index')),
      ])
      return { log, blocks, index }
    },
    folderJournal: (id) => openFileLogStore(join(workspaceDirectory(id), 'folder')),
    removeWorkspace: (id) => rm(workspaceDirectory(id), { recursive: true, force: true }),
    close: async () => {
      clearInterval(alive)
      await db.close()
    },
  }
}
