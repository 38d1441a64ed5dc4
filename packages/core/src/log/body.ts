import { fromHex, toHex } from '../encoding/bytes.js'
import { decodeCbor, encodeCbor } from '../encoding/cbor.js'
import { PeerfoldError } from '../errors.js'
import type { CommitId, FeedId } from '../ports/ids.js'
import {
  MAX_ACCESS_HEADS,
  MAX_DEPS,
  MAX_OPERATION_DEPTH,
  MAX_OPERATIONS,
  MAX_PROOF_BYTES,
  MAX_ROOT_BYTES,
  MAX_SHARDS,
  MAX_UPDATES,
  MAX_UPDATES_BYTES,
} from './limits.js'
import { asBytes, asHash, asList, asMap, asUint, invalid } from './shape.js'
import type { AccessOperation, ShardUpdate } from './types.js'

/** Sealed body of a commit (PROTOCOL.md §4.2). */
export interface Body {
  feed: FeedId
  seq: number
  tenure: string | undefined
  aclHeads: CommitId[]
  identityHeads: string[]
  /** Ascending, without `prev`. */
  deps: CommitId[]
  stamp: number
  /** Author's wall time, milliseconds. */
  time: number
  /** Updates themselves, or the root of the blocks that hold them. */
  content: { updates: ShardUpdate[] } | { root: Uint8Array }
  operations: AccessOperation[]
  /** First commit of a feed: who the feed belongs to. */
  proof: Uint8Array | undefined
  /** First commit of a feed: the feed of the same device that it replaces, and where that ended. */
  closes: { feed: FeedId; seq: number; id: CommitId } | undefined
}

const FIELDS = new Set([
  'acl',
  'closes',
  'deps',
  'feed',
  'identity',
  'ops',
  'proof',
  'root',
  'seq',
  'stamp',
  'tenure',
  'time',
  'updates',
  'v',
])

export function encodeBody(body: Body): Uint8Array {
  const { closes } = body
  return encodeCbor({
    v: 1,
    feed: fromHex(body.feed),
    seq: body.seq,
    tenure: body.tenure === undefined ? null : fromHex(body.tenure),
    acl: body.aclHeads.map(fromHex),
    identity: body.identityHeads.map(fromHex),
    deps: body.deps.map(fromHex),
    stamp: body.stamp,
    time: body.time,
    ops: body.operations,
    ...('root' in body.content
      ? { root: body.content.root }
      : { updates: updateFields(body.content.updates) }),
    ...(body.proof === undefined ? {} : { proof: body.proof }),
    ...(closes === undefined ? {} : { closes: [fromHex(closes.feed), closes.seq, fromHex(closes.id)] }),
  })
}

/** @throws {PeerfoldError} `COMMIT_INVALID`, `PROTOCOL_UNSUPPORTED` */
export function decodeBody(bytes: Uint8Array): Body {
  const map = asMap(decodeCbor(bytes, 'COMMIT_INVALID'), 'body')
  if (map.v !== 1) throw new PeerfoldError('PROTOCOL_UNSUPPORTED', 'commit body has an unknown version')
  for (const field of Object.keys(map)) if (!FIELDS.has(field)) throw invalid(`unknown field ${field}`)
  const seq = asUint(map.seq, 'seq')
  if ((seq === 1) !== (map.proof !== undefined)) throw invalid('the first commit of a feed carries its proof')
  if (seq !== 1 && map.closes !== undefined) throw invalid('only the first commit of a feed closes another')
  return {
    feed: toHex(asHash(map.feed, 'feed')),
    seq,
    tenure: map.tenure === null ? undefined : toHex(asHash(map.tenure, 'tenure')),
    aclHeads: asIds(map.acl, MAX_ACCESS_HEADS, 'acl'),
    identityHeads: asIds(map.identity, MAX_ACCESS_HEADS, 'identity'),
    deps: asIds(map.deps, MAX_DEPS, 'deps'),
    stamp: asUint(map.stamp, 'stamp'),
    time: asUint(map.time, 'time'),
    content: decodeContent(map),
    operations: asList(map.ops, MAX_OPERATIONS, 'ops').map(asOperation),
    proof: map.proof === undefined ? undefined : asBytes(map.proof, 'proof', MAX_PROOF_BYTES),
    closes: map.closes === undefined ? undefined : decodeCloses(map.closes),
  }
}

/** Updates of a transaction too large for its commit, as `UpdateStore` keeps them (PROTOCOL.md §4.4). */
export function encodeUpdates(updates: readonly ShardUpdate[]): Uint8Array {
  return encodeCbor([1, updateFields(updates)])
}

/** @throws {PeerfoldError} `COMMIT_INVALID`, `COMMIT_TOO_LARGE`, `PROTOCOL_UNSUPPORTED` */
export function decodeUpdates(bytes: Uint8Array): ShardUpdate[] {
  if (bytes.length > MAX_UPDATES_BYTES) throw new PeerfoldError('COMMIT_TOO_LARGE', 'a transaction too large')
  const fields = asList(decodeCbor(bytes, 'COMMIT_INVALID'), 2, 'updates')
  if (fields[0] !== 1) throw new PeerfoldError('PROTOCOL_UNSUPPORTED', 'updates of an unknown version')
  return asUpdates(fields[1])
}

function updateFields(updates: readonly ShardUpdate[]): Array<[number, Uint8Array]> {
  return updates.map(({ shard, update }) => [shard, update])
}

function decodeContent(map: Record<string, unknown>): Body['content'] {
  if ((map.root === undefined) === (map.updates === undefined)) throw invalid('either updates or their root')
  if (map.root !== undefined) return { root: asBytes(map.root, 'root', MAX_ROOT_BYTES) }
  return { updates: asUpdates(map.updates) }
}

function asUpdates(value: unknown): ShardUpdate[] {
  return asList(value, MAX_UPDATES, 'updates').map((entry) => {
    const pair = asList(entry, 2, 'update')
    if (pair.length !== 2) throw invalid('an update is a shard and bytes')
    return {
      shard: asUint(pair[0], 'shard', MAX_SHARDS - 1),
      update: asBytes(pair[1], 'update', MAX_UPDATES_BYTES),
    }
  })
}

function asIds(value: unknown, max: number, what: string): string[] {
  const ids = asList(value, max, what).map((id) => toHex(asHash(id, what)))
  for (let i = 1; i < ids.length; i++) {
    if ((ids[i - 1] as string) >= (ids[i] as string)) throw invalid(`${what} are not in ascending order`)
  }
  return ids
}

function asOperation(value: unknown): AccessOperation {
  const map = asMap(value, 'operation')
  if (typeof map.type !== 'string' || map.type.length > 64) throw invalid('an operation has no type')
  if (depthOf(map, MAX_OPERATION_DEPTH) > MAX_OPERATION_DEPTH)
    throw invalid('an operation is nested too deep')
  return map as AccessOperation
}

/** Depth of nesting, no further than it matters; refuses keys that would make copies lie. */
function depthOf(value: unknown, budget: number): number {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return 0
  if (budget < 0) return 1
  let deepest = 0
  if (Object.hasOwn(value, '__proto__')) throw invalid('an operation has a key that no object should have')
  for (const child of Object.values(value)) deepest = Math.max(deepest, depthOf(child, budget - 1))
  return 1 + deepest
}

function decodeCloses(value: unknown): NonNullable<Body['closes']> {
  const fields = asList(value, 3, 'closes')
  return {
    feed: toHex(asHash(fields[0], 'closes')),
    seq: asUint(fields[1], 'closes'),
    id: toHex(asHash(fields[2], 'closes')),
  }
}
