import { toUtf8 } from '../encoding/bytes.js'
import { FileSystemError, PeerfoldError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'
import type { FileHandle, FileStat, FileSystem } from '../ports/file-system.js'
import { type Fingerprint, fingerprintOf, sameFingerprint } from './fingerprint.js'

const PIECE = 1 << 20

/**
 * Reads a file that others may be writing to: what `consume` was given is one state of the file, or it throws. `bytes` may be iterated once.
 *
 * @returns the fingerprint of what was read, and what `consume` returned
 * @throws {PeerfoldError} `FILE_BUSY` when it changed while it was read, `FILE_UNSUPPORTED`; {FileSystemError}
 */
export async function readStable<T>(
  files: FileSystem,
  path: string,
  type: 'file' | 'symlink',
  consume: (bytes: AsyncIterable<Uint8Array>, stat: FileStat) => Promise<T>,
  options?: AbortOptions,
): Promise<{ print: Fingerprint; stat: FileStat; value: T }> {
  if (type === 'symlink') return readLink(files, path, consume, options)
  const handle = await files.openRead(path, options)
  try {
    const stat = await handle.stat(options)
    if (stat.type !== 'file') throw busy(path)
    const value = await consume(pieces(handle, stat.size, options), stat)
    const print = fingerprintOf(stat)
    if (!sameFingerprint(print, fingerprintOf(await handle.stat(options)))) throw busy(path)
    return { print, stat, value }
  } finally {
    await handle.close()
  }
}

async function readLink<T>(
  files: FileSystem,
  path: string,
  consume: (bytes: AsyncIterable<Uint8Array>, stat: FileStat) => Promise<T>,
  options?: AbortOptions,
): Promise<{ print: Fingerprint; stat: FileStat; value: T }> {
  const stat = await files.lstat(path, options)
  if (stat.type !== 'symlink') throw busy(path)
  const target = await files.readlink(path)
  const value = await consume(once(toUtf8(target)), stat)
  const print = fingerprintOf(stat)
  if (!sameFingerprint(print, fingerprintOf(await files.lstat(path, options)))) throw busy(path)
  return { print, stat, value }
}

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes
}

/** To the end, wherever that is by now: a file that grew is noticed afterwards. All pieces share one buffer. */
async function* pieces(handle: FileHandle, size: number, options?: AbortOptions): AsyncIterable<Uint8Array> {
  const buffer = new Uint8Array(Math.min(PIECE, size))
  let position = 0
  while (position < size) {
    const count = await handle.read(buffer.subarray(0, size - position), position, options)
    if (count === 0) return
    position += count
    yield buffer.subarray(0, count)
  }
}

function busy(path: string): PeerfoldError {
  return new PeerfoldError('FILE_BUSY', `${path} changed while it was read`)
}

/** Gone, or something else by now: no error, the next scan tells. */
export function isGone(error: unknown): boolean {
  return error instanceof FileSystemError && ['ENOENT', 'ENOTDIR', 'ELOOP', 'EISDIR'].includes(error.errno)
}
