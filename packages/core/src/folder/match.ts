import { equalBytes } from '../encoding/bytes.js'
import type { ItemId } from '../ports/ids.js'
import { ROOT_ITEM } from '../tree/types.js'
import { type DiskNode, joinPath } from './disk-tree.js'
import { inodeKey, sameInode, sameObject } from './fingerprint.js'
import type { SyncedEntry, SyncedTree } from './synced-tree.js'

export interface Located {
  node: DiskNode
  path: string
  /** The synced item of the directory that it lies in; undefined where that directory is none. */
  folder: ItemId | undefined
}

/** Which synced item each object on disk is. */
export interface DiskMatch {
  /** Items found on disk, where they are now. The root is among them. */
  bound: Map<ItemId, Located>
  /** Objects on disk that are no synced item, parents first. */
  appeared: Located[]
  /** Items that are surely gone from the disk. */
  vanished: Set<ItemId>
  /** Items that lie where the disk could not be read: nothing is known of them. */
  unknown: Set<ItemId>
  /** Items whose place is ignored by now, the topmost of each subtree. */
  ignored: ItemId[]
  /** Paths whose content would tell whether they are a vanished file under a new name. */
  identify: string[]
}

/**
 * Matches the disk with the synced tree. A path beats an inode (editors save by rename), so what lies at an item's path is that item. What
 * vanished and what appeared are then paired as moves: folders first, by inode; files by inode, or by equal content.
 */
export function matchDisk(disk: DiskNode, synced: SyncedTree): DiskMatch {
  const match: DiskMatch = {
    bound: new Map(),
    appeared: [],
    vanished: new Set(),
    unknown: new Set(),
    ignored: [],
    identify: [],
  }
  const pool = new Map<DiskNode, Located>()
  bindFolder(ROOT_ITEM, { node: disk, path: '', folder: undefined })
  pairFolders()
  pairFiles()
  match.appeared = [...pool.values()]
  return match

  function bindFolder(item: ItemId, at: Located): void {
    match.bound.set(item, at)
    match.vanished.delete(item)
    pool.delete(at.node)
    const listing = at.node.listing
    const taken = new Set<DiskNode>()
    for (const child of synced.children(item)) {
      if (isBoundElsewhere(child)) continue
      const node = listing?.children.get(child.diskName)
      if (node !== undefined && node.kind === child.kind) {
        taken.add(node)
        bind(child, { node, path: joinPath(at.path, node.name), folder: item })
      } else if (!listing?.complete || (node === undefined && listing.opaque.has(child.diskName))) {
        markSubtree(child, match.unknown)
        if (listing?.opaque.get(child.diskName)?.code === 'IGNORED') match.ignored.push(child.item)
      } else markSubtree(child, match.vanished)
    }
    for (const node of listing?.children.values() ?? [])
      if (!taken.has(node)) pool.set(node, { node, path: joinPath(at.path, node.name), folder: item })
  }

  function bind(entry: SyncedEntry, at: Located): void {
    if (entry.kind === 'folder') bindFolder(entry.item, at)
    else {
      match.bound.set(entry.item, at)
      match.vanished.delete(entry.item)
      pool.delete(at.node)
    }
  }

  /** An item that was paired with another place while its folder was still thought vanished. */
  function isBoundElsewhere(child: SyncedEntry): boolean {
    return match.bound.has(child.item)
  }

  function markSubtree(entry: SyncedEntry, marks: Set<ItemId>): void {
    if (!match.bound.has(entry.item)) marks.add(entry.item)
    for (const below of synced.children(entry.item)) markSubtree(below, marks)
  }

  /** The topmost folder that moved takes what is below it along; only what finds no pair is looked into. */
  function pairFolders(): void {
    const expanded = new Set<DiskNode>()
    for (;;) {
      const open = [...pool.values()].filter((at) => isFolder(at) && !expanded.has(at.node))
      if (open.length === 0) return
      if (pairLevel(open)) continue
      for (const at of open) {
        expanded.add(at.node)
        addChildren(at)
      }
    }
  }

  function addChildren(at: Located): void {
    for (const node of at.node.listing?.children.values() ?? [])
      pool.set(node, { node, path: joinPath(at.path, node.name), folder: undefined })
  }

  function pairLevel(level: readonly Located[]): boolean {
    const candidates = vanishedByInode('folder')
    let paired = false
    for (const at of level) {
      const entry = candidates.get(inodeKey(at.node.print))
      if (entry === undefined || !match.vanished.has(entry.item) || !isSameFolder(entry, at.node)) continue
      bindFolder(entry.item, at)
      paired = true
    }
    return paired
  }

  function isSameFolder(entry: SyncedEntry, node: DiskNode): boolean {
    if (!sameInode(entry.print, node.print)) return false
    if (entry.print.birthtimeNs === node.print.birthtimeNs) return true
    for (const child of synced.children(entry.item))
      if (node.listing?.children.has(child.diskName)) return true
    return false
  }

  function vanishedByInode(kind: 'file' | 'folder'): Map<string, SyncedEntry> {
    const found = new Map<string, SyncedEntry>()
    for (const item of match.vanished) {
      const entry = synced.get(item)
      if (entry?.kind === kind) found.set(inodeKey(entry.print), entry)
    }
    return found
  }

  function pairFiles(): void {
    const byInode = vanishedByInode('file')
    for (const at of [...pool.values()]) {
      const entry = isFolder(at) ? undefined : byInode.get(inodeKey(at.node.print))
      if (entry === undefined || !match.vanished.has(entry.item)) continue
      if (entry.file?.type === at.node.type && sameObject(entry.print, at.node.print)) bind(entry, at)
    }
    pairFilesByContent()
  }

  function pairFilesByContent(): void {
    const bySize = new Map<number, SyncedEntry[]>()
    for (const item of match.vanished) {
      const entry = synced.get(item)
      const size = entry?.file?.content.size
      if (entry === undefined || !size) continue
      const equal = bySize.get(size)
      if (equal === undefined) bySize.set(size, [entry])
      else equal.push(entry)
    }
    for (const at of [...pool.values()]) {
      if (at.node.type !== 'file') continue
      const candidates = bySize.get(at.node.print.size)?.filter((entry) => match.vanished.has(entry.item))
      if (candidates === undefined || candidates.length === 0) continue
      if (at.node.plain === undefined) match.identify.push(at.path)
      else {
        const entry = bestOf(candidates, at)
        if (entry !== undefined) bind(entry, at)
      }
    }
  }

  /** Equal content; the same name first, so that a copied and removed folder pairs each file with itself. */
  function bestOf(candidates: readonly SyncedEntry[], at: Located): SyncedEntry | undefined {
    const equal = candidates.filter(
      (entry) => entry.file?.type === 'file' && equalBytes(entry.file.content.plain, at.node.plain!),
    )
    return equal.find((entry) => entry.diskName === at.node.name) ?? equal[0]
  }
}

const isFolder = (at: Located): boolean => at.node.kind === 'folder'
