import type { ItemKind } from '../tree/types.js'
import { type Fingerprint, sameFingerprint } from './fingerprint.js'
import type { NameRules } from './names.js'

/** An entry of the disk as it was last seen. */
export interface DiskNode {
  name: string
  kind: ItemKind
  type: 'file' | 'symlink' | 'folder'
  print: Fingerprint
  /** When this fingerprint was first seen, on the monotonic clock. */
  seenAt: number
  /** SHA-256 identity of the bytes under `print`, once they were read for it. */
  plain?: Uint8Array
  /** They were read when `print` could not be trusted yet: others may lie under it by now. */
  plainRacy?: boolean
  /** Folders only. */
  listing?: DiskListing
}

/** What a directory holds. */
export interface DiskListing {
  children: Map<string, DiskNode>
  /** Read to its end without an error. Otherwise absence says nothing. */
  complete: boolean
  /** Names that exist and are not looked into: special files, mounts, denied and ignored ones. Never mistaken for deleted. */
  opaque: Map<string, OpaqueReason>
  /** Names by their fold, once they were asked for. */
  folded?: FoldedNames
}

interface FoldedNames {
  fold: NameRules['fold']
  names: Map<string, string>
}

export interface OpaqueReason {
  code: 'FILE_UNSUPPORTED' | 'IO_FAILED' | 'FOLDER_NESTED' | 'NAME_INVALID' | 'IGNORED'
  message: string
  /** Of what is ignored. */
  kind?: ItemKind
}

export function emptyListing(): DiskListing {
  return { children: new Map(), complete: false, opaque: new Map() }
}

/** `a/b` + `c` → `a/b/c`; the root is the empty path. */
export function joinPath(parent: string, name: string): string {
  return parent === '' ? name : `${parent}/${name}`
}

export function parentPath(path: string): string {
  const slash = path.lastIndexOf('/')
  return slash < 0 ? '' : path.slice(0, slash)
}

export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

/** Whether `path` is `ancestor` or lies below it. */
export function isWithin(path: string, ancestor: string): boolean {
  return ancestor === '' || path === ancestor || path.startsWith(ancestor + '/')
}

export function nodeAt(root: DiskNode, path: string): DiskNode | undefined {
  if (path === '') return root
  let node: DiskNode | undefined = root
  for (const name of path.split('/')) {
    node = node.listing?.children.get(name)
    if (node === undefined) return undefined
  }
  return node
}

/** A later look. What was learned of the bytes belongs to the fingerprint that they had then. */
export function renewPrint(node: DiskNode, print: Fingerprint): void {
  if (!sameFingerprint(node.print, print)) forgetBytes(node)
  node.print = print
}

export function forgetBytes(node: DiskNode): void {
  delete node.plain
  delete node.plainRacy
}

/** Records at once what this device itself did to the disk, so that it is not mistaken for a person's change. */
export function putNode(root: DiskNode, parent: string, node: DiskNode): void {
  const listing = nodeAt(root, parent)?.listing
  listing?.children.set(node.name, node)
  listing?.opaque.delete(node.name)
  listing?.folded?.names.set(listing.folded.fold(node.name), node.name)
}

export function removeNode(root: DiskNode, path: string): DiskNode | undefined {
  const listing = nodeAt(root, parentPath(path))?.listing
  const node = listing?.children.get(baseName(path))
  listing?.children.delete(baseName(path))
  const folded = listing?.folded
  const key = folded?.fold(baseName(path))
  if (key !== undefined && folded?.names.get(key) === baseName(path)) folded.names.delete(key)
  return node
}

/** What lies at a path to a disk for which names with equal folds are one. */
export function occupantOf(root: DiskNode, path: string, { exact, fold }: NameRules): DiskNode | undefined {
  const listing = nodeAt(root, parentPath(path))?.listing
  if (listing === undefined) return undefined
  const found = listing.children.get(baseName(path))
  if (found !== undefined || exact) return found
  listing.folded ??= { fold, names: new Map([...listing.children.keys()].map((name) => [fold(name), name])) }
  const name = listing.folded.names.get(fold(baseName(path)))
  return name === undefined ? undefined : listing.children.get(name)
}
