import { FileSystemError, PeerfoldError } from '../errors.js'
import type { FileStat } from '../ports/file-system.js'
import { absolute, diskAt, type FolderContext } from './context.js'
import { type DiskNode, parentPath } from './disk-tree.js'
import { type Fingerprint, fingerprintOf, sameFingerprint, sameInode } from './fingerprint.js'

/** The disk is not as the plan took it to be: nothing was done, the next scan sees why. */
export class DiskChanged extends Error {
  override readonly name = 'DiskChanged'
}

type GuardContext = Pick<FolderContext, 'files' | 'directory' | 'disk'>

/**
 * Checks each directory above a path, component by component: a real directory, and the very one that was scanned, so that no link
 * swapped in meanwhile leads out of the folder.
 *
 * @throws {DiskChanged}
 */
export async function verifyParents(
  folder: GuardContext,
  path: string,
  verified?: Set<string>,
): Promise<void> {
  for (let parent = parentPath(path); parent !== ''; parent = parentPath(parent)) {
    if (verified?.has(parent)) return
    const known = diskAt(folder, parent)
    const stat = await statOf(folder, parent)
    if (known === undefined || stat?.type !== 'folder' || !sameInode(fingerprintOf(stat), known.print))
      throw new DiskChanged(parent)
    verified?.add(parent)
  }
}

/** `lstat`, or undefined when nothing is there. */
export async function statOf(folder: GuardContext, path: string): Promise<FileStat | undefined> {
  return statAbsolute(folder, absolute(folder, path))
}

export async function statAbsolute(
  folder: Pick<FolderContext, 'files'>,
  path: string,
): Promise<FileStat | undefined> {
  try {
    return await folder.files.lstat(path)
  } catch (error) {
    if (error instanceof FileSystemError && (error.errno === 'ENOENT' || error.errno === 'ENOTDIR'))
      return undefined
    throw error
  }
}

/** @throws {DiskChanged} unless the file is exactly as it was when it was synced */
export async function verifyUnchanged(folder: GuardContext, path: string, print: Fingerprint): Promise<void> {
  const stat = await statOf(folder, path)
  if (stat === undefined || !sameFingerprint(fingerprintOf(stat), print)) throw new DiskChanged(path)
}

/** @throws {DiskChanged} when anything lies there */
export async function verifyFree(folder: GuardContext, path: string): Promise<void> {
  if ((await statOf(folder, path)) !== undefined) throw new DiskChanged(path)
}

/** What this device just put at a path, as the disk tree is to know it. */
export async function nodeOf(folder: GuardContext, path: string, seenAt: number): Promise<DiskNode> {
  const stat = await statOf(folder, path)
  if (stat === undefined || stat.type === 'other') throw new DiskChanged(path)
  const name = path.slice(path.lastIndexOf('/') + 1)
  return {
    name,
    type: stat.type,
    kind: stat.type === 'folder' ? 'folder' : 'file',
    print: fingerprintOf(stat),
    seenAt,
  }
}

/** Errors of one action that leave the others free to go on. */
export function describeFailure(
  error: unknown,
): { code: PeerfoldError['code']; message: string } | undefined {
  if (error instanceof PeerfoldError && error.code !== 'ABORTED')
    return { code: error.code, message: error.message }
  if (error instanceof FileSystemError) return { code: 'IO_FAILED', message: error.message }
  return undefined
}
