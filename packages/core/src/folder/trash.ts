import { FileSystemError } from '../errors.js'
import type { FolderContext } from './context.js'
import { type Fingerprint, fingerprintOf } from './fingerprint.js'
import { statAbsolute } from './guard.js'
import type { TrashRecord } from './journal.js'
import type { StatePaths } from './state-directory.js'

export interface TrashLimits {
  /** @default 30 days */
  maxAgeMs: number
  /** Oldest first until it fits. @default 20 GiB */
  maxBytes: number
}

export const TRASH_LIMITS: TrashLimits = { maxAgeMs: 30 * 24 * 3600_000, maxBytes: 20 * 2 ** 30 }

/** Programs that still had the file open may have written to it after it was moved away: that is a version of its own. */
export function wasWritten(before: Fingerprint, now: Fingerprint): boolean {
  return before.size !== now.size || before.mtimeNs !== now.mtimeNs
}

type TrashContext = Pick<FolderContext, 'files' | 'journal' | 'clock'>

/** Trash records whose file was written to since. Those without a file are forgotten. */
export async function lateWrites(
  folder: TrashContext,
  paths: StatePaths,
  records: readonly TrashRecord[],
): Promise<TrashRecord[]> {
  const found: TrashRecord[] = []
  for (const record of records) {
    const stat = await statAbsolute(folder, folder.files.join(paths.trash, record.name))
    if (stat === undefined) folder.journal.endTrash(record.name)
    else if (wasWritten(record.print, fingerprintOf(stat))) found.push(record)
  }
  return found
}

/** What is too old or too much, oldest first. */
export function expired(folder: TrashContext, limits: TrashLimits): TrashRecord[] {
  const now = folder.clock.now()
  const records = [...folder.journal.trash.values()].sort((a, b) => a.time - b.time)
  let bytes = records.reduce((sum, record) => sum + record.print.size, 0)
  return records.filter((record) => {
    if (now - record.time <= limits.maxAgeMs && bytes <= limits.maxBytes) return false
    bytes -= record.print.size
    return true
  })
}

/**
 * Removes a temporary file whose time is over. A disk that refuses now is asked again later: what the file was made for does not fail by it.
 */
export async function discard(
  folder: Pick<FolderContext, 'files' | 'leftovers'>,
  path: string,
): Promise<void> {
  try {
    await removeQuietly(folder, path)
    folder.leftovers.delete(path)
  } catch {
    folder.leftovers.add(path)
  }
}

export async function removeQuietly(folder: Pick<FolderContext, 'files'>, path: string): Promise<void> {
  try {
    await folder.files.unlink(path)
  } catch (error) {
    if (!(error instanceof FileSystemError) || error.errno !== 'ENOENT') throw error
  }
}
