/** How much may be on its way or open, on either side. */

const KiB = 1024
const MiB = 1024 * KiB

/** Bytes of a file that the device sends ahead of its reader. */
export const BYTES_AHEAD = 2 * MiB
/** Items that the device sends ahead of their reader. */
export const ITEMS_AHEAD = 256
/** Bytes of a body that a client sends ahead of the device. */
export const INPUT_AHEAD = 2 * MiB
/** Most of a body in one message, and from which length bytes and text go by reference. */
export const PIECE_BYTES = MiB
/** The device sends what it has got once it is that much. */
export const BATCH_BYTES = 256 * KiB
export const BATCH_ITEMS = 128
/** Items of a live list in one message. */
export const SPLICE_ITEMS = 2_000
/** No client gets more credit than this at once, whatever it gives. */
export const CREDIT_MAX = 16 * MiB

/** Exchanges that one client may have open. */
export const MAX_EXCHANGES = 1_024
/** Transactions that one client may have open: they wait for each other in any case. */
export const MAX_TRANSACTIONS = 16

/** Each side looks this often whether the other is still there. */
export const LIVENESS_MS = 10_000
/** Silence for so many looks, in spite of a ping, means that it is not. Counted in looks, so that a machine that slept is not taken for it. */
export const LIVENESS_LOOKS = 3

/** Progress is told at most this often. */
export const PROGRESS_MS = 50
/** How long a call waits for some tab to run the device. */
export const CONNECT_MS = 30_000
