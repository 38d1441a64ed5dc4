import { access, mkdir, open, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { BlockDisk } from '@peerfold/core/platform'
import { diskError, openSegmentFiles } from '../log-store/files.js'

export function nodeDisk(root: string): BlockDisk {
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
    toError: diskError,
  }
}

function isThere(error: NodeJS.ErrnoException): false {
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return false
  throw error
}
