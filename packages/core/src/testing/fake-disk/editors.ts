import type { DiskUser } from './user.js'

/**
 * How programs save a file:
 *
 * | editor | steps |
 * | --- | --- |
 * | `place` | writes the file as it is |
 * | `truncate` | empties it first (`>` of a shell) |
 * | `append` | adds to its end (logs) |
 * | `rename` | writes another file and renames it over (VS Code's atomic save, most careful programs) |
 * | `backup` | renames the file to `f~`, writes it anew, removes `f~` (vim) |
 * | `locked` | makes `.~lock.f#`, writes a temporary file, renames it over, removes the lock (LibreOffice) |
 */
export type Editor = 'place' | 'truncate' | 'append' | 'rename' | 'backup' | 'locked'

export const EDITORS: readonly Editor[] = ['place', 'truncate', 'append', 'rename', 'backup', 'locked']

type EditedDisk = Pick<DiskUser, 'write' | 'append' | 'rename' | 'remove' | 'exists'>

/**
 * The single changes that one save consists of, so that a test may let others look in between. Each is harmless when the file is not there any
 * more.
 *
 * @example
 * ```ts
 * for (const step of savingSteps(disk.user, 'backup', '/sync/notes.txt', bytes)) step()
 * ```
 */
export function savingSteps(
  user: EditedDisk,
  editor: Editor,
  path: string,
  bytes: Uint8Array,
): Array<() => void> {
  const write = () => user.write(path, bytes)
  switch (editor) {
    case 'place':
      return [write]
    case 'truncate':
      return [() => user.write(path, new Uint8Array()), write]
    case 'append':
      return [() => user.append(path, bytes)]
    case 'rename':
      return [() => user.write(`${path}.tmp`, bytes), () => user.rename(`${path}.tmp`, path)]
    case 'backup':
      return backup(user, path, write)
    case 'locked':
      return locked(user, path, bytes)
  }
}

function backup(user: EditedDisk, path: string, write: () => void): Array<() => void> {
  const aside = () => {
    if (user.exists(path)) user.rename(path, `${path}~`)
  }
  return [aside, write, () => removeIfThere(user, `${path}~`)]
}

function locked(user: EditedDisk, path: string, bytes: Uint8Array): Array<() => void> {
  const slash = path.lastIndexOf('/') + 1
  const lock = `${path.slice(0, slash)}.~lock.${path.slice(slash)}#`
  const tmp = `${path.slice(0, slash)}lu.tmp`
  return [
    () => user.write(lock, new TextEncoder().encode('me')),
    () => user.write(tmp, bytes),
    () => user.rename(tmp, path),
    () => removeIfThere(user, lock),
  ]
}

function removeIfThere(user: EditedDisk, path: string): void {
  if (user.exists(path)) user.remove(path)
}
