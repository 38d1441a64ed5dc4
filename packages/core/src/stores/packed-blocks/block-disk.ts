import type { PeerfoldError } from '../../errors.js'

/** An open segment. */
export interface SegmentFile {
  size(): Promise<number>
  /** Fills as much of `buffer` as there is; returns how much. */
  read(buffer: Uint8Array, offset: number): Promise<number>
  write(bytes: Uint8Array, offset: number): Promise<void>
  truncate(size: number): Promise<void>
  datasync(): Promise<void>
  close(): Promise<void>
}

/** A directory of segments. Errors are those of the platform. */
export interface SegmentFiles {
  list(): Promise<string[]>
  /** Opens for reading and writing; creates it, durably listed, when `create` is set. */
  open(name: string, create: boolean): Promise<SegmentFile>
  remove(name: string): Promise<void>
  /** Makes the listing durable. */
  sync(): Promise<void>
}

/**
 * The disk as a block store uses it, narrow enough that tests put failing and crashing ones behind it. Paths are relative to the store's
 * directory; errors are those of the platform.
 */
export interface BlockDisk {
  /** For messages. */
  readonly name: string
  /** Makes a directory and its parents. */
  makeDirectory(path: string): Promise<void>
  /** Creates a file that must not exist. */
  create(path: string): Promise<Pick<SegmentFile, 'write' | 'close'>>
  /** An error other than "missing" is thrown, not answered. */
  exists(path: string): Promise<boolean>
  unlink(path: string): Promise<void>
  syncDirectory(path: string): Promise<void>
  segments(path: string): Promise<SegmentFiles>
  /** The platform's error in Peerfold's terms. */
  toError(what: string, cause: unknown): PeerfoldError
}
