import { PeerfoldError } from '@peerfold/core'
import type { BlockDisk, SegmentFile, SegmentFiles } from '@peerfold/core/platform'

/** As dedicated workers have it; the DOM's types leave it out. */
interface SyncAccessHandle {
  getSize(): number
  read(buffer: Uint8Array, options: { at: number }): number
  /** How much was written: less than all when there is no room. */
  write(bytes: Uint8Array, options: { at: number }): number
  truncate(size: number): void
  flush(): void
  close(): void
}

type SyncFileHandle = FileSystemFileHandle & { createSyncAccessHandle(): Promise<SyncAccessHandle> }

/**
 * A directory of the origin private file system as the disk of a block store. Only in dedicated workers: synchronous access handles exist nowhere
 * else, and only they write in place.
 *
 * @param root path below the origin's root, made when it is missing
 */
export async function openOpfsDisk(root: string): Promise<BlockDisk> {
  const top = await directoryAt(await navigator.storage.getDirectory(), root)
  return {
    name: root,
    makeDirectory: async (path) => void (await directoryAt(top, path)),
    create: async (path) => {
      const [parent, name] = await parentOf(top, path)
      return openSegment(parent, name, true)
    },
    exists: (path) => exists(top, path),
    unlink: async (path) => {
      const [parent, name] = await parentOf(top, path)
      await parent.removeEntry(name)
    },
    // Names are as durable as the file system makes them: there is no call for it.
    syncDirectory: async () => {},
    segments: async (path) => segmentsIn(await directoryAt(top, path)),
    toError,
  }
}

/** Removes a directory with all that is in it. One that is not there is no error. */
export async function removeOpfsDirectory(root: string): Promise<void> {
  const parts = partsOf(root)
  const name = parts.pop() as string
  try {
    let parent = await navigator.storage.getDirectory()
    for (const part of parts) parent = await parent.getDirectoryHandle(part)
    await parent.removeEntry(name, { recursive: true })
  } catch (error) {
    if (!isMissing(error)) throw toError(root, error)
  }
}

function segmentsIn(directory: FileSystemDirectoryHandle): SegmentFiles {
  return {
    list: async () => {
      const names: string[] = []
      for await (const name of directory.keys()) names.push(name)
      return names
    },
    open: (name, create) => openSegment(directory, name, create),
    remove: (name) => directory.removeEntry(name),
    sync: async () => {},
  }
}

async function openSegment(
  directory: FileSystemDirectoryHandle,
  name: string,
  create: boolean,
): Promise<SegmentFile> {
  const file = (await directory.getFileHandle(name, { create })) as SyncFileHandle
  const handle = await file.createSyncAccessHandle()
  return {
    size: async () => handle.getSize(),
    read: async (buffer, offset) => handle.read(buffer, { at: offset }),
    write: async (bytes, offset) => {
      const written = handle.write(bytes, { at: offset })
      if (written < bytes.length) throw new DOMException(`${name}: no room`, 'QuotaExceededError')
    },
    truncate: async (size) => handle.truncate(size),
    datasync: async () => handle.flush(),
    close: async () => handle.close(),
  }
}

async function directoryAt(
  from: FileSystemDirectoryHandle,
  path: string,
): Promise<FileSystemDirectoryHandle> {
  let directory = from
  for (const part of partsOf(path)) directory = await directory.getDirectoryHandle(part, { create: true })
  return directory
}

async function parentOf(
  top: FileSystemDirectoryHandle,
  path: string,
): Promise<[parent: FileSystemDirectoryHandle, name: string]> {
  const parts = partsOf(path)
  const name = parts.pop() as string
  return [await directoryAt(top, parts.join('/')), name]
}

async function exists(top: FileSystemDirectoryHandle, path: string): Promise<boolean> {
  const [parent, name] = await parentOf(top, path)
  try {
    await parent.getFileHandle(name)
    return true
  } catch (error) {
    if (isMissing(error)) return false
    throw error
  }
}

const partsOf = (path: string): string[] => path.split('/').filter((part) => part !== '')

const isMissing = (error: unknown): boolean => (error as { name?: unknown }).name === 'NotFoundError'

/** What browsers throw when their storage is full, held by another worker, or taken away. */
function toError(what: string, cause: unknown): PeerfoldError {
  if (cause instanceof PeerfoldError) return cause
  const { name } = cause as { name?: unknown }
  if (name === 'QuotaExceededError')
    return new PeerfoldError('STORE_FULL', `${what}: the browser gives no more storage`, { cause })
  if (name === 'NoModificationAllowedError')
    return new PeerfoldError('HOME_LOCKED', `${what} is open in another tab`, {
      cause,
      hint: 'Close the other tab of this app.',
    })
  return new PeerfoldError('IO_FAILED', `${what}: ${String(name ?? 'failed')}`, { cause })
}
