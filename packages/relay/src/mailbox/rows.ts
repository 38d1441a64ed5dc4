import {
  type CommitId,
  type EpochId,
  type FeedId,
  type LogPosition,
  PeerfoldError,
  type PeerId,
  type WorkspaceHandle,
} from '@peerfold/core'
import { decodeCbor, encodeCbor, fromHex, toHex } from '@peerfold/core/relay'

/** Rows of the index (PROTOCOL.md §10.9): all of it follows from the log, so it may be deleted at any time. */

/** How far the index has come, and sums over all of it. */
export interface StateRow {
  /** Position behind the last record that it holds. */
  position: LogPosition
  /** That record: its position and SHA-256 tell another log from this one. Undefined while there is none. */
  last: { position: LogPosition; hash: string } | undefined
  /** Something that was acknowledged is lost: every mailbox has to begin another incarnation before anyone is told anything. */
  renew: boolean
  mailboxes: number
  commits: number
  blocks: number
  bytes: number
}

export interface MailboxRow {
  incarnation: string
  /** Place of the next commit, from 1. */
  next: number
  /** Chain before `next` (PROTOCOL.md §10.5). */
  chain: string
  /** What it costs, against its quota. */
  bytes: number
  /** The current epoch; undefined when its registration was lost with a damaged record. */
  epoch: EpochId | undefined
}

export interface EpochRow {
  pull: Uint8Array
  push: Uint8Array
  control: Uint8Array
  previous: EpochId | undefined
  rotation: CommitId | undefined
  signature: Uint8Array
  /** What came after it: undefined while it is the current one. */
  next: { epoch: EpochId; rotation: CommitId | undefined } | undefined
}

export interface PlaceRow {
  position: LogPosition
  id: CommitId
  /** Chain behind this commit. */
  chain: string
  /** Bytes of the envelope. */
  bytes: number
}

/** A block that a workspace has. */
export interface BlockRow {
  bytes: number
  /** Known to be permanent. Others may be, too: see `isKept`. */
  kept: boolean
  /** Who offered it, until when it is kept for that, and where in the log that is said. */
  leases: Array<{ peer: PeerId; until: number; position: LogPosition }>
}

const number = (value: number) => String(value).padStart(16, '0')

export const keys = {
  state: 'state',
  mailbox: (handle: WorkspaceHandle) => `m/${handle}`,
  epoch: (handle: WorkspaceHandle, epoch: EpochId) => `e/${handle}/${epoch}`,
  place: (handle: WorkspaceHandle, place: number) => `c/${handle}/${number(place)}`,
  commit: (handle: WorkspaceHandle, id: CommitId) => `i/${handle}/${id}`,
  /** A commit that no other one names as `prev`. */
  tip: (handle: WorkspaceHandle, feed: FeedId, seq: number, id: CommitId) =>
    `h/${handle}/${feed}/${number(seq)}/${id}`,
  tips: (handle: WorkspaceHandle) => `h/${handle}/`,
  /** Position of the last commit that a device sent: what it offered before is permanent. */
  sender: (handle: WorkspaceHandle, peer: PeerId) => `p/${handle}/${peer}`,
  /** Position of the last lease that a device got. */
  lessee: (handle: WorkspaceHandle, peer: PeerId) => `l/${handle}/${peer}`,
  /** The digest first: whether any workspace has a block is one look. */
  block: (digest: string, handle: WorkspaceHandle) => `b/${digest}/${handle}`,
  blockAnywhere: (digest: string) => `b/${digest}/`,
  expiry: (until: number, digest: string, handle: WorkspaceHandle) =>
    `x/${number(until)}/${digest}/${handle}`,
  expiredBy: (time: number) => ({ gte: 'x/', lt: `x/${number(time + 1)}` }),
}

/** Everything below a prefix. Keys are ASCII. */
export function below(prefix: string): { gte: string; lt: string } {
  return { gte: prefix, lt: `${prefix}\x7f` }
}

export function readTip(key: string): { feed: FeedId; seq: number; id: CommitId } {
  const [, , feed, seq, id] = key.split('/') as [string, string, string, string, string]
  return { feed, seq: Number(seq), id }
}

export function readExpiry(key: string): { digest: string; handle: WorkspaceHandle } {
  const [, , digest, handle] = key.split('/') as [string, string, string, string]
  return { digest, handle }
}

interface RowCodec<T> {
  encode(row: T): Uint8Array
  /** @throws {PeerfoldError} `INDEX_CORRUPT` */
  decode(bytes: Uint8Array): T
}

const NONE = null
const optionalBytes = (hex: string | undefined) => (hex === undefined ? NONE : fromHex(hex))
const optionalHex = (bytes: Uint8Array | null) => (bytes === null ? undefined : toHex(bytes))

/** Each value carries a checksum of the store, so rows that decode at all are rows that were written: their shape is not checked again. */
function codec<T, L extends unknown[]>(to: (row: T) => L, from: (list: L) => T): RowCodec<T> {
  return {
    encode: (row) => encodeCbor(to(row)),
    decode: (bytes) => {
      const list = decodeCbor(bytes, 'INDEX_CORRUPT')
      if (!Array.isArray(list)) throw new PeerfoldError('INDEX_CORRUPT', 'a row of the index is no list')
      return from(list as L)
    },
  }
}

type Bytes = Uint8Array
type Optional = Uint8Array | null

export const stateRow = codec<
  StateRow,
  [number, [number, Bytes] | null, boolean, number, number, number, number]
>(
  ({ position, last, renew, mailboxes, commits, blocks, bytes }) => [
    position,
    last === undefined ? NONE : [last.position, fromHex(last.hash)],
    renew,
    mailboxes,
    commits,
    blocks,
    bytes,
  ],
  ([position, last, renew, mailboxes, commits, blocks, bytes]) => ({
    position,
    last: last === null ? undefined : { position: last[0], hash: toHex(last[1]) },
    renew,
    mailboxes,
    commits,
    blocks,
    bytes,
  }),
)

export const mailboxRow = codec<MailboxRow, [Bytes, number, Bytes, number, Optional]>(
  ({ incarnation, next, chain, bytes, epoch }) => [
    fromHex(incarnation),
    next,
    fromHex(chain),
    bytes,
    optionalBytes(epoch),
  ],
  ([incarnation, next, chain, bytes, epoch]) => ({
    incarnation: toHex(incarnation),
    next,
    chain: toHex(chain),
    bytes,
    epoch: optionalHex(epoch),
  }),
)

export const epochRow = codec<
  EpochRow,
  [Bytes, Bytes, Bytes, Optional, Optional, Bytes, [Bytes, Optional] | null]
>(
  ({ pull, push, control, previous, rotation, signature, next }) => [
    pull,
    push,
    control,
    optionalBytes(previous),
    optionalBytes(rotation),
    signature,
    next === undefined ? NONE : [fromHex(next.epoch), optionalBytes(next.rotation)],
  ],
  ([pull, push, control, previous, rotation, signature, next]) => ({
    pull,
    push,
    control,
    previous: optionalHex(previous),
    rotation: optionalHex(rotation),
    signature,
    next: next === null ? undefined : { epoch: toHex(next[0]), rotation: optionalHex(next[1]) },
  }),
)

export const placeRow = codec<PlaceRow, [number, Bytes, Bytes, number]>(
  ({ position, id, chain, bytes }) => [position, fromHex(id), fromHex(chain), bytes],
  ([position, id, chain, bytes]) => ({ position, id: toHex(id), chain: toHex(chain), bytes }),
)

export const blockRow = codec<BlockRow, [number, boolean, Array<[string, number, number]>]>(
  ({ bytes, kept, leases }) => [
    bytes,
    kept,
    leases.map(({ peer, until, position }) => [peer, until, position]),
  ],
  ([bytes, kept, leases]) => ({
    bytes,
    kept,
    leases: leases.map(([peer, until, position]) => ({ peer, until, position })),
  }),
)

export const numberRow = codec<number, [number]>(
  (value) => [value],
  ([value]) => value,
)

/** The value of rows whose key says all. */
export const PRESENT = new Uint8Array()
