import { randomBytes } from 'node:crypto'
import { chmod, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type Crypto, type KeyValue, type LogStore, PeerfoldError } from '@peerfold/core'
import type { Home } from '@peerfold/core/platform'
import { openFileBlockStore } from '../stores/block-store/index.js'
import { openKeyValue } from '../stores/key-value.js'
import { openFileLogStore } from '../stores/log-store/index.js'

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

const KEY_BYTES = 32

/**
 * Opens a home directory, making it when it is missing.
 *
 * @throws {PeerfoldError} `HOME_LOCKED` when another process has it open; `HOME_INVALID` when it is no directory, cannot be written, or
 * its key is damaged
 */
export async function openHome(directory: string, init: NodeHomeInit = {}): Promise<NodeHome> {
  await prepareDirectory(directory)
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

async function prepareDirectory(directory: string): Promise<void> {
  try {
    await makeDirectory(directory)
    const { mode } = await stat(directory)
    // A home holds keys: nobody else needs to look in.
    if ((mode & 0o077) !== 0) await chmod(directory, 0o700)
  } catch (cause) {
    throw new PeerfoldError('HOME_INVALID', `cannot use ${directory} as a home`, { cause })
  }
}

/** Node's own recursion never ends where an existing directory takes no others, as in /proc. */
async function makeDirectory(directory: string): Promise<void> {
  const make = () => mkdir(directory, { mode: 0o700 })
  await make().catch(async (error: NodeJS.ErrnoException) => {
    if (error.code === 'EEXIST' && (await stat(directory)).isDirectory()) return
    if (error.code !== 'ENOENT' || dirname(directory) === directory) throw error
    await makeDirectory(dirname(directory))
    await make()
  })
}

/** The key that seals the journal, kept readable by its owner only. Made durable before anything is sealed with it. */
async function loadKey(path: string): Promise<Uint8Array> {
  const existing = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw new PeerfoldError('HOME_INVALID', `cannot read ${path}`, { cause: error })
  })
  if (existing !== undefined) {
    if (existing.length !== KEY_BYTES) throw new PeerfoldError('HOME_INVALID', `${path} is damaged`)
    return new Uint8Array(existing)
  }
  const key = randomBytes(KEY_BYTES)
  const temporary = `${path}.new`
  await rm(temporary, { force: true })
  const file = await open(temporary, 'wx', 0o600)
  try {
    await file.writeFile(key)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(temporary, path)
  const folder = await open(join(path, '..'), 'r')
  await folder.sync().finally(() => folder.close())
  return new Uint8Array(key)
}
