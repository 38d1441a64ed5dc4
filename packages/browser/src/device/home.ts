import { type Crypto, PeerfoldError } from '@peerfold/core'
import type { Home } from '@peerfold/core/platform'
import { openKeyValue } from '../stores/key-value.js'
import { openLogStore } from '../stores/log-store.js'
import { openOpfsBlockStore } from '../stores/opfs/open-opfs-block-store.js'
import { removeOpfsDirectory } from '../stores/opfs/opfs-disk.js'
import { loadSecret } from './secret.js'

export interface OpenHomeInit {
  /** Hashes blocks for their stores; not closed with the home. */
  crypto: Pick<Crypto, 'hash'>
  /** Grows with each tab that leads: one that does no more cannot write to the logs (PROTOCOL.md §8.9). */
  token: number
}

/**
 * Opens a device's home in this origin: logs and indexes in IndexedDB, blocks in the origin private file system. Only in dedicated workers.
 *
 * @param name sets homes of one origin apart
 * @throws {PeerfoldError} `HOME_LOCKED`, `HOME_INVALID`, `IO_FAILED`
 */
export async function openHome(name: string, { crypto, token }: OpenHomeInit): Promise<Home> {
  if (!/^[\w-]{1,64}$/.test(name))
    throw new PeerfoldError('INVALID_ARGUMENT', `a home is named by letters, digits, _ and -: ${name}`)
  const workspaceName = (id: string) => `${name}/workspaces/${id}`
  return {
    lossy: true,
    key: await loadSecret(name),
    journal: () => openLogStore(`${name}/journal`, { token }),
    workspace: async (id) => {
      const base = workspaceName(id)
      const [log, blocks, index] = await Promise.all([
        openLogStore(`${base}/log`, { token }),
        openOpfsBlockStore(`${base}/blocks`, { crypto }),
        openKeyValue(`${base}/index`),
      ])
      return { log, blocks, index }
    },
    removeWorkspace: async (id) => {
      const base = workspaceName(id)
      await removeOpfsDirectory(base)
      for (const store of ['log', 'index', 'blocks/index']) await removeDatabase(`peerfold/${base}/${store}`)
    },
    // Each store holds a lock of its own.
    close: async () => {},
  }
}

function removeDatabase(name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.deleteDatabase(name)
    request.onsuccess = () => resolve()
    request.onerror = () =>
      reject(new PeerfoldError('IO_FAILED', `cannot remove ${name}`, { cause: request.error }))
  })
}
