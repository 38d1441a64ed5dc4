import type { ByteSource, ContentRef } from '../content/types.js'
import type { AbortOptions } from '../ports/abort.js'
import type { CommitId, WorkspaceId } from '../ports/ids.js'
import type { TreeChange, TreeReader, TreeTransaction } from '../tree/types.js'
import type { Explanation } from './explain.js'
import type { ApplyAction, PublishAction } from './plan.js'

/** What the folder engine needs of a workspace. The façade implements it. */
export interface FolderSource {
  readonly id: WorkspaceId
  readonly name: string
  /** The merged tree. */
  readonly tree: TreeReader
  /** One atomic commit; undefined when `change` changed nothing. Durable in the log when it resolves. */
  transact<T>(
    change: (tx: TreeTransaction) => Promise<T>,
    options?: AbortOptions,
  ): Promise<{ value: T; commit: CommitId | undefined }>
  /** Chunks, seals and stores content; a piece's memory may be reused for the next. Durable when the transaction that names it resolves. `base` lets unchanged chunks be found again. */
  ingest(
    bytes: ByteSource,
    options?: AbortOptions & { base?: ContentRef; size?: number; onProgress?: (bytes: number) => void },
  ): Promise<ContentRef>
  /** Plaintext of a content, verified; with `reuse` a piece's memory may be used again once the next is asked for. @throws {PeerfoldError} `BLOCKS_UNAVAILABLE` unless all blocks are here (call `fetch` first). */
  open(
    content: ContentRef,
    options?: AbortOptions & { offset?: number; length?: number; reuse?: boolean },
  ): AsyncIterable<Uint8Array>
  /** Whether every block of it lies here. */
  available(content: ContentRef, options?: AbortOptions): Promise<boolean>
  /** Brings all its blocks here, waiting for peers; the signal is the deadline. */
  fetch(content: ContentRef, options?: AbortOptions & { onProgress?: (bytes: number) => void }): Promise<void>
  /** SHA-256 over (chunk hash, length) of what `bytes` would be, without storing anything: for "is it the same?". */
  identify(
    bytes: ByteSource,
    options?: AbortOptions & { base?: ContentRef },
  ): Promise<{ plain: Uint8Array; size: number }>
  onChange(listener: (changes: TreeChange[]) => void): () => void
}

/** Why a path is not in sync now. */
export interface FolderIssue {
  path: string
  code: string
  message: string
}

export interface FolderStatus {
  state: 'synced' | 'syncing' | 'paused' | 'error'
  /** Waiting to be applied to or read from the disk. */
  pending: { files: number; bytes: number }
  /** Files whose content is on its way. */
  awaiting: Array<{ path: string; size: number }>
  issues: FolderIssue[]
  error?: { code: string; message: string }
}

/** What a round does, as people are shown it. */
export interface FolderPlan {
  /** Changes on disk that the workspace is to learn of. */
  publish: readonly PublishAction[]
  /** Changes of the workspace that the disk is to show. */
  apply: readonly ApplyAction[]
  /** Items that it removes, on either side. */
  removals: number
  /** It removes so much that a person must accept it first. */
  braked: boolean
}

/** A file that this device removed or replaced for others. */
export interface TrashedFile {
  /** Its name in `.peerfold/trash`. */
  name: string
  /** Where it was. */
  path: string
  size: number
  /** When it was put there, milliseconds since 1970. */
  time: number
}

/** A directory kept equal to a workspace. */
export interface FolderSync {
  readonly directory: string
  status(): FolderStatus
  on(event: 'status', listener: (status: FolderStatus) => void): () => void
  on(event: 'activity', listener: (activity: FolderActivity) => void): () => void
  /**
   * A barrier: everything on disk before the call has been scanned and committed, and everything merged before the call
   * that can be applied has been.
   *
   * @throws {PeerfoldError} `FOLDER_PAUSED`; what keeps the folder from being synced
   */
  settled(options?: AbortOptions): Promise<void>
  /** Nothing is read, published or applied until `resume`, or until the folder is opened again. Resolves when the present round has ended. */
  pause(): Promise<void>
  resume(): Promise<void>
  /** What the next round would do, also while paused. Looks at the disk; changes nothing on either side. */
  plan(options?: AbortOptions): Promise<FolderPlan>
  /**
   * Lets the present plan go ahead though it removes much: the items that it removes, and no others. One that removes many others as well is
   * stopped with `BRAKE` again.
   *
   * @returns what was accepted; `braked` is false where nothing had to be
   */
  acceptPlan(options?: AbortOptions): Promise<FolderPlan>
  /** Why a path (relative to the folder, `/`-separated) is or is not in sync. */
  explain(path: string, options?: AbortOptions): Promise<Explanation>
  /** What was removed or replaced in this folder and is still kept, newest first. */
  trash(): TrashedFile[]
  /**
   * Puts a file from the trash back, under a free name where its own is taken.
   *
   * @returns its path
   * @throws {PeerfoldError} `NOT_FOUND`
   */
  restoreTrash(name: string, options?: AbortOptions): Promise<string>
  /** Idempotent; nothing is written to the disk after it. */
  close(): Promise<void>
}

/** One thing that was done, for people to watch. */
export interface FolderActivity {
  direction: 'published' | 'applied'
  action: 'create' | 'edit' | 'move' | 'remove' | 'conflict'
  path: string
  from?: string
  bytes: number
}
