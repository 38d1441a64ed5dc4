import { FileSystemError } from '../errors.js'
import type { ItemKind } from '../tree/types.js'
import type { FolderContext } from './context.js'
import { DiskChanged, statAbsolute } from './guard.js'
import { withSuffix } from './names.js'
import { discard } from './trash.js'

/** Whoever keeps no list of leftovers looks after the old names himself. */
type MoveContext = Pick<FolderContext, 'files'> & Partial<Pick<FolderContext, 'leftovers'>>

/** Paths are absolute. @throws {DiskChanged} when anything lies at `to` */
export async function moveEntry(
  folder: MoveContext,
  kind: ItemKind,
  from: string,
  to: string,
): Promise<void> {
  if (kind === 'file') return moveFile(folder, from, to)
  if ((await statAbsolute(folder, to)) !== undefined) throw new DiskChanged(to)
  await folder.files.rename(from, to)
}

/**
 * Never overwrites. Without hard links, as good as the file system allows. With them it has moved once it has its new name, which is not taken
 * back: by then a program may have saved another file there. An old name that the disk refuses to remove is left for later.
 */
export async function moveFile(folder: MoveContext, from: string, to: string): Promise<void> {
  try {
    await folder.files.link(from, to)
  } catch (error) {
    if (!(error instanceof FileSystemError)) throw error
    if (error.errno === 'EEXIST') throw new DiskChanged(to)
    if (!NO_LINKS.has(error.errno)) throw error
    if ((await statAbsolute(folder, to)) !== undefined) throw new DiskChanged(to)
    return folder.files.rename(from, to)
  }
  await discard({ files: folder.files, leftovers: folder.leftovers ?? new Set() }, from)
}

export const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EXDEV'])

const FREE_NAMES = 1000

/**
 * Moves to a name in a directory, or the next free one like it.
 *
 * @returns the name that it has now
 */
export async function moveToFreeName(
  folder: MoveContext & Pick<FolderContext, 'traits'>,
  kind: ItemKind,
  from: string,
  directory: string,
  name: string,
): Promise<string> {
  let candidate = name
  for (let n = 2; ; n++) {
    try {
      await moveEntry(folder, kind, from, folder.files.join(directory, candidate))
      return candidate
    } catch (error) {
      if (!(error instanceof DiskChanged) || n > FREE_NAMES) throw error
    }
    candidate = withSuffix(name, ` (${n})`, folder.traits.names.maxBytes)
  }
}
