import type { ByteSource, ContentRef } from '../content/types.js'
import type { AbortOptions } from '../ports/abort.js'

export interface IngestOptions extends AbortOptions {
  /** Content that this is probably a new version of: unchanged chunks are found again. */
  base?: ContentRef
  /** Bytes, where known. */
  size?: number
  onProgress?: (bytes: number) => void
}

export interface OpenOptions extends AbortOptions {
  /** @default 0 */
  offset?: number
  /** @default to the end */
  length?: number
  /** Ask peers for blocks that are not here. @default false */
  remote?: boolean
  /** A piece's memory may be used again once the next piece is asked for. @default false */
  reuse?: boolean
}

/** Content of one workspace on this device, and the way to what is not here yet. */
export interface ContentStore {
  /** Chunks, seals and stores. Durable after `flush`. */
  ingest(bytes: ByteSource, options?: IngestOptions): Promise<ContentRef>
  /** What `bytes` would be, without storing anything. */
  identify(
    bytes: ByteSource,
    options?: AbortOptions & { base?: ContentRef },
  ): Promise<{ plain: Uint8Array; size: number }>
  /** Verified plaintext. @throws {PeerfoldError} `BLOCKS_UNAVAILABLE` when a block is not here (`remote`: and no peer gives it) */
  open(content: ContentRef, options?: OpenOptions): AsyncIterable<Uint8Array>
  /** What was ingested before is durable when it resolves. Calls that overlap share the work. */
  flush(options?: AbortOptions): Promise<void>
  /** Whether all blocks are here. */
  available(content: ContentRef, options?: AbortOptions): Promise<boolean>
  /** Brings all blocks here, waiting for peers; the signal is the deadline. */
  fetch(content: ContentRef, options?: AbortOptions & { onProgress?: (bytes: number) => void }): Promise<void>
}
