import { access, mkdir, open, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { openSegmentFiles, type SegmentFile, type SegmentFiles } from '../log-store/files.js'

/**
 * The disk as a block store uses it, narrow enough that tests put failing and crashing ones behind it. Paths are relative to the store's
 * directory; errors are those of the platform.
 */
export interface Disk {
  /** For messages. */
  readonly name: string
  /** Makes a directory and its parents. */
  makeDirectory(path: string): Promise<void>
  /** Creates a file that must not exist. */
  create(path: string): Promise<Pick<SegmentFile, 'write' | 'close'>>
  /** An error other than "missing" is thrown, not answered. */
  exists(path: string): Promise<boolean>
  unlink(path: string): Promise<void>
  syncDirectory(path: string): Promise<void>
  segments(path: string): Promise<SegmentFiles>
}

export function nodeDisk(root: string): Disk {
  const at = (path: string) => join(root, path)
  return {
    name: root,
    makeDirectory: async (path) => void (await mkdir(at(path), { recursive: true, mode: 0o700 })),
    create: async (path) => {
      const handle = await open(at(path), 'wx', 0o600)
      return {
        write: async (bytes, offset) => {
          for (let done = 0; done < bytes.length; ) {
            done += (await handle.write(bytes, done, bytes.length - done, offset + done)).bytesWritten
          }
        },
        close: () => handle.close(),
      }
    },
    exists: (path) => access(at(path)).then(() => true, isThere),
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

function isThere(error: NodeJS.ErrnoException): false {
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return false
  throw error
}
