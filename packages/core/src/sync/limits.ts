/** Bounds of the sync protocol (PROTOCOL.md §6.2). Both ends enforce them; a peer beyond one of them broke the protocol. */

export const KIB = 1024
export const MIB = 1024 * 1024

/** Before a peer is admitted it can make us hold no more than this. */
export const MAX_HELLO_BYTES = 512 * KIB
/** Largest frame of an admitted peer. */
export const MAX_FRAME_BYTES = 2 * MIB
/** Cost of all commits in one message. One commit may always travel. */
export const MAX_BATCH_COST = 512 * KIB
/** Cost that may be under way to one peer, unacknowledged. */
export const CREDIT = 2 * MIB
/** What a commit costs beside its bytes, so that tiny ones are bounded in number too. */
export const COMMIT_OVERHEAD = 256
export const MAX_BATCH_COMMITS = MAX_BATCH_COST / COMMIT_OVERHEAD

/** Batches that can be under way at all, each of one commit or more. */
export const MAX_BATCHES = CREDIT / COMMIT_OVERHEAD

export const MAX_ENTRIES = 1024
export const MAX_ENTRY_BYTES = 2 * KIB
export const MAX_GRANTS = 1024
export const MAX_GRANT_BYTES = 64 * KIB
export const MAX_HANDLES = 10_000
export const MAX_HEADS = 10_000
/** Feeds of one workspace that a peer can make us remember. */
export const MAX_FEEDS = 50_000
export const MAX_PEERS = 64
export const MAX_ADDRESSES = 16
export const MAX_ADDRESS_BYTES = 512

/** The cost of a commit of that many bytes in batches and in credit. */
export function costOf(envelope: Uint8Array): number {
  return envelope.length + COMMIT_OVERHEAD
}
