import { constants } from 'node:fs'
import { access, mkdir, open, readdir, readFile, rename, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { openSegmentFiles, type SegmentFile, type SegmentFiles } from '../log-store/files.js'

/**
 * The disk as a block store uses it, narrow enough that tests put failing and crashing ones behind it. Paths are relative to the store's
 * directory; errors are those of the platform.
 */
export interface Disk {
  /** For messages. */
  readonly name: string
  /** Makes a directory and its parents. Returns the topmost one that was missing. */
  makeDirectory(path: string): Promise<string | undefined>
  /** Creates a file that must not exist. */
  create(path: string): Promise<Pick<SegmentFile, 'write' | 'datasync' | 'close'>>
  read(path: string): Promise<Uint8Array>
  /** An error other than "missing" is thrown, not answered. */
  exists(path: string): Promise<boolean>
  /** Names in a directory; none when it is missing. */
  list(path: string): Promise<string[]>
  rename(from: string, to: string): Promise<void>
  unlink(path: string): Promise<void>
  syncDirectory(path: string): Promise<void>
  segments(path: string): Promise<SegmentFiles>
}

export function nodeDisk(root: string): Disk {
  const at = (path: string) => join(root, path)
  return {
    name: root,
    makeDirectory: async (path) => {
      const made = await mkdir(at(path), { recursive: true, mode: 0o700 })
      return made === undefined ? undefined : made.slice(root.length).replace(/^[\\/]/, '')
    },
    create: async (path) => {
      const handle = await open(at(path), 'wx', 0o600)
      return {
        write: async (bytes, offset) => {
          for (let done = 0; done < bytes.length; ) {
            done += (await handle.write(bytes, done, bytes.length - done, offset + done)).bytesWritten
          }
        },
        datasync: () => handle.datasync(),
        close: () => handle.close(),
      }
    },
    read: async (path) => {
      const buffer = await readFile(at(path), { flag: constants.O_RDONLY | constants.O_NOFOLLOW })
      return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength)
    },
    exists: (path) =>
      unlessMissing(
        access(at(path)).then(() => true),
        false,
      ),
    list: (path) => unlessMissing(readdir(at(path)), []),
    rename: (from, to) => rename(at(from), at(to)),
    unlink: (path) => unlink(at(path)),
    syncDirectory: async (path) => {
      const handle = await open(at(path), 'r')
      try {
        await handle.sync()
      } finally {
        await handle.close()
      }
    },
    segments: (path) => openSegmentFiles(at(path)),
  }
}

export function isMissing(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | undefined)?.code
  return code === 'ENOENT' || code === 'ENOTDIR'
}

async function unlessMissing<T>(call: Promise<T>, missing: T): Promise<T> {
  try {
    return await call
  } catch (error) {
    if (isMissing(error)) return missing
    throw error
  }
}
