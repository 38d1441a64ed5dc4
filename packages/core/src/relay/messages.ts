import { bool, bytes, type Decoded, id, integer, list, optional, record, text } from '../sync/codec.js'
import { errorCode, messageCodec } from '../sync/message-codec.js'
import {
  KIB,
  MAX_ANSWER_BYTES,
  MAX_BATCH_BYTES,
  MAX_BATCH_COMMITS,
  MAX_BUNDLE_BYTES,
  MAX_BUNDLES,
  MAX_HEADS,
  MAX_OFFER_BLOCKS,
  MAX_REQUEST_BYTES,
} from './limits.js'

/**
 * Messages of `/peerfold/relay/1` (PROTOCOL.md §10.3). A device asks, each question with a number `n` of its own; the relay answers under the same
 * number, in any order, and tells unasked what changed.
 */
const handle = id()
const n = integer(0)
const time = integer(0)
const signature = bytes(64)
const envelope = bytes(1, 256 * KIB)

const REQUESTS = {
  /** Proves access to a mailbox with a key of an epoch. */
  open: record({ n, handle, epoch: id(), role: text(4, /^(pull|push)$/), time, signature }),
  /** Names the keys of a new epoch, or of a new mailbox (`previous` null). */
  register: record({
    n,
    handle,
    epoch: id(),
    pull: bytes(32),
    push: bytes(32),
    control: bytes(32),
    previous: optional(id()),
    rotation: optional(id()),
    signature,
  }),
  /** Blocks that commits to come will name: the relay says which it lacks, and fetches those from the asking device. */
  offer: record({ n, handle, digests: list(bytes(32), MAX_OFFER_BLOCKS, 1) }),
  push: record({ n, handle, envelopes: list(envelope, MAX_BATCH_COMMITS, 1) }),
  /** Commits from this place in the mailbox on. */
  read: record({ n, handle, from: integer(1) }),
  /** A ticket for the HTTP side. */
  token: record({ n }),
  keep: record({ n, id: id(), bundle: bytes(1, MAX_BUNDLE_BYTES) }),
  recover: record({ n, root: bytes(32), time, signature }),
  ping: record({ n }),
}

const statement = record({ statement: bytes(1, 512), signature })

const ANSWERS = {
  welcome: record({ versions: list(integer(1, 65_535), 16, 1), nonce: bytes(32), time }),
  opened: record({
    n,
    signed: statement,
    heads: list(record({ feed: id(), seq: integer(1), id: id() }), MAX_HEADS),
    /** The epoch that the relay takes for the current one. */
    epoch: id(),
    /** What this device may do there: `pull` and `push`, or read up to the rotation after its epoch. */
    role: text(8, /^(pull|push|rotation)$/),
    bytes: integer(0),
    quota: integer(0),
  }),
  registered: record({ n }),
  /** A bit for each digest of the offer, from the highest of the first byte on: 1 where the block is not here. */
  lacking: record({ n, bitmap: bytes(1, MAX_OFFER_BLOCKS / 8) }),
  stored: record({ n, signed: statement, bytes: integer(0) }),
  commits: record({
    n,
    from: integer(1),
    envelopes: list(envelope, MAX_BATCH_COMMITS),
    more: bool,
    signed: statement,
  }),
  changed: record({ handle, next: integer(1), bytes: integer(0) }),
  ticket: record({ n, token: text(128), urls: list(text(256), 8), expires: time }),
  kept: record({ n }),
  bundle: record({ n, bytes: optional(bytes(1, MAX_BUNDLE_BYTES)), more: integer(0, MAX_BUNDLES) }),
  failed: record({ n, code: errorCode, message: text(300), retryAfter: optional(integer(0)) }),
  pong: record({ n }),
  bye: record({ code: errorCode, retryAfter: optional(integer(0)) }),
}

type Requests = typeof REQUESTS
type Answers = typeof ANSWERS
export type RelayRequest = { [K in keyof Requests]: { type: K } & Decoded<Requests[K]> }[keyof Requests]
export type RelayAnswer = { [K in keyof Answers]: { type: K } & Decoded<Answers[K]> }[keyof Answers]
export type RelayRequestOf<K extends keyof Requests> = Extract<RelayRequest, { type: K }>
export type RelayAnswerOf<K extends keyof Answers> = Extract<RelayAnswer, { type: K }>
/** A statement as it travels: canonical bytes, and the relay's signature. */
export type SignedStatement = Decoded<typeof statement>

const SMALL = 512

const requests = messageCodec<RelayRequest>(REQUESTS, {
  open: SMALL,
  register: SMALL,
  offer: 64 * KIB,
  // One commit may always travel.
  push: MAX_BATCH_BYTES + 16 * KIB,
  read: SMALL,
  token: 32,
  keep: MAX_REQUEST_BYTES,
  recover: SMALL,
  ping: 32,
})

const answers = messageCodec<RelayAnswer>(ANSWERS, {
  welcome: SMALL,
  opened: 1024 * KIB,
  registered: 32,
  lacking: SMALL,
  stored: 1024,
  commits: MAX_BATCH_BYTES + 16 * KIB,
  changed: 128,
  ticket: 4 * KIB,
  kept: 32,
  bundle: MAX_ANSWER_BYTES,
  failed: KIB,
  pong: 32,
  bye: 128,
})

export const encodeRequest = requests.encode
/** @throws {PeerfoldError} `MESSAGE_INVALID` */
export const decodeRequest = requests.decode
export const encodeAnswer = answers.encode
/** @throws {PeerfoldError} `MESSAGE_INVALID` */
export const decodeAnswer = answers.decode
