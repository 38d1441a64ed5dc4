/** Sizes of the content format, version 1 (PROTOCOL.md §2). Chunks' are measured in docs/decisions/0010-chunk-sizes.md. */

const KiB = 1024
const MiB = 1024 * KiB

/** No chunk but a content's last is smaller. */
export const CHUNK_MIN = 64 * KiB
/** Before this length cuts are made rare, after it frequent: most chunks end a little behind it. */
export const CHUNK_AVERAGE = 256 * KiB
/** No chunk is larger. */
export const CHUNK_MAX = MiB

/** What sealing adds to a chunk. */
export const TAG_BYTES = 16

/** Content up to this length travels inside its root block, so that a small file is one block. The sealed root stays under 32 KiB. */
export const INLINE_MAX = 32 * KiB - 256

/** Entries of a manifest node: none but a level's last has fewer than the least, none has more than the most. */
export const NODE_ENTRIES_MIN = 32
export const NODE_ENTRIES_MAX = 384
/** A node ends behind an entry whose hash, read as 16 bits, is below this: one in 96, about 128 entries in all. */
export const NODE_CUT_BELOW = 683

/** Levels of nodes below the root. 32^8 chunks of 64 KiB are more than 2^53 bytes. */
export const LEVELS_MAX = 8

/** A root block: nodes' most entries and some fields. */
export const ROOT_BYTES_MAX = 64 * KiB
