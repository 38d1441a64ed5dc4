import type { CID } from 'multiformats/cid'
import type { AbortOptions } from './abort.js'

/** A sealed chunk or manifest node. `cid` is CIDv1, codec raw, SHA-256 of `bytes` (PROTOCOL.md §2). */
export interface Block {
  cid: CID
  bytes: Uint8Array
}

export interface GetOptions extends AbortOptions {
  /**
   * The caller will find out by itself whether these are the right bytes (they open under an authenticated cipher), and asks again without this
   * when they are not: a store may then leave the hash out. @default false
   */
  unchecked?: boolean
  /** Memory of the caller's that the bytes may be put into, if they have just this length: a store may use it instead of new one. */
  into?: Uint8Array
}

export interface PutOptions extends AbortOptions {
  /** The caller has computed each name from these very bytes just now, so that a store need not hash them again. @default false */
  named?: boolean
}

/**
 * Keeps the blocks of one workspace.
 *
 * A block is immutable and named by its hash, so `put` of a known block is a no-op. Every `put` and every `get` checks the hash, unless the
 * caller says that it does so itself: a store never hands out bytes that do not match their name.
 */
export interface BlockStore {
  /**
   * The bytes are the caller's own: it may change them or give them away.
   * @throws {PeerfoldError} `BLOCK_NOT_FOUND` when the store does not hold it; `BLOCK_CORRUPT` when what lies there
   * does not hash to `cid` (the store has moved it aside: asking a peer and putting it again heals it).
   */
  get(cid: CID, options?: GetOptions): Promise<Uint8Array>
  /** One answer for each cid, in order. An I/O failure throws; it is never reported as "missing". */
  has(cids: readonly CID[], options?: AbortOptions): Promise<boolean[]>
  /**
   * Takes a batch; when it resolves every block can be read back, and the caller may use the memory again. Durable only after `flush`.
   * @throws {PeerfoldError} `BLOCK_CORRUPT` when bytes do not match a cid (nothing of the batch is then visible);
   * `STORE_FULL` when the disk or quota is exhausted.
   */
  put(blocks: readonly Block[], options?: PutOptions): Promise<void>
  /** Everything put before this call survives a power cut once it resolves. */
  flush(options?: AbortOptions): Promise<void>
  delete(cids: readonly CID[], options?: AbortOptions): Promise<void>
  /** All cids, in no particular order; blocks put meanwhile may or may not appear. */
  list(options?: AbortOptions): AsyncIterable<CID>
  /** Flushes and releases. Idempotent. */
  close(): Promise<void>
}
