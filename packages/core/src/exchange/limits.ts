const KIB = 1024
const MIB = 1024 * KIB

/** Fixed by the protocol (PROTOCOL.md §7.2): a peer that exceeds them breaks it. */
export const PROTOCOL = '/peerfold/blocks/1'
/** Largest block, bytes of ciphertext: a chunk of 1 MiB with its tag, and room. */
export const MAX_BLOCK = 1088 * KIB
/** Largest frame that a requester sends, without its length. */
export const MAX_REQUEST_FRAME = 64 * KIB
/** Most digests in one frame. */
export const MAX_DIGESTS = 1024
/** Most blocks in one request over HTTP (PROTOCOL.md §10.8). */
export const MAX_HTTP_BLOCKS = 256
/** Most bytes of credit that a server remembers. */
export const MAX_CREDIT = 64 * MIB

/** What one side chooses for itself. */
export interface ExchangeLimits {
  /** Bytes that a peer may have under way or unstored when it starts. More than `MAX_BLOCK`. @default 2 MiB */
  startWindow: number
  /** What that may grow to on links where it limits the rate. @default 8 MiB */
  maxWindow: number
  /** The sum over all peers asked at the same time. @default 64 MiB */
  totalWindow: number
  /** Most wants under way at one peer. @default 1024 */
  maxOutstanding: number
  /** Wants of one peer that wait here to be served; more are answered BUSY. @default 2048 */
  maxQueued: number
  /** Blocks read ahead for one peer. @default 8 */
  readAhead: number
  /** Writes into a store at once, for one peer. @default 2 */
  writesAtOnce: number
  /** After how many milliseconds without useful progress a peer loses its wants to others. @default 15_000 */
  stallAfter: number
  /** How long an answer "I lack it" is believed, milliseconds. @default 30_000 */
  missingFor: number
  /** First pause after a peer failed, milliseconds; it doubles up to a minute. @default 1_000 */
  firstPause: number
  /** How long a peer that broke the protocol is shunned, milliseconds; it doubles up to an hour. @default 60_000 */
  penalty: number
}

export const DEFAULT_LIMITS: ExchangeLimits = {
  startWindow: 2 * MIB,
  maxWindow: 8 * MIB,
  totalWindow: 64 * MIB,
  maxOutstanding: 1024,
  maxQueued: 2048,
  readAhead: 8,
  writesAtOnce: 2,
  stallAfter: 15_000,
  missingFor: 30_000,
  firstPause: 1_000,
  penalty: 60_000,
}
