import { MAX_ENVELOPE_BYTES } from '../log/limits.js'
import { bool, bytes, type Decoded, id, integer, list, optional, record, text } from './codec.js'
import {
  KIB,
  MAX_ADDRESS_BYTES,
  MAX_ADDRESSES,
  MAX_BATCH_COMMITS,
  MAX_BATCHES,
  MAX_ENTRIES,
  MAX_ENTRY_BYTES,
  MAX_FRAME_BYTES,
  MAX_GRANT_BYTES,
  MAX_GRANTS,
  MAX_HANDLES,
  MAX_HELLO_BYTES,
  MAX_PEERS,
  MIB,
} from './limits.js'
import { errorCode, messageCodec } from './message-codec.js'
import { heads } from './summary.js'

/** Messages of `/peerfold/sync/1` (PROTOCOL.md §6.3): each a canonical DAG-CBOR list [name, body], the body a map. */

const count = integer(1, 2 ** 32 - 1)
const handle = id()
/**
 * What the sender has applied: `heads` since its last report on this workspace, or all of them when `reset`. `complete`: it durably
 * holds all blocks of what it applied.
 */
const report = record({ reset: bool, heads, complete: bool })
export type Report = Decoded<typeof report>

const entries = list(bytes(1, MAX_ENTRY_BYTES), MAX_ENTRIES)
const peerAddresses = record({
  peer: text(128, /^[1-9A-HJ-NP-Za-km-z]+$/),
  addresses: list(text(MAX_ADDRESS_BYTES, /^\/[\x21-\x7e]+$/), MAX_ADDRESSES),
})

const BODIES = {
  hello: record({
    versions: list(integer(1, 1000), 16, 1),
    user: id(),
    entries,
    boot: id(16),
    ended: integer(0),
    time: integer(0),
    lossy: bool,
  }),
  ready: record({}),
  bye: record({ code: errorCode, retryAfter: optional(integer(0, 86_400_000)) }),
  ping: record({ n: count }),
  pong: record({ n: count }),
  identity: record({ entries }),
  grants: record({ grants: list(bytes(1, MAX_GRANT_BYTES), MAX_GRANTS) }),
  addresses: record({ peers: list(peerAddresses, MAX_PEERS) }),
  offer: record({ handles: list(handle, MAX_HANDLES) }),
  have: record({ handle, report }),
  want: record({ handle, want: count, heads }),
  commits: record({
    handle,
    batch: count,
    want: optional(count),
    report: optional(report),
    envelopes: list(bytes(1, MAX_ENVELOPE_BYTES), MAX_BATCH_COMMITS, 1),
  }),
  done: record({ handle, want: count }),
  ack: record({
    handle,
    batches: list(count, MAX_BATCHES, 1),
    held: integer(0),
    rejected: integer(0),
    report: optional(report),
  }),
}

type Bodies = typeof BODIES
export type MessageType = keyof Bodies
export type Message = { [K in MessageType]: { type: K } & Decoded<Bodies[K]> }[MessageType]
export type MessageOf<K extends MessageType> = Extract<Message, { type: K }>

/** Largest encoding of each message; checked before anything is decoded. */
export const MAX_BYTES: Record<MessageType, number> = {
  hello: MAX_HELLO_BYTES,
  ready: 16,
  bye: 128,
  ping: 32,
  pong: 32,
  identity: MAX_HELLO_BYTES,
  grants: MIB,
  addresses: 600 * KIB,
  offer: 400 * KIB,
  have: MIB,
  want: MIB,
  commits: MAX_FRAME_BYTES,
  done: 128,
  ack: MIB,
}

const codec = messageCodec<Message>(BODIES, MAX_BYTES)

export const encodeMessage = codec.encode
/** @throws {PeerfoldError} `MESSAGE_INVALID` */
export const decodeMessage = codec.decode
