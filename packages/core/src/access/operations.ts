import { fromHex, fromUtf8, toHex, toUtf8 } from '../encoding/bytes.js'
import { PeerfoldError } from '../errors.js'
import type { DeviceId, EpochId, UserId } from '../ports/ids.js'
import { decodeGenesis, type WorkspaceGenesis } from './genesis.js'
import { MAX_ENTRY_BYTES } from './identity-entry.js'
import { shapeOf } from './shape.js'
import type { AccessOperation } from './types.js'

/**
 * Access operations: what a commit says outside the tree (PROTOCOL.md §3.12).
 *
 * | type | in | says |
 * | --- | --- | --- |
 * | genesis | the creator's first commit | the workspace, its owner and the owner's tenure |
 * | name | any | the workspace's name; the highest (stamp, writer) wins |
 * | identity | any | identity entries; a revocation takes effect in this workspace by being named here |
 * | epoch | any | a new epoch, boxed to those who may read on |
 *
 * `member` and `tenure` are reserved. A commit with an operation of an unknown type is of a later version: it is held, never skipped, since what it
 * says may be a removal. A commit carries updates or operations, never both. Size limits: 16 operations, 448 entries, 512 boxes, 16 previous epochs.
 */
export type Operation =
  | { type: 'genesis'; genesis: WorkspaceGenesis; owner: UserId; tenure: string }
  | { type: 'name'; name: string }
  | { type: 'identity'; entries: Uint8Array[] }
  | EpochOperation

export interface EpochOperation {
  type: 'epoch'
  id: EpochId
  /** The epochs that it supersedes; each one's secrets sealed under this epoch. */
  previous: Array<{ id: EpochId; sealed: Uint8Array }>
  boxes: Array<{ device: DeviceId; box: Uint8Array }>
  recovery: Array<{ user: UserId; box: Uint8Array }>
}

const MAX_OPERATIONS = 16
const MAX_ENTRIES = 448
const MAX_BOXES = 512
const MAX_PREVIOUS = 16
const MAX_BOX_BYTES = 256
const MAX_NAME_BYTES = 1020

export function encodeOperation(operation: Operation): AccessOperation {
  switch (operation.type) {
    case 'genesis':
      return {
        type: 'genesis',
        genesis: operation.genesis.bytes,
        owner: fromHex(operation.owner),
        tenure: fromHex(operation.tenure),
      }
    case 'name':
      return { type: 'name', name: operation.name }
    case 'identity':
      return { type: 'identity', entries: operation.entries }
    case 'epoch':
      return {
        type: 'epoch',
        id: fromHex(operation.id),
        previous: operation.previous.map(({ id, sealed }) => ({ id: fromHex(id), sealed })),
        boxes: operation.boxes.map(({ device, box }) => ({ device: fromHex(device), box })),
        recovery: operation.recovery.map(({ user, box }) => ({ user: fromHex(user), box })),
      }
  }
}

/** @throws {PeerfoldError} `COMMIT_INVALID`; `PROTOCOL_UNSUPPORTED` for an unknown type */
export function decodeOperations(operations: readonly AccessOperation[]): Operation[] {
  const shape = shapeOf('COMMIT_INVALID', 'access operations')
  return shape.list(operations, MAX_OPERATIONS).map(decodeOperation)
}

function decodeOperation(value: unknown): Operation {
  const type = (value as { type?: unknown } | null)?.type
  const shape = shapeOf('COMMIT_INVALID', 'access operation')
  switch (type) {
    case 'genesis': {
      const fields = shape.map(value, ['type', 'genesis', 'owner', 'tenure'])
      const genesis = decodeGenesis(shape.blob(fields.genesis, 256))
      const owner = toHex(shape.bytes(fields.owner, 32))
      return { type, genesis, owner, tenure: toHex(shape.bytes(fields.tenure, 32)) }
    }
    case 'name':
      return { type, name: checkName(shape.map(value, ['type', 'name']).name) }
    case 'identity': {
      const entries = shape.list(shape.map(value, ['type', 'entries']).entries, MAX_ENTRIES)
      return { type, entries: entries.map((entry) => shape.blob(entry, MAX_ENTRY_BYTES)) }
    }
    case 'epoch':
      return decodeEpoch(value)
    default:
      if (typeof type !== 'string') return shape.fail('type expected')
      throw new PeerfoldError(
        'PROTOCOL_UNSUPPORTED',
        `access operation ${JSON.stringify(type.slice(0, 32))} is not known`,
      )
  }
}

function decodeEpoch(value: unknown): EpochOperation {
  const shape = shapeOf('COMMIT_INVALID', 'epoch operation')
  const fields = shape.map(value, ['type', 'id', 'previous', 'boxes', 'recovery'])
  const boxOf = (map: Record<'box', unknown>) => shape.blob(map.box, MAX_BOX_BYTES, 1)
  return {
    type: 'epoch',
    id: toHex(shape.bytes(fields.id, 32)),
    previous: shape.list(fields.previous, MAX_PREVIOUS).map((one) => {
      const map = shape.map(one, ['id', 'sealed'])
      return { id: toHex(shape.bytes(map.id, 32)), sealed: shape.blob(map.sealed, MAX_BOX_BYTES) }
    }),
    boxes: shape.list(fields.boxes, MAX_BOXES).map((one) => {
      const map = shape.map(one, ['device', 'box'])
      return { device: toHex(shape.bytes(map.device, 32)), box: boxOf(map) }
    }),
    recovery: shape.list(fields.recovery, MAX_BOXES).map((one) => {
      const map = shape.map(one, ['user', 'box'])
      return { user: toHex(shape.bytes(map.user, 32)), box: boxOf(map) }
    }),
  }
}

/** A workspace's name. @throws {PeerfoldError} `NAME_INVALID` */
export function checkWorkspaceName(name: string): string {
  const bytes = toUtf8(name)
  if (
    bytes.length === 0 ||
    bytes.length > MAX_NAME_BYTES ||
    fromUtf8(bytes) !== name ||
    /\p{Cc}/u.test(name)
  ) {
    throw new PeerfoldError('NAME_INVALID', `${JSON.stringify(name.slice(0, 64))} cannot name a workspace`, {
      hint: 'A name is 1 to 1020 bytes of text without control characters.',
    })
  }
  return name
}

function checkName(value: unknown): string {
  const shape = shapeOf('COMMIT_INVALID', 'workspace name')
  try {
    return checkWorkspaceName(shape.text(value, MAX_NAME_BYTES))
  } catch {
    return shape.fail('not a name')
  }
}
