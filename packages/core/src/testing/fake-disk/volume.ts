import { FileSystemError } from '../../errors.js'
import type { FileStat } from '../../ports/file-system.js'

/** How a volume tells names apart. `decomposed`: kept in NFD and found in any form, as HFS+ does. */
export type DiskNames = 'exact' | 'caseless' | 'decomposed' | 'caseless-decomposed'

export interface VolumeInit {
  /** Wall time in milliseconds that its timestamps show; without it they start in 2020 and each change takes 10 ms. */
  now: (() => number) | undefined
  /** Milliseconds between two timestamps that differ; 0 for nanoseconds. */
  grainMs: number
  names: DiskNames
  /** A freed inode number is given to the next file. */
  reusesInodes: boolean
  executables: boolean
}

export interface Inode {
  ino: bigint
  type: FileStat['type']
  bytes: Uint8Array
  target: string
  /** By the form in which the volume compares names. */
  children: Map<string, DirectoryLink>
  mode: number
  nlink: number
  /** Open handles: its number is not free while there are any. */
  opened: number
  mtimeNs: bigint
  ctimeNs: bigint
  birthtimeNs: bigint
}

interface DirectoryLink {
  name: string
  inode: Inode
}

const DEV = 1n
const TICK = 10_000_001n
const START = 1_577_836_800_000
const MILLISECOND = 1_000_000n
const MAX_NAME_BYTES = 255
const MAX_LINKS = 40

/** The state of a fake disk: inodes, names and times. All calls are synchronous; paths are absolute. */
export class Volume {
  readonly root: Inode
  readonly #free: bigint[] = []
  #nextInode = 1n
  #ticks = 0n

  constructor(private readonly init: VolumeInit) {
    this.root = this.newInode('folder', 0o755)
  }

  newInode(type: Inode['type'], mode: number): Inode {
    const time = this.tick()
    const times = { mtimeNs: time, ctimeNs: time, birthtimeNs: time }
    const ino = this.#free.pop() ?? this.#nextInode++
    const kept = this.init.executables ? mode : 0o777
    return {
      ...{ ino, type, mode: kept, bytes: new Uint8Array(), target: '', children: new Map() },
      ...{ nlink: 0, opened: 0, ...times },
    }
  }

  /** The time of a change. Two changes within one grain have the same. */
  tick(): bigint {
    this.#ticks += 1n
    const { now } = this.init
    const time =
      now === undefined
        ? BigInt(START) * MILLISECOND + this.#ticks * TICK
        : BigInt(Math.floor(now())) * MILLISECOND + (this.#ticks % MILLISECOND)
    return this.#grained(time)
  }

  #grained(time: bigint): bigint {
    const grain = BigInt(this.init.grainMs) * MILLISECOND
    return grain === 0n ? time : time - (((time % grain) + grain) % grain)
  }

  statOf(inode: Inode): FileStat {
    const { ino, type, mode, nlink, mtimeNs, ctimeNs, birthtimeNs } = inode
    const size = type === 'symlink' ? inode.target.length : inode.bytes.length
    return { dev: DEV, ino, type, mode, nlink, size, mtimeNs, ctimeNs, birthtimeNs }
  }

  find(path: string, depth = 0): Inode {
    if (isRoot(path)) return this.root
    const { parent, key } = this.locate(path, depth)
    const link = parent.children.get(key)
    if (link === undefined) throw new FileSystemError('ENOENT', path)
    return link.inode
  }

  tryFind(path: string): Inode | undefined {
    try {
      return this.find(path)
    } catch {
      return undefined
    }
  }

  folder(path: string): Inode {
    const inode = this.find(path)
    if (inode.type !== 'folder') throw new FileSystemError('ENOTDIR', path)
    return inode
  }

  /** The directory that a path lies in, and its last name as given and as compared. Links in between are followed, as a system does. */
  locate(path: string, depth = 0): { parent: Inode; name: string; key: string } {
    if (depth > MAX_LINKS) throw new FileSystemError('ELOOP', path)
    const names = path.split('/').filter((name) => name !== '')
    const name = names.pop() ?? ''
    if (name.length * 3 > MAX_NAME_BYTES && new TextEncoder().encode(name).length > MAX_NAME_BYTES)
      throw new FileSystemError('ENAMETOOLONG', path)
    let parent = this.root
    let at = ''
    for (const step of names) {
      let next = parent.children.get(this.#keyOf(step))?.inode
      if (next?.type === 'symlink') next = this.find(targetFrom(at, next.target), depth + 1)
      at += `/${step}`
      if (next === undefined) throw new FileSystemError('ENOENT', path)
      if (next.type !== 'folder') throw new FileSystemError('ENOTDIR', path)
      parent = next
    }
    return { parent, name, key: this.#keyOf(name) }
  }

  #keyOf(name: string): string {
    const { names } = this.init
    const form = names.endsWith('decomposed') ? name.normalize('NFD') : name
    return names.startsWith('caseless') ? form.toLowerCase() : form
  }

  #stored(name: string): string {
    return this.init.names.endsWith('decomposed') ? name.normalize('NFD') : name
  }

  add(path: string, inode: Inode): Inode {
    const { parent, name, key } = this.locate(path)
    if (parent.children.has(key)) throw new FileSystemError('EEXIST', path)
    parent.children.set(key, { name: this.#stored(name), inode })
    inode.nlink++
    parent.mtimeNs = parent.ctimeNs = this.tick()
    return inode
  }

  /** A file, a link, or a directory with all that is in it. */
  drop(path: string): void {
    const { parent, key } = this.locate(path)
    const inode = this.find(path)
    parent.children.delete(key)
    this.#unlinked(inode)
    inode.ctimeNs = parent.mtimeNs = parent.ctimeNs = this.tick()
  }

  #unlinked(inode: Inode): void {
    inode.nlink--
    for (const { inode: child } of inode.children.values()) this.#unlinked(child)
    this.#release(inode)
  }

  opened(inode: Inode): void {
    inode.opened++
  }

  closed(inode: Inode): void {
    inode.opened--
    this.#release(inode)
  }

  #release(inode: Inode): void {
    if (this.init.reusesInodes && inode.nlink === 0 && inode.opened === 0) this.#free.push(inode.ino)
  }

  link(from: string, to: string): void {
    const inode = this.find(from)
    if (inode.type === 'folder') throw new FileSystemError('EPERM', from)
    this.add(to, inode)
    inode.ctimeNs = this.tick()
  }

  /** As POSIX has it: replaces files and empty directories; two names of one inode stay as they are. */
  rename(from: string, to: string): void {
    const inode = this.find(from)
    const [old, next] = [this.locate(from), this.locate(to)]
    const target = next.parent.children.get(next.key)?.inode
    const recased = old.parent === next.parent && old.key === next.key
    if (target === inode && !recased) return
    if (!recased) this.#checkReplaced(inode, target, next.parent, from, to)
    if (target !== undefined && !recased) this.drop(to)
    old.parent.children.delete(old.key)
    next.parent.children.set(next.key, { name: this.#stored(next.name), inode })
    old.parent.mtimeNs = old.parent.ctimeNs = next.parent.mtimeNs = next.parent.ctimeNs = this.tick()
    inode.ctimeNs = this.tick()
  }

  #checkReplaced(inode: Inode, target: Inode | undefined, parent: Inode, from: string, to: string): void {
    if (inode.type === 'folder' && contains(inode, parent)) throw new FileSystemError('EINVAL', from)
    if (target === undefined) return
    if (target.type === 'folder' && inode.type !== 'folder') throw new FileSystemError('EISDIR', to)
    if (target.type !== 'folder' && inode.type === 'folder') throw new FileSystemError('ENOTDIR', to)
    if (target.children.size > 0) throw new FileSystemError('ENOTEMPTY', to)
  }

  symlink(target: string, path: string): void {
    const inode = this.newInode('symlink', 0o777)
    inode.target = target
    this.add(path, inode)
  }

  writeAt(inode: Inode, bytes: Uint8Array, position: number): void {
    const size = Math.max(inode.bytes.length, position + bytes.length)
    const copy = new Uint8Array(size)
    copy.set(inode.bytes)
    copy.set(bytes, position)
    this.setBytes(inode, copy)
  }

  resize(inode: Inode, size: number): void {
    const copy = new Uint8Array(size)
    copy.set(inode.bytes.subarray(0, size))
    this.setBytes(inode, copy)
  }

  setBytes(inode: Inode, bytes: Uint8Array): void {
    inode.bytes = bytes
    inode.mtimeNs = inode.ctimeNs = this.tick()
  }

  setMode(inode: Inode, mode: number): void {
    if (!this.init.executables) return
    inode.mode = mode
    inode.ctimeNs = this.tick()
  }

  setTime(inode: Inode, mtimeMs: number): void {
    inode.mtimeNs = this.#grained(BigInt(Math.floor(mtimeMs)) * MILLISECOND + 500n)
    inode.ctimeNs = this.tick()
  }
}

const isRoot = (path: string): boolean => /^\/*$/.test(path)

function targetFrom(directory: string, target: string): string {
  return target.startsWith('/') ? target : `${directory}/${target}`
}

function contains(folder: Inode, inode: Inode): boolean {
  if (folder === inode) return true
  for (const { inode: child } of folder.children.values())
    if (child.type === 'folder' && contains(child, inode)) return true
  return false
}
