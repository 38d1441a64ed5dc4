import { FileSystemError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'
import type { FileHandle, FileSystem } from '../ports/file-system.js'
import { createUser, type DiskUser } from './fake-disk/user.js'
import { type DiskNames, type Inode, Volume } from './fake-disk/volume.js'
import { Weather } from './fake-disk/weather.js'
import { createSeededRandom, type SeededRandom } from './seeded-random.js'

/** A `FileSystem` in memory, whose every call can be made to fail, or to be the last. */
export interface FakeDisk extends FileSystem {
  /** Called before each call; what it throws is what the call throws. It may also change the disk, as another program would. */
  before: (operation: string, path: string) => void
  /** Share of the calls that fail with EIO, ENOSPC, EACCES or EBUSY, 0 to 1. @default 0 */
  failing: number
  /** The same disk after its process was killed: earlier handles stay dead, nothing that was done is undone. */
  reopen(): FakeDisk
  /** What a person or another program does, unseen by `before` and never failing by chance. */
  readonly user: DiskUser
}

export interface FakeDiskInit {
  /** All that is random about it. @default seed 1 */
  random?: SeededRandom
  /** Wall time in milliseconds for its timestamps. @default starts in 2020 and moves on by 10 ms with each change */
  now?: () => number
  /** Steps of its timestamps in milliseconds: 10 as on some kernels, 2000 as on FAT. @default nanoseconds */
  grainMs?: number
  /** A call resolves after up to this many turns of the microtask queue, so that calls overtake each other. @default 0 */
  latency?: number
  /** @default exact */
  names?: DiskNames
  /** The number of a file that is gone is given to the next one. @default false */
  reusesInodes?: boolean
  /** False: `link` fails with ENOTSUP. @default true */
  hardLinks?: boolean
  /** False: `symlink` fails with EPERM. @default true */
  symlinks?: boolean
  /** False: every mode is 0o777, and `chmod` does nothing. @default true */
  executables?: boolean
}

/**
 * @example
 * ```ts
 * const fat = createFakeDisk({ random: createSeededRandom(7), grainMs: 2000, names: 'caseless', hardLinks: false, executables: false })
 * fat.user.write('/Notes.txt', new TextEncoder().encode('hello'))
 * (await fat.lstat('/notes.TXT')).size // 5
 * ```
 */
export function createFakeDisk(init: FakeDiskInit = {}): FakeDisk {
  const { now, grainMs = 0, names = 'exact', reusesInodes = false, executables = true } = init
  const volume = new Volume({ now, grainMs, names, reusesInodes, executables })
  return openVolume(volume, new Weather(init.random ?? createSeededRandom(1), init.latency ?? 0), init)
}

function openVolume(volume: Volume, weather: Weather, init: FakeDiskInit): FakeDisk {
  let dead = false
  const handles = new Set<{ inode: Inode }>()
  const disk: FakeDisk = {
    before: () => {},
    failing: 0,
    reopen: () => {
      dead = true
      for (const { inode } of handles) volume.closed(inode)
      handles.clear()
      return openVolume(volume, weather, init)
    },
    user: createUser(volume),
    lstat: (path, options) => call('lstat', path, () => volume.statOf(volume.find(path)), options),
    readdir: (path, options) =>
      call(
        'readdir',
        path,
        () => [...volume.folder(path).children.values()].map(({ name }) => ({ name, addressable: true })),
        options,
      ),
    openRead: (path, options) => call('openRead', path, () => handleOf(fileAt(volume, path), path), options),
    create: (path, mode, options) =>
      call('create', path, () => handleOf(newFile(volume, path, mode), path), options),
    readlink: (path) => call('readlink', path, () => linkAt(volume, path).target),
    symlink: (target, path) =>
      call('symlink', path, () => {
        if (init.symlinks === false) throw new FileSystemError('EPERM', path)
        volume.symlink(target, path)
      }),
    link: (from, to) =>
      call('link', to, () => {
        if (init.hardLinks === false) throw new FileSystemError('ENOTSUP', to)
        volume.link(from, to)
      }),
    rename: (from, to) => call('rename', from, () => volume.rename(from, to)),
    mkdir: (path, mode = 0o755) =>
      call('mkdir', path, () => void volume.add(path, volume.newInode('folder', mode))),
    rmdir: (path) =>
      call('rmdir', path, () => {
        if (volume.folder(path).children.size > 0) throw new FileSystemError('ENOTEMPTY', path)
        volume.drop(path)
      }),
    unlink: (path) =>
      call('unlink', path, () => {
        if (volume.find(path).type === 'folder') throw new FileSystemError('EISDIR', path)
        volume.drop(path)
      }),
    chmod: (path, mode) => call('chmod', path, () => volume.setMode(volume.find(path), mode)),
    utimes: (path, mtimeMs) => call('utimes', path, () => volume.setTime(volume.find(path), mtimeMs)),
    syncDirectory: (path) => call('syncDirectory', path, () => void volume.find(path)),
    reflink: (_from, to) => call('reflink', to, () => false),
    join: (...parts) =>
      parts
        .filter((part) => part !== '')
        .join('/')
        .replace(/\/+/g, '/'),
  }
  return disk

  async function call<T>(
    operation: string,
    path: string,
    action: () => T,
    options?: AbortOptions,
  ): Promise<T> {
    await weather.wait()
    options?.signal?.throwIfAborted()
    if (dead) throw new FileSystemError('EIO', path)
    disk.before(operation, path)
    if (dead) throw new FileSystemError('EIO', path)
    weather.strike(operation, path, disk.failing)
    return action()
  }

  function handleOf(inode: Inode, path: string): FileHandle {
    const opened = { inode }
    volume.opened(inode)
    handles.add(opened)
    return {
      stat: () => call('fstat', path, () => volume.statOf(inode)),
      read: (buffer, position) =>
        call('read', path, () => {
          const piece = inode.bytes.subarray(position, position + buffer.length)
          buffer.set(piece)
          return piece.length
        }),
      write: (bytes, position) => call('write', path, () => volume.writeAt(inode, bytes, position)),
      truncate: (size) => call('truncate', path, () => volume.resize(inode, size)),
      chmod: (mode) => call('fchmod', path, () => volume.setMode(inode, mode)),
      utimes: (mtimeMs) => call('futimes', path, () => volume.setTime(inode, mtimeMs)),
      sync: () => call('fsync', path, () => undefined),
      close: async () => {
        if (handles.delete(opened)) volume.closed(inode)
      },
    }
  }
}

function fileAt(volume: Volume, path: string): Inode {
  const inode = volume.find(path)
  if (inode.type === 'symlink') throw new FileSystemError('ELOOP', path)
  return inode
}

function newFile(volume: Volume, path: string, mode: number): Inode {
  return volume.add(path, volume.newInode('file', mode & ~0o022))
}

function linkAt(volume: Volume, path: string): Inode {
  const inode = volume.find(path)
  if (inode.type !== 'symlink') throw new FileSystemError('EINVAL', path)
  return inode
}
