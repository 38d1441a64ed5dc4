/** Bounds of the commit format and of what a log keeps in memory (PROTOCOL.md §4.7). Every reader enforces them. */

const KIB = 1024
const MIB = 1024 * 1024

/** A sealed commit as it travels. */
export const MAX_ENVELOPE_BYTES = 256 * KIB
/** Padded body: leaves room for header, tag, key, signature and framing. */
export const MAX_PADDED_BYTES = MAX_ENVELOPE_BYTES - 512
/** Updates beyond this many bytes go into blocks, and the commit names their root. */
export const MAX_INLINE_BYTES = 192 * KIB
/** Updates of one transaction, whichever way they travel. */
export const MAX_UPDATES_BYTES = 128 * MIB
export const MAX_UPDATES = 65_536
export const MAX_SHARDS = 65_536
export const MAX_DEPS = 1024
export const MAX_ACCESS_HEADS = 64
export const MAX_OPERATIONS = 256
/** Nesting of maps and lists in one operation. */
export const MAX_OPERATION_DEPTH = 12
export const MAX_PROOF_BYTES = 64 * KIB
export const MAX_ROOT_BYTES = 512
/** How far a stamp may lie above those in its causal past: nobody can use up the counter. */
export const MAX_STAMP_STEP = 2 ** 32

/** Commits in one call of `receive`. */
export const MAX_RECEIVE = 8192
/** Commits and bytes written as one append and one batch. */
export const MAX_GROUP = 512
export const MAX_GROUP_BYTES = 4 * MIB
/** Commits and bytes kept in memory until what they need arrives. */
export const MAX_HELD = 16_384
export const MAX_HELD_BYTES = 64 * MIB
/** Of those, commits that nobody here can open yet: anyone could have made them. */
export const MAX_HELD_SEALED = 2048
export const MAX_HELD_SEALED_BYTES = 16 * MIB

/** Wall time further ahead than this is not believed. */
export const MAX_CLOCK_AHEAD_MS = 10 * 60 * 1000
