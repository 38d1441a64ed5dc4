import type { ContentRef } from '../content/types.js'
import { fromUtf8 } from '../encoding/bytes.js'
import { PeerfoldError } from '../errors.js'
import type { FileHandle } from '../ports/file-system.js'
import type { FileVersion } from '../tree/types.js'
import type { FolderContext } from './context.js'
import { type Fingerprint, fingerprintOf } from './fingerprint.js'
import type { FolderSource } from './types.js'

type WriteContext = Pick<FolderContext, 'files' | 'signal'> & { source: Pick<FolderSource, 'open'> }

/**
 * Content and time of a version under a name that is free, synced.
 *
 * @param mode permission bits. @default what the process makes files with, executable where the version is
 * @throws {PeerfoldError} `BLOCKS_UNAVAILABLE`, `MANIFEST_INVALID`, `FILE_UNSUPPORTED`; {FileSystemError}
 */
export async function writeVersion(
  folder: WriteContext,
  tmp: string,
  head: FileVersion,
  mode?: number,
): Promise<Fingerprint> {
  if (head.type === 'symlink') return writeLink(folder, tmp, head)
  const handle = await folder.files.create(tmp, head.executable ? 0o777 : 0o666)
  try {
    await writeBytes(folder, handle, head.content)
    if (mode !== undefined) await handle.chmod(mode)
    await handle.utimes(head.mtime)
    await handle.sync()
    return fingerprintOf(await handle.stat())
  } finally {
    await handle.close()
  }
}

/** Runs of zeros are left out: the file system reads them as zeros and need not store them. */
async function writeBytes(folder: WriteContext, handle: FileHandle, content: ContentRef): Promise<void> {
  let position = 0
  let holes = false
  for await (const piece of folder.source.open(content, { signal: folder.signal, reuse: true })) {
    if (piece.length >= HOLE && isZero(piece)) holes = true
    else await handle.write(piece, position)
    position += piece.length
  }
  if (position !== content.size)
    throw new PeerfoldError('MANIFEST_INVALID', `content has ${position} bytes instead of ${content.size}`)
  if (holes) await handle.truncate(content.size)
}

const HOLE = 4096

function isZero(bytes: Uint8Array): boolean {
  for (const byte of bytes) if (byte !== 0) return false
  return true
}

/** Links are written as they are and never followed. */
async function writeLink(folder: WriteContext, tmp: string, head: FileVersion): Promise<Fingerprint> {
  const pieces: Uint8Array[] = []
  for await (const piece of folder.source.open(head.content, { signal: folder.signal })) pieces.push(piece)
  const target = decodeTarget(pieces)
  if (target === undefined)
    throw new PeerfoldError('FILE_UNSUPPORTED', 'a symbolic link without a usable target')
  await folder.files.symlink(target, tmp)
  return fingerprintOf(await folder.files.lstat(tmp))
}

const MAX_TARGET = 4095

function decodeTarget(pieces: readonly Uint8Array[]): string | undefined {
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0)
  if (length === 0 || length > MAX_TARGET) return undefined
  const bytes = new Uint8Array(length)
  let position = 0
  for (const piece of pieces) {
    bytes.set(piece, position)
    position += piece.length
  }
  try {
    const target = fromUtf8(bytes)
    return target.includes('\0') ? undefined : target
  } catch {
    return undefined
  }
}
