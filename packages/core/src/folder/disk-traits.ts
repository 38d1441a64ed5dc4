import { FileSystemError } from '../errors.js'
import type { FileSystem } from '../ports/file-system.js'
import type { Random } from '../ports/random.js'
import { statAbsolute } from './guard.js'
import { type NameRules, nameRules, POSIX_NAMES } from './names.js'
import { randomId } from './state-directory.js'
import { removeQuietly } from './trash.js'

/** What a file system can hold and tell apart. */
export interface DiskTraits {
  names: NameRules
  /** Names are listed in a form (NFD) of their own, whatever they were made as. */
  decomposes: boolean
  /** The executable bit can be set and cleared, and stays so. Otherwise the workspace's value is kept. */
  executables: boolean
}

/** Linux and most of what it mounts. */
export const POSIX_DISK: DiskTraits = { names: POSIX_NAMES, decomposes: false, executables: true }

const COMPOSED = 'é'

/**
 * Tries out what the disk below `directory` does: a folder may lie on a stick or a network share, and two folders of one system on unlike disks.
 * Leaves nothing behind.
 *
 * @param directory an existing directory that nobody else uses
 */
export async function probeDisk(files: FileSystem, directory: string, random: Random): Promise<DiskTraits> {
  const id = `${randomId(random)}a${COMPOSED}`
  const path = (name: string) => files.join(directory, name)
  const handle = await files.create(path(id), 0o666)
  try {
    const isSame = async (name: string) => (await statAbsolute({ files }, path(name))) !== undefined
    const traits = {
      caseless: await isSame(id.toUpperCase()),
      formless: await isSame(id.normalize('NFD')),
      reserving: !(await canHold(files, path(`${id}?`))),
    }
    const listed = await files.readdir(directory)
    const decomposes = traits.formless && !listed.some(({ name }) => name === id)
    return { names: nameRules(traits), decomposes, executables: await keepsExecutable(handle) }
  } finally {
    await handle.close()
    await removeQuietly({ files }, path(id))
  }
}

async function canHold(files: FileSystem, path: string): Promise<boolean> {
  try {
    await (await files.create(path, 0o666)).close()
  } catch (error) {
    // Systems that can't hold the name say so in many ways; a disk that is full or read-only says something else.
    if (error instanceof FileSystemError && REFUSALS.has(error.errno)) return false
    throw error
  }
  await removeQuietly({ files }, path)
  return true
}

const REFUSALS = new Set(['EINVAL', 'ENOENT', 'EILSEQ', 'EPROTO'])

async function keepsExecutable(handle: Awaited<ReturnType<FileSystem['create']>>): Promise<boolean> {
  try {
    await handle.chmod(0o755)
    const set = ((await handle.stat()).mode & 0o100) !== 0
    await handle.chmod(0o644)
    return set && ((await handle.stat()).mode & 0o100) === 0
  } catch (error) {
    if (error instanceof FileSystemError && error.errno !== 'EIO') return false
    throw error
  }
}
