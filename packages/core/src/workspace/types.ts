import type { AbortOptions } from '../ports/abort.js'
import type { CommitId, DeviceId, ItemId, RecordId, WorkspaceId } from '../ports/ids.js'

/** What can be written as a file's content. Text is UTF-8. */
export type Body = string | Uint8Array | Blob | ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>

/** A value that changes: read it now, or be told of each change. */
export interface Live<T> {
  readonly value: T
  /** Calls `listener` now and at each change, until the returned function is called. */
  subscribe(listener: (value: T) => void): () => void
}

export interface Progress {
  /** Bytes done. */
  bytes: number
  /** Bytes in all, where known. */
  total: number | undefined
}

export interface ProgressOptions extends AbortOptions {
  onProgress?: (progress: Progress) => void
}

export interface Version {
  id: RecordId
  /** Bytes. */
  size: number
  /** Author's wall time. */
  time: Date
  mtime: Date
  device: DeviceId
  /** Display name of the device, where known. */
  deviceName: string | undefined
  basedOn: RecordId[]
}

export interface Item {
  id: ItemId
  /** Path from the workspace's root, `/`-separated, without a leading slash; '' is the root. */
  path: string
  name: string
  kind: 'file' | 'folder'
  /** Files: `file` or `symlink`. */
  type: 'file' | 'symlink' | 'folder'
  /** Bytes; 0 for folders. */
  size: number
  mtime: Date | undefined
  executable: boolean
  /** Primary version of a file. */
  version: RecordId | undefined
  /** More than one head. */
  conflict: boolean
}

export interface ReadOptions extends ProgressOptions {
  /** @default 0 */
  offset?: number
  /** @default to the end */
  length?: number
  /** A past version instead of the present one. */
  version?: RecordId
}

/** A file's bytes, read when asked for, each time anew, verified. */
export interface FileBody {
  text(): Promise<string>
  bytes(): Promise<Uint8Array>
  json<T = unknown>(): Promise<T>
  stream(): ReadableStream<Uint8Array>
  [Symbol.asyncIterator](): AsyncIterator<Uint8Array>
}

export interface WriteOptions extends ProgressOptions {
  /** Refuse with `VERSION_MISMATCH` unless this is the present version; `null`: unless there is no file yet. */
  ifVersion?: RecordId | null
  /** @default now */
  mtime?: Date
  executable?: boolean
  /** Write a symbolic link whose target is the body. @default 'file' */
  type?: 'file' | 'symlink'
}

export interface ListOptions extends AbortOptions {
  /** Items below folders too, parents first. @default false */
  recursive?: boolean
}

export interface Reader {
  /** Throws `NOT_FOUND`, `NOT_A_FILE` when its bytes are asked for. */
  read(path: string, options?: ReadOptions): FileBody
  /** @throws {PeerfoldError} `NOT_FOUND` */
  stat(path: string, options?: AbortOptions): Promise<Item>
  /** @throws {PeerfoldError} `NOT_FOUND`, `NOT_A_FOLDER` */
  list(path: string, options?: ListOptions): AsyncIterable<Item>
}

export interface Writer extends Reader {
  /** Makes or replaces a file; missing parent folders are made. Durable on this device when it resolves. */
  write(path: string, body: Body, options?: WriteOptions): Promise<Version>
  /** Makes a folder and missing parents; an existing folder is fine. */
  mkdir(path: string, options?: AbortOptions): Promise<Item>
  /** @throws {PeerfoldError} `NOT_FOUND`, `ALREADY_EXISTS`, `MOVE_INTO_ITSELF` */
  move(from: string, to: string, options?: AbortOptions): Promise<void>
  /** Removes a file, or a folder with all below. @throws {PeerfoldError} `NOT_FOUND` */
  remove(path: string, options?: AbortOptions): Promise<void>
}

/** A place in a workspace's sequence of changes; survives restarts. */
export type Cursor = string

export interface Change {
  type: 'create' | 'edit' | 'move' | 'remove'
  path: string
  /** Where it was, for moves. */
  from?: string
  item: ItemId
  kind: 'file' | 'folder'
  commit: CommitId
  cursor: Cursor
}

/** A file that is not in the workspace any more. */
export interface RemovedItem {
  id: ItemId
  /** Where it was. Several removed files may have been at one path. */
  path: string
  name: string
  type: 'file' | 'symlink'
  /** Its last version, which `restore` brings back. */
  version: RecordId
  /** Bytes. */
  size: number
  /** When it was removed: wall time of the device that did. */
  time: Date
}

export interface RestoreOptions extends AbortOptions {
  /** Where a removed file comes back to; a file that is not removed stays where it is. @default where it was */
  to?: string
}

export interface Conflict {
  path: string
  item: ItemId
  /** Heads, primary first. */
  versions: Version[]
}

export interface CommitInfo {
  id: CommitId
  time: Date
}

/**
 * A file tree that a user's devices keep the same.
 *
 * @example
 * ```ts
 * const workspace = await pf.workspaces.create('notes')
 * await workspace.write('today.md', '# Today')
 * console.log(await workspace.read('today.md').text())
 * ```
 */
export interface Workspace extends Writer, AsyncDisposable {
  readonly id: WorkspaceId
  readonly name: string
  /**
   * All or nothing, on every replica: a fixed snapshot that reads its own writes. Serial on this device; `ifVersion` is checked at commit.
   * Nothing is kept when `change` throws.
   */
  transact<T>(
    change: (tx: Writer) => Promise<T>,
    options?: AbortOptions,
  ): Promise<{ value: T; commit: CommitInfo | undefined }>
  /** Changes at and below a path as they happen, local and remote; `since` resumes after a cursor. */
  watch(path: string, options?: AbortOptions & { since?: Cursor }): AsyncIterable<Change>
  /** The place after all changes that this device has applied so far: `watch` with it as `since` tells of every one that comes after. */
  cursor(options?: AbortOptions): Promise<Cursor>
  /** The items of a folder, kept up to date; undefined until they are known, empty while there is no such folder. Dispose of it when done. */
  live(path: string): Live<Item[] | undefined> & Disposable
  /**
   * All versions that are kept, newest first; where nothing is at the path, those of the file that was removed from there last.
   *
   * @throws {PeerfoldError} `NOT_FOUND`, `NOT_A_FILE`
   */
  versions(path: string, options?: AbortOptions): AsyncIterable<Version>
  /**
   * Files that were removed, the latest first, by themselves or with a folder around them. Each comes back with its history by `restore`.
   *
   * @example
   * ```ts
   * await notes.remove('today.md')
   * for await (const { path, version } of notes.removed()) {
   *   await notes.restore(path, version)
   *   break // only the latest
   * }
   * ```
   */
  removed(options?: AbortOptions): AsyncIterable<RemovedItem>
  /**
   * Writes an old version forward as the newest. A removed file comes back to where it was, or to `to`; missing folders are made. Nothing
   * that lies there is replaced.
   *
   * @throws {PeerfoldError} `VERSION_NOT_FOUND` when it is not one of the file that is or was at `path`; `ALREADY_EXISTS` when a removed
   * file's place is taken; `BLOCKS_UNAVAILABLE` when nobody within reach has its content
   */
  restore(path: string, version: RecordId, options?: RestoreOptions): Promise<Version>
  conflicts(options?: AbortOptions): AsyncIterable<Conflict>
  /** Ends a conflict: keeps one of its versions, or a body that merges them. */
  resolve(
    path: string,
    keep: { version: RecordId } | { body: Body },
    options?: AbortOptions,
  ): Promise<Version>
  /**
   * Waits until so many machines hold all that is in the workspace, durably: this one, the user's other devices, relays.
   * @returns who they are, besides this device
   * @throws {PeerfoldError} the signal's reason
   * @example
   * ```ts
   * await notes.write('will.md', text)
   * const holders = await notes.durable({ copies: 2, signal: AbortSignal.timeout(60_000) })
   * ```
   */
  durable(options: { copies: number } & AbortOptions): Promise<CopyHolder[]>
  /** Idempotent. */
  close(): Promise<void>
}

/** A machine besides this one that holds a workspace. */
export interface CopyHolder {
  kind: 'device' | 'relay'
  /** Device id, or the relay's PeerId. */
  id: string
}
