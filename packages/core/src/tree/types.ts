import type { ContentRef } from '../content/types.js'
import type { CausalPast, CommitConsumer, CommitDraft } from '../log/types.js'
import type { AbortOptions } from '../ports/abort.js'
import type { CommitId, DeviceId, ItemId, RecordId, WriterId } from '../ports/ids.js'

/** The root folder's id: 16 zero bytes. */
export const ROOT_ITEM: ItemId = '00000000000000000000000000000000'

export type ItemKind = 'file' | 'folder'

/** Metadata that travels with a content record. */
export interface FileMeta {
  /** Milliseconds since 1970. */
  mtime: number
  /** `file`, or `symlink` whose content is its target. */
  type: 'file' | 'symlink'
  executable: boolean
}

/** One immutable state of a file. `id` is the content record's id. */
export interface FileVersion extends FileMeta {
  id: RecordId
  content: ContentRef
  /** Bytes of its content. */
  size: number
  /** Versions it was based on. */
  basedOn: RecordId[]
  /** Lamport counter of its commit. */
  stamp: number
  /** Author's wall time, clamped by causality, milliseconds. */
  time: number
  writer: WriterId
  commit: CommitId
}

/** An item as the merged tree shows it. */
export interface TreeEntry {
  item: ItemId
  kind: ItemKind
  parent: ItemId
  /** The name shown: the record's own, or with a derived suffix where siblings collide. */
  name: string
  /** The name that the placement record carries. */
  recordName: string
  /** Files: live heads, primary first, equal `plain` collapsed (the first stands for all). Folders: empty. */
  heads: FileVersion[]
  /** A deleted folder that stays because something below it lives. */
  ghost: boolean
  /** Changes whenever anything of this entry changes; equal tags mean equal entries. */
  tag: string
}

/** What a commit changed in the merged tree, by item. */
export interface TreeChange {
  item: ItemId
  before: TreeEntry | undefined
  after: TreeEntry | undefined
}

/** The merged tree of one workspace: reading. All reads inside one call see one state. */
export interface TreeReader {
  entry(item: ItemId, options?: AbortOptions): Promise<TreeEntry | undefined>
  /** By shown names, `['a', 'b.txt']`; `[]` is the root (a folder entry with an empty name). */
  lookup(path: readonly string[], options?: AbortOptions): Promise<TreeEntry | undefined>
  child(parent: ItemId, name: string, options?: AbortOptions): Promise<TreeEntry | undefined>
  /** Children in order of shown name (by UTF-8 bytes). */
  children(parent: ItemId, options?: AbortOptions): AsyncIterable<TreeEntry>
  /** Shown names from the root; undefined when the item is not in the tree. */
  path(item: ItemId, options?: AbortOptions): Promise<string[] | undefined>
}

/**
 * A transaction over the tree: reads see its own writes. It is made inside `WorkspaceLog.commit`, so nothing else is applied meanwhile.
 * Rules 7 and 8 of the fold (re-asserting displaced ancestors and so on) are the transaction's business.
 */
export interface TreeTransaction extends TreeReader {
  /** Makes a folder, or returns the one that is there. @throws `ALREADY_EXISTS` when a file has the name. */
  makeFolder(parent: ItemId, name: string): Promise<TreeEntry>
  /** Makes a new file item. @throws `ALREADY_EXISTS` */
  makeFile(parent: ItemId, name: string, content: ContentRef, meta: FileMeta): Promise<TreeEntry>
  /** A new version of a file. @param basedOn versions that it supersedes; default all live heads. */
  writeFile(
    item: ItemId,
    content: ContentRef,
    meta: FileMeta,
    basedOn?: readonly RecordId[],
  ): Promise<TreeEntry>
  /** @throws `ALREADY_EXISTS`, `MOVE_INTO_ITSELF`, `NOT_FOUND` */
  move(item: ItemId, parent: ItemId, name: string): Promise<TreeEntry>
  /** Removes an item and, for a folder, what is observed below it. */
  remove(item: ItemId): Promise<void>
  /** Places an item again where it is (rule 8: keep it out of reach of a delete that did not see it). */
  reassert(item: ItemId): Promise<void>
  /** Item ids that this transaction changed. */
  touched(): ItemId[]
  /** The commit that says all of this; undefined when it says nothing. */
  draft(): Promise<CommitDraft | undefined>
}

export interface TreeStats {
  files: number
  folders: number
  bytes: number
  conflicts: number
}

/** One workspace's tree on this device: consumes commits, answers reads, drafts transactions. */
export interface Tree extends TreeReader, CommitConsumer {
  begin(past: CausalPast, stamp: number, seq: number, writer: WriterId): TreeTransaction
  /** All versions that the history holds, newest first. */
  versions(item: ItemId, options?: AbortOptions): AsyncIterable<FileVersion & { device: DeviceId }>
  /** Every version of every item, in no particular order. */
  allVersions(options?: AbortOptions): AsyncIterable<FileVersion & { item: ItemId }>
  version(id: RecordId, options?: AbortOptions): Promise<{ item: ItemId; version: FileVersion } | undefined>
  /** Files with more than one head. */
  conflicts(options?: AbortOptions): AsyncIterable<TreeEntry>
  /** Items that are not in the tree any more, the latest removed first; `time` is the wall time of whoever removed it, milliseconds. */
  removed(options?: AbortOptions): AsyncIterable<{ item: ItemId; path: string[]; time: number }>
  /** Where an item is, or was when it was removed: shown names from the root. Undefined for what was never in the tree. */
  lastPath(item: ItemId, options?: AbortOptions): Promise<string[] | undefined>
  stats(): Promise<TreeStats>
  /** How many commits were applied since the index began: the ordinal of the latest. */
  position(): Promise<number>
  /** `ordinal` counts the commits that this device has applied, from 1. */
  onChange(listener: (changes: TreeChange[], commit: CommitId, ordinal: number) => void): () => void
  close(): Promise<void>
}
