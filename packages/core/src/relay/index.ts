/** The relay protocol, and what a relay needs of core beside it. For `@peerfold/relay`; apps use `@peerfold/core`. */

export { keyOfPeerId, peerIdOfKey } from '../access/peer-key.js'
export { withDeadline } from '../async/deadline.js'
export { decodeCbor, encodeCbor } from '../encoding/cbor.js'
export { createExchange } from '../exchange/exchange.js'
export { DEFAULT_LIMITS, type ExchangeLimits } from '../exchange/limits.js'
export type { Exchange } from '../exchange/types.js'
export { type Sealed, verifyEnvelopes } from '../log/envelope.js'
export { TokenBucket } from '../sync/bucket.js'
export { Channel } from '../sync/channel.js'
export * from './keys.js'
export * from './limits.js'
export * from './messages.js'
export * from './proofs.js'
export * from './statements.js'

/** One long-lived stream from a device to a relay. */
export const RELAY_PROTOCOL = '/peerfold/relay/1'
