import type { ErrorCode } from '../errors.js'
import type { Clock } from '../ports/clock.js'
import type { FileSystem } from '../ports/file-system.js'
import type { Random } from '../ports/random.js'
import type { DiskTraits } from './disk-traits.js'
import { type DiskNode, joinPath, nodeAt, type OpaqueReason, occupantOf } from './disk-tree.js'
import { type Fingerprint, isExecutable } from './fingerprint.js'
import type { IgnoreFiles } from './ignore.js'
import type { Journal } from './journal.js'
import type { MergedTree } from './merged-tree.js'
import type { SyncedTree } from './synced-tree.js'
import type { FolderActivity, FolderIssue, FolderSource } from './types.js'

/** What every part of one folder's engine works on. */
export interface FolderContext {
  source: FolderSource
  files: FileSystem
  clock: Clock
  random: Random
  /** Absolute path of the synced folder. */
  directory: string
  /** The disk as last seen. */
  disk: DiskNode
  synced: SyncedTree
  merged: MergedTree
  journal: Journal
  /** Of the disk that the folder lies on; found out when it is opened. */
  traits: DiskTraits
  ignore: IgnoreFiles
  issues: IssueList
  /** Temporary files that the disk refused to remove, absolute paths. */
  leftovers: Set<string>
  /** Ends all work of this folder. */
  signal: AbortSignal
  activity(activity: FolderActivity): void
}

/** Absolute path of a path in the folder. */
export function absolute(folder: Pick<FolderContext, 'files' | 'directory'>, path: string): string {
  return path === '' ? folder.directory : folder.files.join(folder.directory, ...path.split('/'))
}

export function diskAt(folder: Pick<FolderContext, 'disk'>, path: string): DiskNode | undefined {
  return nodeAt(folder.disk, path)
}

/** What has the place of a path on this disk, be it under another spelling. */
export function occupantAt(
  { disk, traits }: Pick<FolderContext, 'disk' | 'traits'>,
  path: string,
): DiskNode | undefined {
  return occupantOf(disk, path, traits.names)
}

/** Whether a version of these bytes is executable: what the disk says, or where it can't say, what the last version was. */
export function executableOf(
  { traits }: Pick<FolderContext, 'traits'>,
  print: Fingerprint,
  last: { executable: boolean } | undefined,
): boolean {
  return traits.executables ? isExecutable(print) : (last?.executable ?? false)
}

/** Why paths are not in sync: what scans met, by directory, and what happened to single paths since. */
export class IssueList {
  readonly #issues = new Map<string, FolderIssue>()
  readonly #scanned = new Map<string, FolderIssue[]>()

  add(path: string, code: ErrorCode | 'CONFLICT', message: string): void {
    this.#issues.set(path, { path, code, message })
  }

  clear(path: string): void {
    this.#issues.delete(path)
  }

  clearCode(code: ErrorCode | 'CONFLICT'): void {
    for (const issue of [...this.#issues.values()]) if (issue.code === code) this.#issues.delete(issue.path)
  }

  /** What a scan of a directory met; the empty name stands for the directory itself. That something is ignored is no issue. */
  setScanned(directory: string, reasons: ReadonlyMap<string, OpaqueReason>): void {
    const issues: FolderIssue[] = []
    for (const [name, { code, message }] of reasons)
      if (code !== 'IGNORED')
        issues.push({ path: name === '' ? directory : joinPath(directory, name), code, message })
    if (issues.length === 0) this.#scanned.delete(directory)
    else this.#scanned.set(directory, issues)
  }

  clearScanned(): void {
    this.#scanned.clear()
  }

  list(): FolderIssue[] {
    const own = [...this.#issues.values()]
    const isOwn = ({ path, code }: FolderIssue) => this.#issues.get(path)?.code === code
    const all = [...own, ...[...this.#scanned.values()].flat().filter((issue) => !isOwn(issue))]
    return all.sort((a, b) => (a.path < b.path ? -1 : 1))
  }
}
