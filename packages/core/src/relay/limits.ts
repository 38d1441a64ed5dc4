import { KIB, MIB } from '../sync/limits.js'

export { KIB, MIB }

/** Bounds of the relay protocol (PROTOCOL.md §10.2). Both ends enforce them; a peer beyond one of them broke the protocol. */

/** Largest frame from a device: a recovery bundle with its envelope. */
export const MAX_REQUEST_BYTES = 4 * MIB + 4 * KIB
/** Largest frame from a relay: several recovery bundles. */
export const MAX_ANSWER_BYTES = 4 * MIB + 64 * KIB
export const MAX_BUNDLE_BYTES = 4 * MIB
/** Devices of one user that keep a bundle at one relay. */
export const MAX_BUNDLES = 16
/** Commits in one `push` or `commits`. */
export const MAX_BATCH_COMMITS = 512
/** Their bytes together; one commit may always travel. */
export const MAX_BATCH_BYTES = 512 * KIB
/** Blocks named in one `offer`. */
export const MAX_OFFER_BLOCKS = 1024
export const MAX_HEADS = 10_000
/** Requests of one device that a relay works on at a time. */
export const MAX_REQUESTS = 16
/** A proof of access is good for so long, by the relay's clock. */
export const PROOF_MS = 60_000
/** Who sent or got nothing for so long is asked by `ping`. */
export const QUIET_MS = 20_000
/** Who answered nothing for so long is gone. */
export const DEAD_MS = 60_000
/** Each step: opening a stream, an answer that needs no transfer. */
export const STEP_MS = 15_000
