/** Records of smaller blocks are whole when their checksum says so, those of larger ones when their digest does (PROTOCOL.md §8.5). */
export const SMALL_BELOW = 32 * 1024

/** Bytes of the largest block: a chunk of 1 MiB with its tag, and room. */
export const MAX_BLOCK = 1088 * 1024

/** A segment takes no more records beyond this. */
export const SEGMENT_BYTES = 256 * 1024 * 1024

/** What may be written but not yet durable before the store flushes by itself. Half of it, for one that waits. */
export const UNFLUSHED_BYTES = 32 * 1024 * 1024
export const UNFLUSHED_ROWS = 4096
