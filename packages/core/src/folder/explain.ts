import type { ItemKind } from '../tree/types.js'
import { diskAt, type FolderContext } from './context.js'
import { baseName, isWithin, parentPath } from './disk-tree.js'
import { type Fingerprint, fingerprintOf, mtimeOf } from './fingerprint.js'
import { statOf } from './guard.js'
import type { IgnoreRule } from './ignore.js'
import { STATE_DIRECTORY } from './names.js'
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
  /** Why it is left alone: an error's code, or `IGNORED`. */
  opaque?: string
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
  /** What the next round would do, at this path or below it, or to a folder above. */
  actions: PlannedAction[]
  /** What those wait for. At most 20. */
  waits: Wait[]
  /** Nothing is done until a person accepts the plan, because it removes so much. */
  braked: boolean
  issues: FolderIssue[]
}

type ExplainContext = Pick<
  FolderContext,
  'files' | 'directory' | 'disk' | 'synced' | 'merged' | 'ignore' | 'issues'
>

/**
 * @param actions what the next round would do there
 * @param holdup what they wait for
 */
export async function explain(
  folder: ExplainContext,
  path: string,
  actions: PlannedAction[],
  holdup: Pick<Explanation, 'waits' | 'braked'>,
): Promise<Explanation> {
  const disk = await onDisk(folder, path)
  const [synced, merged] = [lastSynced(folder, path), inWorkspace(folder, path)]
  const kind = disk?.kind ?? merged?.side.kind ?? 'file'
  const ignoredBy = isState(path) ? STATE_RULE : folder.ignore.rules.find(path, kind)
  return {
    path,
    ...(ignoredBy && { ignoredBy }),
    ...(disk && { disk }),
    ...(synced && { synced }),
    ...(merged && { merged: merged.side }),
    versions: merged?.versions ?? 0,
    actions,
    ...holdup,
    issues: folder.issues.list().filter((issue) => isWithin(issue.path, path)),
  }
}

/** What the scan left out, or did not look into, is looked at now. */
async function onDisk(folder: ExplainContext, path: string): Promise<Side | undefined> {
  const node = diskAt(folder, path)
  if (node !== undefined) return sideOf(node.kind, node.print)
  const opaque = opaqueAround(folder, path)
  const stat = opaque === undefined ? undefined : await statOf(folder, path)
  if (stat === undefined) return undefined
  return { ...sideOf(stat.type === 'folder' ? 'folder' : 'file', fingerprintOf(stat)), opaque }
}

/** Why this or a directory above was left out. */
function opaqueAround(folder: ExplainContext, path: string): string | undefined {
  for (let at = path; at !== ''; at = parentPath(at)) {
    const reason = diskAt(folder, parentPath(at))?.listing?.opaque.get(baseName(at))
    if (reason !== undefined) return reason.code
    if (isState(at)) return 'IGNORED'
  }
  return undefined
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
  const side: Side = { kind: entry.kind, size: head?.size ?? 0 }
  if (head !== undefined) side.mtime = head.mtime
  const truePath = merged.path(entry)
  if (truePath !== path) side.path = truePath
  return { side, versions: entry.heads.length }
}

/** Nothing of Peerfold's own is ever synced. */
const STATE_RULE: IgnoreRule = { source: 'built in', line: 0, pattern: `${STATE_DIRECTORY}/` }

function isState(path: string): boolean {
  return isWithin(path, STATE_DIRECTORY)
}

/** What a plan does at a path or below it, or to a folder that it lies in. */
export function actionsAt(plan: Plan, path: string): PlannedAction[] {
  const concerns = (action: PublishAction | ApplyAction) => {
    const ends = action.do === 'move' ? [action.path, action.from] : [action.path]
    if (ends.some((end) => isWithin(end, path))) return true
    const takesAllBelow = action.do === 'move' || action.do === 'remove'
    return takesAllBelow && ends.some((end) => isWithin(path, end))
  }
  return [
    ...plan.publish.filter(concerns).map((action) => ({ direction: 'publish' as const, ...action })),
    ...plan.apply.filter(concerns).map((action) => ({ direction: 'apply' as const, ...action })),
  ]
}
