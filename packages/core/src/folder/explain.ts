import type { ItemKind } from '../tree/types.js'
import { diskAt, type FolderContext } from './context.js'
import { baseName, isWithin, parentPath } from './disk-tree.js'
import { type Fingerprint, mtimeOf } from './fingerprint.js'
import type { IgnoreRule } from './ignore.js'
import type { ApplyAction, Plan, PublishAction } from './plan.js'
import type { FolderIssue } from './types.js'
import type { Wait } from './waits.js'

/** What one of the three trees holds at a path. */
export interface Side {
  kind: ItemKind
  /** Bytes; 0 for folders. */
  size: number
  /** Milliseconds since 1970. Folders have none. */
  mtime?: number
  /** Its true path in the workspace, where this disk can't hold one of the names. */
  path?: string
}

/** One thing that the next round would do. */
export type PlannedAction =
  | ({ direction: 'publish' } & PublishAction)
  | ({ direction: 'apply' } & ApplyAction)

/** Everything that is known of one path of a synced folder, and why it is or is not in sync. */
export interface Explanation {
  path: string
  /** The rule that keeps it from being synced. */
  ignoredBy?: IgnoreRule
  /** What lies there; undefined when nothing does. */
  disk?: Side
  /** What was last equal on both sides. */
  synced?: Side
  /** What the workspace has there. */
  merged?: Side
  /** How many versions compete. */
  versions: number
  /** What the next round would do, at this path or below it. */
  actions: PlannedAction[]
  /** What those wait for. At most 20. */
  waits: Wait[]
  issues: FolderIssue[]
}

/**
 * @param actions what the next round would do there
 * @param waits what they wait for
 */
export function explain(
  folder: Pick<FolderContext, 'disk' | 'synced' | 'merged' | 'ignore' | 'issues'>,
  path: string,
  actions: PlannedAction[],
  waits: Wait[],
): Explanation {
  const [disk, synced, merged] = [onDisk(folder, path), lastSynced(folder, path), inWorkspace(folder, path)]
  const kind = disk?.kind ?? merged?.side.kind ?? opaqueKind(folder, path)
  const ignoredBy = folder.ignore.rules.find(path, kind)
  return {
    path,
    ...(ignoredBy && { ignoredBy }),
    ...(disk && { disk }),
    ...(synced && { synced }),
    ...(merged && { merged: merged.side }),
    versions: merged?.versions ?? 0,
    actions,
    waits,
    issues: folder.issues.list().filter((issue) => isWithin(issue.path, path)),
  }
}

function onDisk({ disk }: Pick<FolderContext, 'disk'>, path: string): Side | undefined {
  const node = diskAt({ disk }, path)
  return node && sideOf(node.kind, node.print)
}

function lastSynced({ synced }: Pick<FolderContext, 'synced'>, path: string): Side | undefined {
  const item = synced.at(path)
  const entry = item === undefined ? undefined : synced.get(item)
  return entry && sideOf(entry.kind, entry.print)
}

function sideOf(kind: ItemKind, print: Fingerprint): Side {
  return kind === 'folder' ? { kind, size: 0 } : { kind, size: print.size, mtime: mtimeOf(print) }
}

/** By the names that this disk gives to the workspace's items. */
function inWorkspace(
  { merged }: Pick<FolderContext, 'merged'>,
  path: string,
): { side: Side; versions: number } | undefined {
  const entry = merged.at(path)
  if (entry === undefined) return undefined
  const [head] = entry.heads
  const side: Side = { kind: entry.kind, size: head?.content.size ?? 0 }
  if (head !== undefined) side.mtime = head.mtime
  const truePath = merged.path(entry)
  if (truePath !== path) side.path = truePath
  return { side, versions: entry.heads.length }
}

/** What is not looked into may be a directory: rules for directories are tried as well. */
function opaqueKind({ disk }: Pick<FolderContext, 'disk'>, path: string): ItemKind {
  const listing = diskAt({ disk }, parentPath(path))?.listing
  return listing?.opaque.get(baseName(path))?.kind ?? 'file'
}

/** What a plan does at a path or below it. */
export function actionsAt(plan: Plan, path: string): PlannedAction[] {
  const concerns = (action: PublishAction | ApplyAction) =>
    isWithin(action.path, path) || (action.do === 'move' && isWithin(action.from, path))
  return [
    ...plan.publish.filter(concerns).map((action) => ({ direction: 'publish' as const, ...action })),
    ...plan.apply.filter(concerns).map((action) => ({ direction: 'apply' as const, ...action })),
  ]
}
