import { fromHex, toHex, toUtf8 } from '../encoding/bytes.js'
import { decodeCbor, encodeCbor } from '../encoding/cbor.js'
import { sha256Now } from '../encoding/derive.js'
import type { UserId, WorkspaceHandle, WorkspaceId } from '../ports/ids.js'
import type { Random } from '../ports/random.js'
import { shapeOf } from './shape.js'

/** What fixes a workspace for ever (PROTOCOL.md §3.10). Its name is no part of it, since names change and stay sealed. */
export interface WorkspaceGenesis {
  id: WorkspaceId
  /** What wires and relays call it: the id itself, which members know, cannot be found from it. */
  handle: WorkspaceHandle
  creator: UserId
  /** Number of shards of the tree. */
  shards: number
  bytes: Uint8Array
}

export const GENESIS_VERSION = 1
export const SHARDS = 256
const MAX_GENESIS_BYTES = 256

export function createWorkspaceGenesis(random: Random, creator: UserId): WorkspaceGenesis {
  const salt = random.bytes(32)
  return decodeGenesis(encodeCbor({ v: GENESIS_VERSION, creator: fromHex(creator), salt, shards: SHARDS }))
}

/** @throws {PeerfoldError} `COMMIT_INVALID`; `PROTOCOL_UNSUPPORTED` for a later version or another number of shards */
export function decodeGenesis(bytes: Uint8Array): WorkspaceGenesis {
  const shape = shapeOf('COMMIT_INVALID', 'workspace genesis')
  const map = decodeCbor(shape.blob(bytes, MAX_GENESIS_BYTES), 'COMMIT_INVALID')
  shape.version((map as { v?: unknown } | null)?.v, GENESIS_VERSION)
  const fields = shape.map(map, ['v', 'creator', 'salt', 'shards'])
  shape.bytes(fields.salt, 32)
  shapeOf('COMMIT_INVALID', 'number of shards').version(fields.shards, SHARDS)
  const id = toHex(sha256Now(bytes))
  return {
    id,
    handle: workspaceHandle(id),
    creator: toHex(shape.bytes(fields.creator, 32)),
    shards: SHARDS,
    bytes,
  }
}

export function workspaceHandle(id: WorkspaceId): WorkspaceHandle {
  return toHex(sha256Now(toUtf8('peerfold/1/handle\0'), fromHex(id)))
}
