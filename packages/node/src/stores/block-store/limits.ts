/** Blocks smaller than this lie in segments, larger ones in files of their own (PROTOCOL.md §8.5). */
export const SMALL_BELOW = 32 * 1024

/** A segment takes no more records beyond this. */
export const SEGMENT_BYTES = 64 * 1024 * 1024

/** What may be written but not yet durable before the store flushes by itself. Half of the blocks, half of the bytes, for one that waits. */
export const UNFLUSHED_FILES = 128
export const UNFLUSHED_BYTES = 32 * 1024 * 1024
export const UNFLUSHED_ROWS = 4096

/** Files synced and renamed at once: libuv has four threads. */
export const FILES_AT_ONCE = 8
