import { type CommitId, type EpochId, PeerfoldError, type PeerId, type WorkspaceHandle } from '@peerfold/core'
import { decodeCbor, encodeCbor, fromHex, keyOfPeerId, type Registration, toHex } from '@peerfold/core/relay'

/**
 * Records of the relay's log (PROTOCOL.md §10.9): canonical DAG-CBOR lists, the first item names them. All that was acknowledged lies here, but for
 * blocks and bundles; the index is what `reduce.ts` makes of it.
 */
export type LogEntry =
  /** A mailbox begins, or goes on under another incarnation. */
  | { type: 'mailbox'; handle: WorkspaceHandle; incarnation: string }
  | { type: 'epoch'; registration: Registration; signature: Uint8Array }
  /** The operator had the epochs forgotten: the next one needs no predecessor. */
  | { type: 'reset'; handle: WorkspaceHandle }
  | { type: 'commit'; handle: WorkspaceHandle; sender: PeerId; envelope: Uint8Array }
  /** A device pushed only what was there already: what it leased before is permanent all the same. */
  | { type: 'kept'; handle: WorkspaceHandle; sender: PeerId }
  | { type: 'lease'; handle: WorkspaceHandle; sender: PeerId; until: number; blocks: LeasedBlock[] }
  | { type: 'dropped'; handle: WorkspaceHandle; digests: string[] }

export type EntryOf<K extends LogEntry['type']> = Extract<LogEntry, { type: K }>

export interface LeasedBlock {
  /** SHA-256, hexadecimal. */
  digest: string
  bytes: number
}

export function encodeEntry(entry: LogEntry): Uint8Array {
  return encodeCbor([entry.type, ...fieldsOf(entry)])
}

/** @throws {PeerfoldError} `LOG_CORRUPT` */
export function decodeEntry(record: Uint8Array): LogEntry {
  const list = decodeCbor(record, 'LOG_CORRUPT')
  if (!Array.isArray(list)) throw invalid('not a list')
  const [type, ...fields] = list
  const read = typeof type === 'string' && Object.hasOwn(READERS, type) ? READERS[type] : undefined
  if (read === undefined) throw invalid('of no known type')
  if (fields.length !== read.fields) throw invalid(`${type} has not ${read.fields} fields`)
  return read.decode(fields)
}

function fieldsOf(entry: LogEntry): unknown[] {
  switch (entry.type) {
    case 'mailbox':
      return [fromHex(entry.handle), fromHex(entry.incarnation)]
    case 'epoch':
      return epochFields(entry)
    case 'reset':
      return [fromHex(entry.handle)]
    case 'commit':
      return [fromHex(entry.handle), entry.sender, entry.envelope]
    case 'kept':
      return [fromHex(entry.handle), entry.sender]
    case 'lease':
      return [
        fromHex(entry.handle),
        entry.sender,
        entry.until,
        entry.blocks.map(({ digest, bytes }) => [fromHex(digest), bytes]),
      ]
    case 'dropped':
      return [fromHex(entry.handle), entry.digests.map(fromHex)]
  }
}

function epochFields({ registration, signature }: EntryOf<'epoch'>): unknown[] {
  const { handle, epoch, pull, push, control, previous, rotation } = registration
  const optional = (hex: string | undefined) => (hex === undefined ? null : fromHex(hex))
  return [
    fromHex(handle),
    fromHex(epoch),
    pull,
    push,
    control,
    optional(previous),
    optional(rotation),
    signature,
  ]
}

const READERS: Record<string, { fields: number; decode: (fields: unknown[]) => LogEntry }> = {
  mailbox: {
    fields: 2,
    decode: ([handle, incarnation]) => ({
      type: 'mailbox',
      handle: id(handle),
      incarnation: id(incarnation, 16),
    }),
  },
  epoch: {
    fields: 8,
    decode: ([handle, epoch, pull, push, control, previous, rotation, signature]) => ({
      type: 'epoch',
      registration: {
        handle: id(handle),
        epoch: id(epoch),
        pull: raw(pull, 32),
        push: raw(push, 32),
        control: raw(control, 32),
        previous: optionalId(previous),
        rotation: optionalId(rotation),
      },
      signature: raw(signature, 64),
    }),
  },
  reset: {
    fields: 1,
    decode: ([handle]) => ({ type: 'reset', handle: id(handle) }),
  },
  commit: {
    fields: 3,
    decode: ([handle, sender, envelope]) => ({
      type: 'commit',
      handle: id(handle),
      sender: peer(sender),
      envelope: raw(envelope),
    }),
  },
  kept: {
    fields: 2,
    decode: ([handle, sender]) => ({ type: 'kept', handle: id(handle), sender: peer(sender) }),
  },
  lease: {
    fields: 4,
    decode: ([handle, sender, until, blocks]) => ({
      type: 'lease',
      handle: id(handle),
      sender: peer(sender),
      until: uint(until),
      blocks: list(blocks).map(leasedBlock),
    }),
  },
  dropped: {
    fields: 2,
    decode: ([handle, digests]) => ({
      type: 'dropped',
      handle: id(handle),
      digests: list(digests).map((digest) => id(digest)),
    }),
  },
}

function leasedBlock(value: unknown): LeasedBlock {
  const pair = list(value)
  if (pair.length !== 2) throw invalid('a leased block is [digest, bytes]')
  return { digest: id(pair[0]), bytes: uint(pair[1]) }
}

function raw(value: unknown, length?: number): Uint8Array {
  if (value instanceof Uint8Array && (length === undefined || value.length === length)) return value
  throw invalid(`expected ${length ?? 'some'} bytes`)
}

function id(value: unknown, length = 32): string {
  return toHex(raw(value, length))
}

function optionalId(value: unknown): EpochId | CommitId | undefined {
  return value === null ? undefined : id(value)
}

function uint(value: unknown): number {
  if (Number.isSafeInteger(value) && Number(value) >= 0) return value as number
  throw invalid('expected a number')
}

function list(value: unknown): unknown[] {
  if (Array.isArray(value)) return value
  throw invalid('expected a list')
}

function peer(value: unknown): PeerId {
  if (typeof value !== 'string') throw invalid('expected a PeerId')
  try {
    keyOfPeerId(value)
    return value
  } catch (cause) {
    throw invalid('expected a PeerId', cause)
  }
}

function invalid(what: string, cause?: unknown): PeerfoldError {
  return new PeerfoldError('LOG_CORRUPT', `a record of the relay's log: ${what}`, { cause })
}
