import { FileSystemError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'
import type { DirectoryEntry, FileHandle, FileStat, FileSystem } from '../ports/file-system.js'

/** A `FileSystem` in memory, whose every call can be made to fail, or to be the last. */
export interface FakeDisk extends FileSystem {
  /** Called before each call; what it throws is what the call throws. It may also change the disk, as another program would. */
  before: (operation: string, path: string) => void
  /** The same disk after its process was killed: earlier handles stay dead, nothing that was done is undone. */
  reopen(): FakeDisk
  /** What a person or another program does, unseen by `before`. */
  readonly user: DiskUser
}

/** Plain changes, as by a person. Paths are absolute; parents must exist. */
export interface DiskUser {
  write(path: string, bytes: Uint8Array): void
  mkdir(path: string): void
  rename(from: string, to: string): void
  remove(path: string): void
  symlink(target: string, path: string): void
  chmod(path: string, mode: number): void
  exists(path: string): boolean
  read(path: string): Uint8Array
  /** All paths below a directory with what lies there, sorted. */
  walk(
    path: string,
  ): Array<{ path: string; type: FileStat['type']; bytes?: Uint8Array; target?: string; mode: number }>
}

interface Inode {
  ino: bigint
  type: FileStat['type']
  bytes: Uint8Array
  target: string
  children: Map<string, Inode>
  mode: number
  nlink: number
  mtimeNs: bigint
  ctimeNs: bigint
  birthtimeNs: bigint
}

/** Shared by a disk and its reopenings. */
interface Volume {
  root: Inode
  nextInode: bigint
  /** Nanoseconds; moves on with each change. */
  now: bigint
}

const DEV = 1n
const TICK = 10_000_001n

/** @param start time of the first change, milliseconds since 1970. @default 2020-01-01 */
export function createFakeDisk(start = 1_577_836_800_000): FakeDisk {
  const now = BigInt(start) * 1_000_000n
  const volume: Volume = { root: undefined as unknown as Inode, nextInode: 1n, now }
  volume.root = newInode(volume, 'folder', 0o755)
  return openVolume(volume)
}

function openVolume(volume: Volume): FakeDisk {
  let dead = false
  const disk: FakeDisk = {
    before: () => {},
    reopen: () => {
      dead = true
      return openVolume(volume)
    },
    user: createUser(volume),
    lstat: (path, options) => call('lstat', path, () => toStat(find(volume, path)), options),
    readdir: (path, options) => call('readdir', path, () => list(volume, path), options),
    openRead: (path, options) =>
      call('openRead', path, () => handleOf(openInode(volume, path), path), options),
    create: (path, mode, options) =>
      call(
        'create',
        path,
        () => handleOf(add(volume, path, newInode(volume, 'file', mode & ~0o022)), path),
        options,
      ),
    readlink: (path) =>
      call('readlink', path, () => {
        const inode = find(volume, path)
        if (inode.type !== 'symlink') throw new FileSystemError('EINVAL', path)
        return inode.target
      }),
    symlink: (target, path) => call('symlink', path, () => makeLink(volume, target, path)),
    link: (from, to) =>
      call('link', to, () => {
        const inode = find(volume, from)
        if (inode.type === 'folder') throw new FileSystemError('EPERM', from)
        add(volume, to, inode)
        inode.nlink++
        inode.ctimeNs = tick(volume)
      }),
    rename: (from, to) => call('rename', from, () => rename(volume, from, to)),
    mkdir: (path, mode = 0o755) =>
      call('mkdir', path, () => void add(volume, path, newInode(volume, 'folder', mode))),
    rmdir: (path) =>
      call('rmdir', path, () => {
        const inode = find(volume, path)
        if (inode.type !== 'folder') throw new FileSystemError('ENOTDIR', path)
        if (inode.children.size > 0) throw new FileSystemError('ENOTEMPTY', path)
        drop(volume, path)
      }),
    unlink: (path) =>
      call('unlink', path, () => {
        if (find(volume, path).type === 'folder') throw new FileSystemError('EISDIR', path)
        drop(volume, path)
      }),
    chmod: (path, mode) => call('chmod', path, () => setMode(volume, find(volume, path), mode)),
    utimes: (path, mtimeMs) => call('utimes', path, () => setTime(volume, find(volume, path), mtimeMs)),
    syncDirectory: (path) => call('syncDirectory', path, () => void find(volume, path)),
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
    await Promise.resolve()
    options?.signal?.throwIfAborted()
    if (dead) throw new FileSystemError('EIO', path)
    disk.before(operation, path)
    if (dead) throw new FileSystemError('EIO', path)
    return action()
  }

  function handleOf(inode: Inode, path: string): FileHandle {
    return {
      stat: () => call('fstat', path, () => toStat(inode)),
      read: (buffer, position) =>
        call('read', path, () => {
          const piece = inode.bytes.subarray(position, position + buffer.length)
          buffer.set(piece)
          return piece.length
        }),
      write: (bytes, position) => call('write', path, () => writeAt(volume, inode, bytes, position)),
      truncate: (size) => call('truncate', path, () => resize(volume, inode, size)),
      chmod: (mode) => call('fchmod', path, () => setMode(volume, inode, mode)),
      utimes: (mtimeMs) => call('futimes', path, () => setTime(volume, inode, mtimeMs)),
      sync: () => call('fsync', path, () => undefined),
      close: async () => {},
    }
  }
}

function createUser(volume: Volume): DiskUser {
  return {
    write: (path, bytes) => {
      const found = tryFind(volume, path)
      const inode = found ?? add(volume, path, newInode(volume, 'file', 0o644))
      inode.bytes = bytes.slice()
      inode.mtimeNs = inode.ctimeNs = tick(volume)
    },
    mkdir: (path) => void add(volume, path, newInode(volume, 'folder', 0o755)),
    rename: (from, to) => rename(volume, from, to),
    remove: (path) => drop(volume, path),
    symlink: (target, path) => makeLink(volume, target, path),
    chmod: (path, mode) => setMode(volume, find(volume, path), mode),
    exists: (path) => tryFind(volume, path) !== undefined,
    read: (path) => find(volume, path).bytes.slice(),
    walk: (path) => walk(find(volume, path), ''),
  }
}

function walk(inode: Inode, path: string): ReturnType<DiskUser['walk']> {
  const found: ReturnType<DiskUser['walk']> = []
  for (const [name, child] of [...inode.children].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const at = path === '' ? name : `${path}/${name}`
    const { type, mode } = child
    if (type === 'file') found.push({ path: at, type, mode, bytes: child.bytes.slice() })
    else if (type === 'symlink') found.push({ path: at, type, mode, target: child.target })
    else found.push({ path: at, type, mode }, ...walk(child, at))
  }
  return found
}

function newInode(volume: Volume, type: Inode['type'], mode: number): Inode {
  const time = tick(volume)
  const times = { mtimeNs: time, ctimeNs: time, birthtimeNs: time }
  const ino = volume.nextInode++
  return { ino, type, mode, bytes: new Uint8Array(), target: '', children: new Map(), nlink: 1, ...times }
}

function tick(volume: Volume): bigint {
  volume.now += TICK
  return volume.now
}

function toStat(inode: Inode): FileStat {
  const { ino, type, mode, nlink, mtimeNs, ctimeNs, birthtimeNs } = inode
  const size = type === 'symlink' ? inode.target.length : inode.bytes.length
  return { dev: DEV, ino, type, mode, nlink, size, mtimeNs, ctimeNs, birthtimeNs }
}

const namesOf = (path: string): string[] => path.split('/').filter((name) => name !== '')

/** The directory that a path lies in, and its last name. Links in between are followed, as a system does. */
function locate(volume: Volume, path: string, depth = 0): { parent: Inode; name: string } {
  if (depth > 40) throw new FileSystemError('ELOOP', path)
  const names = namesOf(path)
  const name = names.pop() ?? ''
  if (new TextEncoder().encode(name).length > 255) throw new FileSystemError('ENAMETOOLONG', path)
  let parent = volume.root
  let at = ''
  for (const step of names) {
    let next = parent.children.get(step)
    at += `/${step}`
    if (next?.type === 'symlink') {
      at = next.target.startsWith('/') ? next.target : `${at.slice(0, at.lastIndexOf('/'))}/${next.target}`
      next = find(volume, at, depth + 1)
    }
    if (next === undefined) throw new FileSystemError('ENOENT', path)
    if (next.type !== 'folder') throw new FileSystemError('ENOTDIR', path)
    parent = next
  }
  return { parent, name }
}

function find(volume: Volume, path: string, depth = 0): Inode {
  if (namesOf(path).length === 0) return volume.root
  const { parent, name } = locate(volume, path, depth)
  const inode = parent.children.get(name)
  if (inode === undefined) throw new FileSystemError('ENOENT', path)
  return inode
}

function tryFind(volume: Volume, path: string): Inode | undefined {
  try {
    return find(volume, path)
  } catch {
    return undefined
  }
}

function openInode(volume: Volume, path: string): Inode {
  const inode = find(volume, path)
  if (inode.type === 'symlink') throw new FileSystemError('ELOOP', path)
  return inode
}

function list(volume: Volume, path: string): DirectoryEntry[] {
  const inode = find(volume, path)
  if (inode.type !== 'folder') throw new FileSystemError('ENOTDIR', path)
  return [...inode.children.keys()].map((name) => ({ name, addressable: true }))
}

function add(volume: Volume, path: string, inode: Inode): Inode {
  const { parent, name } = locate(volume, path)
  if (parent.children.has(name)) throw new FileSystemError('EEXIST', path)
  parent.children.set(name, inode)
  parent.mtimeNs = parent.ctimeNs = tick(volume)
  return inode
}

function drop(volume: Volume, path: string): void {
  const { parent, name } = locate(volume, path)
  const inode = find(volume, path)
  parent.children.delete(name)
  inode.nlink--
  inode.ctimeNs = parent.mtimeNs = parent.ctimeNs = tick(volume)
}

function rename(volume: Volume, from: string, to: string): void {
  const inode = find(volume, from)
  const target = tryFind(volume, to)
  if (target === inode) return
  if (inode.type === 'folder' && `${to}/`.startsWith(`${from}/`)) throw new FileSystemError('EINVAL', from)
  if (target?.type === 'folder' && inode.type !== 'folder') throw new FileSystemError('EISDIR', to)
  if (target !== undefined && inode.type === 'folder' && target.type !== 'folder')
    throw new FileSystemError('ENOTDIR', to)
  if (target !== undefined && target.children.size > 0) throw new FileSystemError('ENOTEMPTY', to)
  locate(volume, to)
  if (target !== undefined) drop(volume, to)
  const { parent, name } = locate(volume, from)
  parent.children.delete(name)
  add(volume, to, inode)
  inode.ctimeNs = parent.mtimeNs = tick(volume)
}

function makeLink(volume: Volume, target: string, path: string): void {
  const inode = newInode(volume, 'symlink', 0o777)
  inode.target = target
  add(volume, path, inode)
}

function writeAt(volume: Volume, inode: Inode, bytes: Uint8Array, position: number): void {
  if (position + bytes.length > inode.bytes.length) resize(volume, inode, position + bytes.length)
  const copy = inode.bytes.slice()
  copy.set(bytes, position)
  inode.bytes = copy
  inode.mtimeNs = inode.ctimeNs = tick(volume)
}

function resize(volume: Volume, inode: Inode, size: number): void {
  const copy = new Uint8Array(size)
  copy.set(inode.bytes.subarray(0, size))
  inode.bytes = copy
  inode.mtimeNs = inode.ctimeNs = tick(volume)
}

function setMode(volume: Volume, inode: Inode, mode: number): void {
  inode.mode = mode
  inode.ctimeNs = tick(volume)
}

function setTime(volume: Volume, inode: Inode, mtimeMs: number): void {
  inode.mtimeNs = BigInt(Math.floor(mtimeMs)) * 1_000_000n + 500n
  inode.ctimeNs = tick(volume)
}
