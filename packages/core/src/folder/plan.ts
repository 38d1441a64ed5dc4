import { equalBytes } from '../encoding/bytes.js'
import type { ItemId } from '../ports/ids.js'
import { ROOT_ITEM, type TreeEntry } from '../tree/types.js'
import { type DiskNode, joinPath, parentPath } from './disk-tree.js'
import {
  isExecutable,
  isRacy,
  isSoonTrusted,
  mtimeOf,
  sameFingerprint,
  sameInode,
  trustedFrom,
} from './fingerprint.js'
import type { IgnoreRules } from './ignore.js'
import { type DiskMatch, type Located, matchDisk } from './match.js'
import type { MergedView } from './merged-tree.js'
import type { SyncedEntry, SyncedTree } from './synced-tree.js'

/**
 * A change on disk that the workspace is to learn of. Paths are those on disk now; `from`, and that of a removal, where it is missed: in its
 * folder, wherever that lies now. `folder` is the item of the directory that it lies in; undefined where that directory is made by the same plan.
 */
export type PublishAction =
  /** `revives`: the item of that directory, which the workspace has removed. */
  | { do: 'mkdir'; path: string; folder: ItemId | undefined; revives?: ItemId }
  | { do: 'move'; item: ItemId; from: string; path: string; folder: ItemId | undefined }
  | { do: 'remove'; item: ItemId; path: string }
  | { do: 'create'; path: string; bytes: number }
  | { do: 'edit'; item: ItemId; path: string; bytes: number }

/** A change of the workspace that the disk is to show. Paths are those on disk afterwards; for `remove` and `meta` where it is now. */
export type ApplyAction =
  | { do: 'mkdir'; item: ItemId; path: string }
  | { do: 'move'; item: ItemId; from: string; path: string }
  /** `hidden`: the workspace still has it, at a path that this device ignores. */
  | { do: 'remove'; item: ItemId; path: string; kind: 'file' | 'folder'; hidden: boolean }
  | { do: 'create'; item: ItemId; path: string; bytes: number }
  | { do: 'edit'; item: ItemId; path: string; bytes: number }
  | { do: 'meta'; item: ItemId; path: string }
  /** Nothing to do on disk: it shows that version already. */
  | { do: 'adopt'; item: ItemId; path: string }
  /** A folder that was removed, and can't go from this disk, is what the new one of its name is shown by. */
  | { do: 'rebind'; item: ItemId; from: ItemId; path: string }

/** What a plan depends on beside the three trees. */
export interface PlanWorld {
  /** Wall time in milliseconds: fingerprints younger than the clock's grain are not trusted. */
  now: number
  /** What the scan of the disk left out, and what the workspace's items are not to be shown as. */
  ignore: Pick<IgnoreRules, 'find'>
  /** Whether the disk keeps executable bits. */
  executables: boolean
}

export interface Plan {
  publish: PublishAction[]
  apply: ApplyAction[]
  /** Files whose bytes must be identified before anything is decided. */
  identify: string[]
  /** Fingerprints to renew, and where each item lies now: its bytes are known to be the synced ones. */
  note: Array<{ item: ItemId; path: string }>
  /** Items that are ignored by now: from here on they are not synced, and stay on both sides as they are. */
  forget: ItemId[]
  /** Some files may have been written to without a trace; when (wall time, milliseconds) the first can be told. They are left alone until then. */
  unsure: number | undefined
  /** Items that this plan removes, on either side. */
  removals: Set<ItemId>
  /** Paths that can't be shown because something that is not synced lies there. */
  obstructed: string[]
}

/**
 * What is to be done so that disk, synced and merged tree become one: a pure function of the three. What the disk says is published first, based
 * on the synced tree; the workspace's rules merge it; then the result is applied to items that nobody has touched meanwhile.
 */
export function makePlan(disk: DiskNode, synced: SyncedTree, merged: MergedView, world: PlanWorld): Plan {
  const match = matchDisk(disk, synced)
  const plan: Plan = {
    publish: [],
    apply: [],
    identify: match.identify,
    note: [],
    forget: match.ignored,
    unsure: undefined,
    removals: new Set(match.vanished),
    obstructed: [],
  }
  const publishing = planPublish(plan, match, synced, merged, world)
  planApply(plan, match, synced, merged, publishing, world)
  return plan
}

/** What publishing touches, so that applying leaves it alone. */
interface Publishing {
  items: Set<ItemId>
  moves: Set<ItemId>
  /** Folders (paths on disk) with a change at or below them. */
  folders: Set<string>
}

function planPublish(
  plan: Plan,
  match: DiskMatch,
  synced: SyncedTree,
  merged: MergedView,
  world: PlanWorld,
): Publishing {
  const publishing: Publishing = { items: new Set(), moves: new Set(), folders: new Set() }
  const revived = new Set<string>()
  const mkdirs: PublishAction[] = []
  const moves: PublishAction[] = []
  const contents: PublishAction[] = []
  const unidentified = new Set(match.identify)
  for (const at of match.appeared) {
    if (isHusk(at.node) && !isMerged(merged, at)) continue
    touch(at.path)
    if (at.node.kind === 'folder') mkdirs.push({ do: 'mkdir', path: at.path, folder: at.folder })
    else if (!unidentified.has(at.path))
      contents.push({ do: 'create', path: at.path, bytes: at.node.print.size })
    revive(at.path)
  }
  for (const [item, at] of match.bound) if (item !== ROOT_ITEM) planBound(item, at)
  const removes = planRemoves(match, synced)
  for (const remove of removes) markVanished(remove)
  plan.publish = [...reviveFolders(), ...mkdirs, ...moves, ...removes, ...contents]
  return publishing

  function planBound(item: ItemId, at: Located): void {
    const entry = synced.get(item)!
    if (at.folder !== entry.parent || at.node.name !== entry.diskName) {
      publishing.moves.add(item)
      touch(at.path)
      revive(at.path)
      const from = missedAt(entry, match, synced)
      moves.push({ do: 'move', item, from, path: at.path, folder: at.folder })
    }
    if (entry.kind === 'file') planFile(entry, at)
    else if (!sameInode(entry.print, at.node.print)) plan.note.push({ item, path: at.path })
  }

  function planFile(entry: SyncedEntry, at: Located): void {
    const alive = merged.get(entry.item) !== undefined
    const verdict = judgeFile(entry, at.node, alive, world)
    if (verdict === 'clean') return
    if (verdict === 'unsure') {
      publishing.items.add(entry.item)
      plan.unsure = Math.min(plan.unsure ?? Number.POSITIVE_INFINITY, trustedFrom(at.node.print))
      return
    }
    if (verdict === 'note') {
      plan.note.push({ item: entry.item, path: at.path })
      return
    }
    publishing.items.add(entry.item)
    touch(at.path)
    if (verdict === 'identify') {
      plan.identify.push(at.path)
      return
    }
    if (!alive) revive(at.path)
    contents.push({ do: 'edit', item: entry.item, path: at.path, bytes: at.node.print.size })
  }

  function touch(path: string): void {
    for (let folder = path; folder !== ''; folder = parentPath(folder)) publishing.folders.add(folder)
  }

  function revive(path: string): void {
    for (let folder = parentPath(path); folder !== ''; folder = parentPath(folder)) revived.add(folder)
  }

  /** Folders that the workspace removed while something in them was made or changed here: they are made again. */
  function reviveFolders(): PublishAction[] {
    const found: PublishAction[] = []
    for (const [item, at] of match.bound)
      if (revived.has(at.path) && item !== ROOT_ITEM && merged.get(item) === undefined)
        found.push({ do: 'mkdir', path: at.path, folder: at.folder, revives: item })
    return found.sort((a, b) => (a.path < b.path ? -1 : 1))
  }

  function markVanished(remove: PublishAction): void {
    if (remove.do === 'remove') publishing.items.add(remove.item)
  }
}

/** What a synced file's fingerprint, and its bytes where they were read, say. */
function judgeFile(
  entry: SyncedEntry,
  node: DiskNode,
  alive: boolean,
  { now, executables }: PlanWorld,
): 'clean' | 'unsure' | 'note' | 'identify' | 'edit' {
  const file = entry.file!
  const same = sameFingerprint(entry.print, node.print)
  if (same && !entry.racy) return 'clean'
  if (same && isRacy(node.print, now)) return isSoonTrusted(node.print, now) ? 'unsure' : 'clean'
  if (node.type !== file.type) return 'edit'
  const plain = same && node.plainRacy ? undefined : node.plain
  if (plain === undefined) return alive ? 'edit' : 'identify'
  if (!equalBytes(plain, file.content.plain)) return 'edit'
  return !alive || same || !metaDiffers(entry, node, executables) ? 'note' : 'edit'
}

/** Symbolic links have no times or modes of their own that can be restored. */
export function metaDiffers(entry: SyncedEntry, node: DiskNode, executables: boolean): boolean {
  const file = entry.file!
  if (file.type === 'symlink') return false
  const touched = node.print.mtimeNs !== entry.print.mtimeNs && mtimeOf(node.print) !== file.mtime
  return touched || (executables && isExecutable(node.print) !== file.executable)
}

/** The topmost of what is gone. */
function planRemoves(match: DiskMatch, synced: SyncedTree): PublishAction[] {
  const removes: PublishAction[] = []
  for (const item of match.vanished) {
    const entry = synced.get(item)!
    if (!match.vanished.has(entry.parent))
      removes.push({ do: 'remove', item, path: missedAt(entry, match, synced) })
  }
  return removes
}

/** Where an item that is not there was: below its folder, wherever that lies now. */
function missedAt(entry: SyncedEntry, match: DiskMatch, synced: SyncedTree): string {
  const folder = match.bound.get(entry.parent)?.path
  return folder === undefined ? synced.path(entry.item)! : joinPath(folder, entry.diskName)
}

function planApply(
  plan: Plan,
  match: DiskMatch,
  synced: SyncedTree,
  merged: MergedView,
  publishing: Publishing,
  { ignore }: PlanWorld,
): void {
  const appeared = new Set(match.appeared.map((at) => at.path))
  const contents: ApplyAction[] = []
  const hidden = new Set<ItemId>()
  const leftovers = foldersThatStay()
  showBelow(ROOT_ITEM, '')
  const removes = planLocalRemoves()
  for (const { item } of removes) plan.removals.add(item)
  plan.apply.push(...removes, ...contents)

  function showBelow(parent: ItemId, parentTarget: string): void {
    for (const entry of merged.children(parent)) {
      const path = joinPath(parentTarget, merged.diskName(entry))
      const old = synced.get(entry.item)
      if (ignore.find(path, entry.kind) !== undefined) hide(entry)
      else if (old === undefined) showNew(entry, path)
      else if (match.bound.has(entry.item)) showBound(entry, old, path)
    }
  }

  /** What others moved to where this device ignores it leaves the place where it was. */
  function hide(entry: TreeEntry): void {
    if (match.bound.has(entry.item)) hidden.add(entry.item)
    if (entry.kind === 'folder') for (const below of merged.children(entry.item)) hide(below)
  }

  function showNew(entry: TreeEntry, path: string): void {
    if (appeared.has(path)) return
    const from = entry.kind === 'folder' ? leftovers.get(path) : undefined
    if (from !== undefined) {
      plan.apply.push({ do: 'rebind', item: entry.item, from, path })
      return
    }
    if (isObstructed(entry)) {
      plan.obstructed.push(path)
      return
    }
    const head = entry.heads[0]
    if (entry.kind === 'folder') {
      plan.apply.push({ do: 'mkdir', item: entry.item, path })
      showBelow(entry.item, path)
    } else if (head !== undefined) contents.push({ do: 'create', item: entry.item, path, bytes: head.size })
  }

  /** Something that is not synced (a device, an unreadable directory) has the name. */
  function isObstructed(entry: TreeEntry): boolean {
    const listing = match.bound.get(entry.parent)?.node.listing
    return listing?.opaque.has(merged.diskName(entry)) ?? false
  }

  function showBound(entry: TreeEntry, old: SyncedEntry, path: string): void {
    const moves = old.parent !== entry.parent || old.diskName !== merged.diskName(entry)
    if (moves && !publishing.moves.has(entry.item)) {
      if (isObstructed(entry)) plan.obstructed.push(path)
      else plan.apply.push({ do: 'move', item: entry.item, from: synced.path(entry.item)!, path })
    } else if (!moves && old.name !== entry.name) plan.apply.push({ do: 'adopt', item: entry.item, path })
    if (entry.kind === 'folder') showBelow(entry.item, path)
    else if (!publishing.items.has(entry.item)) showVersion(entry, old, path)
  }

  function showVersion(entry: TreeEntry, old: SyncedEntry, path: string): void {
    const head = entry.heads[0]
    const file = old.file!
    if (head === undefined) return
    const equal =
      head.id === file.version ||
      (equalBytes(head.content.plain, file.content.plain) && head.type === file.type)
    const meta = head.type === 'symlink' || (head.mtime === file.mtime && head.executable === file.executable)
    if (!equal) contents.push({ do: 'edit', item: entry.item, path, bytes: head.size })
    else if (!meta) contents.push({ do: 'meta', item: entry.item, path })
    else if (head.id !== file.version) plan.apply.push({ do: 'adopt', item: entry.item, path })
  }

  /** Folders that the workspace has removed, and this disk can't, by path. */
  function foldersThatStay(): Map<string, ItemId> {
    const found = new Map<string, ItemId>()
    for (const [item, at] of match.bound)
      if (item !== ROOT_ITEM && at.node.kind === 'folder' && merged.get(item) === undefined)
        if (!isReadable(at.node) && !publishing.folders.has(at.path)) found.set(at.path, item)
    return found
  }

  /** Deepest first. A folder goes only when nothing in it is new, ignored, unreadable or unsupported. */
  function planLocalRemoves(): Array<ApplyAction & { do: 'remove' }> {
    const found: Array<ApplyAction & { do: 'remove' }> = []
    for (const [item, at] of match.bound) {
      const isHidden = hidden.has(item)
      if (item === ROOT_ITEM || (merged.get(item) !== undefined && !isHidden)) continue
      if (publishing.items.has(item) || publishing.moves.has(item)) continue
      const kind = at.node.kind
      if (kind === 'folder' && (publishing.folders.has(at.path) || !isReadable(at.node))) continue
      found.push({ do: 'remove', item, path: at.path, kind, hidden: isHidden })
    }
    return found.sort((a, b) => depth(b.path) - depth(a.path))
  }
}

/** A folder that holds nothing but what is ignored: nobody else has any use for it. */
function isHusk({ listing }: DiskNode): boolean {
  if (!listing?.complete || listing.children.size + listing.opaque.size === 0) return false
  for (const { code } of listing.opaque.values()) if (code !== 'IGNORED') return false
  for (const child of listing.children.values()) if (!isHusk(child)) return false
  return true
}

/** Whether the workspace has something at the place of an object on disk. */
function isMerged(merged: MergedView, at: Located): boolean {
  if (at.folder === undefined) return false
  for (const entry of merged.children(at.folder))
    if (merged.diskName(entry) === at.node.name && entry.kind === at.node.kind) return true
  return false
}

function isReadable(folder: DiskNode): boolean {
  const listing = folder.listing
  if (listing === undefined || !listing.complete || listing.opaque.size > 0) return false
  for (const child of listing.children.values())
    if (child.kind === 'folder' && !isReadable(child)) return false
  return true
}

function depth(path: string): number {
  return path.split('/').length
}
