import type { AbortOptions } from './abort.js'

/** What `lstat` tells, with the precision that change detection needs. Times are nanoseconds since 1970. */
export interface FileStat {
  type: 'file' | 'folder' | 'symlink' | 'other'
  dev: bigint
  ino: bigint
  size: number
  mtimeNs: bigint
  ctimeNs: bigint
  birthtimeNs: bigint
  /** Permission bits (0o7777). */
  mode: number
  nlink: number
}

/** An open file. Reads never follow a final symlink and never block on a FIFO. */
export interface FileHandle {
  stat(options?: AbortOptions): Promise<FileStat>
  /** Fills `buffer` from `position`; returns how many bytes were read, 0 at the end. */
  read(buffer: Uint8Array, position: number, options?: AbortOptions): Promise<number>
  write(bytes: Uint8Array, position: number, options?: AbortOptions): Promise<void>
  truncate(size: number): Promise<void>
  chmod(mode: number): Promise<void>
  /** Millisecond precision (a fraction is allowed). */
  utimes(mtimeMs: number): Promise<void>
  sync(): Promise<void>
  close(): Promise<void>
}

export interface DirectoryEntry {
  name: string
  /** False when the name's bytes are not valid UTF-8: it cannot be addressed and must not be mistaken for missing. */
  addressable: boolean
}

/**
 * The disk as the folder engine sees it. Paths are absolute, in the platform's own form. Errors are `FileSystemError` with the
 * platform's errno name in `errno` (`ENOENT`, `EACCES`, …), so that "missing" is never confused with "failed".
 */
export interface FileSystem {
  lstat(path: string, options?: AbortOptions): Promise<FileStat>
  /** Every entry, or an error: a listing that ended early must throw. */
  readdir(path: string, options?: AbortOptions): Promise<DirectoryEntry[]>
  /** Opens for reading with O_NOFOLLOW | O_NONBLOCK. */
  openRead(path: string, options?: AbortOptions): Promise<FileHandle>
  /** Creates exclusively (O_EXCL) for writing. */
  create(path: string, mode: number, options?: AbortOptions): Promise<FileHandle>
  readlink(path: string): Promise<string>
  symlink(target: string, path: string): Promise<void>
  /** Never overwrites: EEXIST when `to` exists. */
  link(from: string, to: string): Promise<void>
  rename(from: string, to: string): Promise<void>
  mkdir(path: string, mode?: number): Promise<void>
  rmdir(path: string): Promise<void>
  unlink(path: string): Promise<void>
  chmod(path: string, mode: number): Promise<void>
  utimes(path: string, mtimeMs: number): Promise<void>
  /** Makes the entries of a directory durable. */
  syncDirectory(path: string): Promise<void>
  /** Copy-on-write copy where the file system has it; false where it has not. */
  reflink(from: string, to: string): Promise<boolean>
  join(...parts: string[]): string
}
