import { isUtf8 } from 'node:buffer'
import { type BigIntStats, constants, type Dirent } from 'node:fs'
import * as fs from 'node:fs/promises'
import { join } from 'node:path'
import type { AbortOptions, DirectoryEntry, FileHandle, FileStat, FileSystem } from '@peerfold/core'
import { FileSystemError } from '@peerfold/core'

/** `O_NOFOLLOW` and `O_NONBLOCK` don't exist on Windows, where neither danger does. */
const READ_FLAGS = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)

/** The disk, by way of Node. */
export function createNodeFileSystem(): FileSystem {
  return {
    lstat: async (path, options) => toStat(await attempt(path, fs.lstat(path, { bigint: true }), options)),
    readdir: async (path, options) => {
      options?.signal?.throwIfAborted()
      return (await attempt(path, fs.readdir(Buffer.from(path), { encoding: 'buffer' }), options)).map(
        toEntry,
      )
    },
    openRead: async (path, options) =>
      wrap(path, await attempt(path, fs.open(path, READ_FLAGS), options, close)),
    create: async (path, mode, options) =>
      wrap(path, await attempt(path, fs.open(path, 'wx+', mode), options, close)),
    readlink: (path) => attempt(path, readTarget(path)),
    symlink: (target, path) => attempt(path, fs.symlink(target, path)),
    link: (from, to) => attempt(to, fs.link(from, to)),
    rename: (from, to) => attempt(from, fs.rename(from, to)),
    mkdir: async (path, mode) =>
      void (await attempt(path, fs.mkdir(path, mode === undefined ? {} : { mode }))),
    rmdir: (path) => attempt(path, fs.rmdir(path)),
    unlink: (path) => attempt(path, fs.unlink(path)),
    chmod: (path, mode) => attempt(path, fs.chmod(path, mode)),
    utimes: (path, mtimeMs) => attempt(path, fs.utimes(path, toSeconds(mtimeMs), toSeconds(mtimeMs))),
    syncDirectory: (path) => attempt(path, syncDirectory(path)),
    reflink: (from, to) => reflink(from, to),
    join: (...parts) => join(...parts),
  }
}

/**
 * Translates errors, and rejects when aborted. A call that was begun can't be stopped: what it opens after an abort is released.
 */
async function attempt<T>(
  path: string,
  call: Promise<T>,
  options?: AbortOptions,
  release?: (value: T) => Promise<void>,
): Promise<T> {
  let value: T
  try {
    value = await call
  } catch (error) {
    throw translate(error, path)
  }
  if (options?.signal?.aborted) {
    await release?.(value)
    throw options.signal.reason
  }
  return value
}

function translate(error: unknown, path: string): unknown {
  const code = (error as NodeJS.ErrnoException | undefined)?.code
  if (typeof code !== 'string') return error
  if (error instanceof FileSystemError) return error
  // Node refuses paths with NUL before the system sees them.
  const errno = code === 'ERR_INVALID_ARG_VALUE' ? 'EINVAL' : code
  return new FileSystemError(errno, path, { cause: error })
}

const close = (handle: fs.FileHandle): Promise<void> => handle.close()

function wrap(path: string, handle: fs.FileHandle): FileHandle {
  let closed: Promise<void> | undefined
  return {
    stat: async (options) => toStat(await attempt(path, handle.stat({ bigint: true }), options)),
    read: async (buffer, position, options) => readFully(path, handle, buffer, position, options),
    write: async (bytes, position, options) => writeFully(path, handle, bytes, position, options),
    truncate: (size) => attempt(path, handle.truncate(size)),
    chmod: (mode) => attempt(path, handle.chmod(mode)),
    utimes: (mtimeMs) => attempt(path, handle.utimes(toSeconds(mtimeMs), toSeconds(mtimeMs))),
    sync: () => attempt(path, handle.sync()),
    close: () => {
      closed ??= attempt(path, handle.close())
      return closed
    },
  }
}

async function readFully(
  path: string,
  handle: fs.FileHandle,
  buffer: Uint8Array,
  position: number,
  options?: AbortOptions,
): Promise<number> {
  let done = 0
  while (done < buffer.length) {
    const call = handle.read(buffer, done, buffer.length - done, position + done)
    const { bytesRead } = await attempt(path, call, options)
    if (bytesRead === 0) break
    done += bytesRead
  }
  return done
}

async function writeFully(
  path: string,
  handle: fs.FileHandle,
  bytes: Uint8Array,
  position: number,
  options?: AbortOptions,
): Promise<void> {
  let done = 0
  while (done < bytes.length) {
    const call = handle.write(bytes, done, bytes.length - done, position + done)
    done += (await attempt(path, call, options)).bytesWritten
  }
}

/**
 * Node turns seconds into a double and that into nanoseconds, rounding down: half a microsecond keeps the millisecond from becoming the one
 * before.
 */
function toSeconds(milliseconds: number): number {
  return (milliseconds + 0.0005) / 1000
}

function toStat(stats: BigIntStats): FileStat {
  return {
    type: typeOf(stats),
    dev: stats.dev,
    ino: stats.ino,
    size: Number(stats.size),
    mtimeNs: stats.mtimeNs,
    ctimeNs: stats.ctimeNs,
    birthtimeNs: stats.birthtimeNs,
    mode: Number(stats.mode) & 0o7777,
    nlink: Number(stats.nlink),
  }
}

function typeOf(stats: BigIntStats | Dirent): FileStat['type'] {
  if (stats.isFile()) return 'file'
  if (stats.isDirectory()) return 'folder'
  if (stats.isSymbolicLink()) return 'symlink'
  return 'other'
}

/** Names are bytes. Those that are no UTF-8 are told, not skipped. */
function toEntry(name: Buffer): DirectoryEntry {
  return { name: name.toString('utf8'), addressable: isUtf8(name) }
}

async function readTarget(path: string): Promise<string> {
  const target = await fs.readlink(path, { encoding: 'buffer' })
  if (!isUtf8(target)) throw new FileSystemError('EILSEQ', path)
  return target.toString('utf8')
}

/** Where directories can't be opened or synced (Windows, some network file systems) the system sees to it itself. */
async function syncDirectory(path: string): Promise<void> {
  const handle = await fs.open(path, constants.O_RDONLY).catch((error: NodeJS.ErrnoException) => {
    if (UNSYNCABLE.has(error.code ?? '')) return undefined
    throw error
  })
  if (handle === undefined) return
  try {
    await handle.sync()
  } catch (error) {
    if (!UNSYNCABLE.has((error as NodeJS.ErrnoException).code ?? '')) throw error
  } finally {
    await handle.close()
  }
}

const UNSYNCABLE = new Set(['EISDIR', 'EPERM', 'EINVAL', 'ENOTSUP'])
const UNCLONEABLE = new Set(['ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EXDEV', 'EINVAL', 'ENOTTY', 'EPERM'])

async function reflink(from: string, to: string): Promise<boolean> {
  try {
    await fs.copyFile(from, to, constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL)
    return true
  } catch (error) {
    if (!UNCLONEABLE.has((error as NodeJS.ErrnoException).code ?? '')) throw translate(error, to)
    return false
  }
}
