import type { CID } from 'multiformats/cid'
import type { AbortOptions } from '../ports/abort.js'
import type { Block, GetOptions, PutOptions } from '../ports/block-store.js'

/** Points at one immutable content: what a content record of the tree carries (PROTOCOL.md §2). */
export interface ContentRef {
  /** CID of the manifest's root block. */
  root: CID
  /** 32 bytes: opens the root block. */
  key: Uint8Array
  /** 32 bytes: SHA-256 over the list of (chunk hash, length). Equal content has equal `plain`, whoever wrote it and however it is sealed. */
  plain: Uint8Array
  /** Bytes of plaintext. */
  size: number
}

/** Workspace secrets that content needs. Both 32 bytes. */
export interface ContentKeys {
  dedupSecret: Uint8Array
  /** Seeds the gear table of the chunker. */
  gearSeed: Uint8Array
}

/** Where readers get blocks: a local store, or a store that asks peers for what is missing. */
export interface BlockSource {
  get(cid: CID, options?: GetOptions): Promise<Uint8Array>
  /** Optional hint that these are needed soon, in order of need. */
  prefetch?(cids: readonly CID[], options?: AbortOptions): void
}

/** Where writers put blocks. Awaiting `put` is the back pressure. */
export interface BlockSink {
  put(blocks: readonly Block[], options?: PutOptions): Promise<void>
}

/** What to chunk: bytes in pieces of any size. A source may reuse a piece's memory once the next one is asked for. */
export type ByteSource = AsyncIterable<Uint8Array> | Iterable<Uint8Array>
