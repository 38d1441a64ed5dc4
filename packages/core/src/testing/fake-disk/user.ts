import { FileSystemError } from '../../errors.js'
import type { FileStat } from '../../ports/file-system.js'
import type { Inode, Volume } from './volume.js'

/** Plain changes, as by a person or another program. Paths are absolute; parents must exist. What goes wrong throws `FileSystemError`. */
export interface DiskUser {
  /** Makes a file, or overwrites one in place: its inode stays. */
  write(path: string, bytes: Uint8Array): void
  append(path: string, bytes: Uint8Array): void
  /** A file that a program keeps open: it writes to this inode, wherever it lies by then. */
  open(path: string): OpenFile
  mkdir(path: string): void
  /** Replaces files and empty directories, as `rename(2)` does. */
  rename(from: string, to: string): void
  /** A directory goes with all that is in it. */
  remove(path: string): void
  symlink(target: string, path: string): void
  chmod(path: string, mode: number): void
  exists(path: string): boolean
  /** Undefined when nothing is there. */
  typeOf(path: string): FileStat['type'] | undefined
  read(path: string): Uint8Array
  /** All paths below a directory with what lies there, sorted. */
  walk(path: string): DiskEntry[]
}

export interface OpenFile {
  read(): Uint8Array
  /** Overwrites the whole file. */
  write(bytes: Uint8Array): void
  /** Whether it lies anywhere still. What is written to a file without a name is gone when it is closed. */
  isNamed(): boolean
  close(): void
}

export interface DiskEntry {
  path: string
  type: FileStat['type']
  bytes?: Uint8Array
  target?: string
  mode: number
}

export function createUser(volume: Volume): DiskUser {
  return {
    write: (path, bytes) => volume.setBytes(fileToWrite(volume, path), bytes.slice()),
    append: (path, bytes) => {
      const inode = fileToWrite(volume, path)
      volume.writeAt(inode, bytes, inode.bytes.length)
    },
    open: (path) => open(volume, volume.find(path)),
    mkdir: (path) => void volume.add(path, volume.newInode('folder', 0o755)),
    rename: (from, to) => volume.rename(from, to),
    remove: (path) => volume.drop(path),
    symlink: (target, path) => volume.symlink(target, path),
    chmod: (path, mode) => volume.setMode(volume.find(path), mode),
    exists: (path) => volume.tryFind(path) !== undefined,
    typeOf: (path) => volume.tryFind(path)?.type,
    read: (path) => volume.find(path).bytes.slice(),
    walk: (path) => walk(volume.find(path), ''),
  }
}

function fileToWrite(volume: Volume, path: string): Inode {
  const found = volume.tryFind(path)
  if (found !== undefined && found.type !== 'file') throw new FileSystemError('EISDIR', path)
  return found ?? volume.add(path, volume.newInode('file', 0o644))
}

function open(volume: Volume, inode: Inode): OpenFile {
  if (inode.type !== 'file') throw new FileSystemError('EISDIR', 'open')
  volume.opened(inode)
  let isOpen = true
  return {
    read: () => inode.bytes.slice(),
    isNamed: () => inode.nlink > 0,
    write: (bytes) => {
      if (isOpen) volume.setBytes(inode, bytes.slice())
    },
    close: () => {
      if (isOpen) volume.closed(inode)
      isOpen = false
    },
  }
}

function walk(inode: Inode, path: string): DiskEntry[] {
  const found: DiskEntry[] = []
  const links = [...inode.children.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
  for (const { name, inode: child } of links) {
    const at = path === '' ? name : `${path}/${name}`
    const { type, mode } = child
    if (type === 'file') found.push({ path: at, type, mode, bytes: child.bytes.slice() })
    else if (type === 'symlink') found.push({ path: at, type, mode, target: child.target })
    else found.push({ path: at, type, mode }, ...walk(child, at))
  }
  return found
}
