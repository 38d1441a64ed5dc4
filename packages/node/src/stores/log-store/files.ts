import { constants } from 'node:fs'
import { mkdir, open, readdir, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { PeerfoldError } from '@peerfold/core'
import type { SegmentFile, SegmentFiles } from '@peerfold/core/platform'

export async function openSegmentFiles(directory: string): Promise<SegmentFiles> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const sync = async () => {
    const handle = await open(directory, 'r')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  }
  return {
    sync,
    list: () => readdir(directory),
    open: async (name, create) => {
      const flags =
        constants.O_RDWR | constants.O_NOFOLLOW | (create ? constants.O_CREAT | constants.O_EXCL : 0)
      return segmentFile(await open(join(directory, name), flags, 0o600))
    },
    remove: (name) => unlink(join(directory, name)),
  }
}

function segmentFile(handle: Awaited<ReturnType<typeof open>>): SegmentFile {
  return {
    size: async () => (await handle.stat()).size,
    read: (buffer, offset) => transfer(buffer, (part, at) => handle.read(part, 0, part.length, offset + at)),
    write: async (bytes, offset) => {
      await transfer(bytes, async (part, at) => {
        const { bytesWritten } = await handle.write(part, 0, part.length, offset + at)
        return { bytesRead: bytesWritten }
      })
    },
    truncate: (size) => handle.truncate(size),
    datasync: () => handle.datasync(),
    close: () => handle.close(),
  }
}

/** Repeats a call that may do less than it was asked to. */
async function transfer(
  buffer: Uint8Array,
  step: (part: Uint8Array, at: number) => Promise<{ bytesRead: number }>,
): Promise<number> {
  let done = 0
  while (done < buffer.length) {
    const { bytesRead } = await step(buffer.subarray(done), done)
    if (bytesRead === 0) break
    done += bytesRead
  }
  return done
}

/** A platform error in Peerfold's terms. */
export function diskError(what: string, cause: unknown): PeerfoldError {
  if (cause instanceof PeerfoldError) return cause
  const code = (cause as NodeJS.ErrnoException | undefined)?.code
  const full = code === 'ENOSPC' || code === 'EDQUOT'
  return new PeerfoldError(full ? 'STORE_FULL' : 'IO_FAILED', `${what}: ${code ?? 'failed'}`, { cause })
}
