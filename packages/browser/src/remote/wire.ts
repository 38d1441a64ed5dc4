import { type DeviceInfo, PeerfoldError, type RelayListing, type Status } from '@peerfold/core'
import type { WireError } from './wire-error.js'

/**
 * The messages between a client and the device. All that happens is an exchange: the client opens it with a method and its arguments, frames
 * go both ways, and the device ends it with `done` or `fail`.
 *
 * - What an exchange yields comes as `items`, as far as the client gave credit: bytes for files, pieces otherwise.
 * - What it takes in (a body that the client streams) goes as `input`, as far as the device `want`s it.
 * - `note` says what happens beside: progress, the version that is read.
 */

/** What a method works on: the device, when neither is given. */
export interface Target {
  /** A workspace's id. */
  workspace?: string
  /** A transaction of this client. */
  tx?: number
}

export type Arguments = Readonly<Record<string, unknown>>

export interface OpenFrame {
  type: 'open'
  id: number
  method: string
  target: Target
  args: Arguments
  /** Credit to begin with. */
  window: number
}

export type ClientFrame =
  | OpenFrame
  | { type: 'credit'; id: number; amount: number }
  | { type: 'input'; id: number; piece: Uint8Array }
  /** All was put in; or, where the client holds something open: it is done with it. */
  | { type: 'input-end'; id: number }
  | { type: 'abort'; id: number }
  | Liveness

export type DeviceFrame =
  | { type: 'items'; id: number; items: readonly unknown[] }
  | { type: 'note'; id: number; note: Note }
  | { type: 'want'; id: number; amount: number }
  /** `state` where it has changed: it must be there before the call returns. */
  | { type: 'done'; id: number; value: unknown; state?: DeviceState }
  | { type: 'fail'; id: number; error: WireError }
  /** The device will have no more to do with this client. */
  | { type: 'bye'; error: WireError }
  | Liveness

type Liveness = { type: 'ping' } | { type: 'pong' }

export interface Note {
  progress?: { bytes: number; total: number | undefined }
  /** Version that is read, so that an interrupted reading can go on in the same one. */
  version?: string
  /** Where a watcher begins. */
  cursor?: string
  /** The transaction that was begun. */
  tx?: number
  invite?: { ticket: string; url: string; expires: Date }
}

/** What a client can ask for without waiting. */
export interface DeviceState {
  hasIdentity: boolean
  device: DeviceInfo | undefined
  status: Status | undefined
  relays: RelayListing[]
}

/** A change of a live list: at `start`, `remove` items give way to `items`. */
export interface Splice<T> {
  start: number
  remove: number
  items: T[]
  /** Further parts of the same change follow. */
  more: boolean
}

/** Bodies by value, by reference (a Blob or File), or pulled piece by piece. */
export type WireBody =
  | { kind: 'text'; text: string }
  | { kind: 'bytes'; bytes: Uint8Array }
  | { kind: 'blob'; blob: Blob }
  | { kind: 'input' }

/** @throws {PeerfoldError} `MESSAGE_INVALID` */
export function parseClientFrame(message: unknown): ClientFrame {
  const frame = fieldsOf(message)
  const { type, id } = frame
  if (type === 'ping' || type === 'pong') return { type }
  if (typeof id !== 'number' || !Number.isSafeInteger(id)) throw malformed('no id')
  switch (type) {
    case 'open':
      return parseOpen(id, frame)
    case 'credit':
      return { type, id, amount: parseAmount(frame.amount) }
    case 'input':
      if (!(frame.piece instanceof Uint8Array)) throw malformed('input is bytes')
      return { type, id, piece: frame.piece }
    case 'input-end':
    case 'abort':
      return { type, id }
    default:
      throw malformed(`no frame of type ${String(type)}`)
  }
}

function parseOpen(id: number, frame: Record<string, unknown>): OpenFrame {
  const { method, target, args, window } = frame
  if (typeof method !== 'string') throw malformed('no method')
  const { workspace, tx } = fieldsOf(target)
  if (workspace !== undefined && typeof workspace !== 'string') throw malformed('a workspace is text')
  if (tx !== undefined && typeof tx !== 'number') throw malformed('a transaction is a number')
  return {
    type: 'open',
    id,
    method,
    target: { workspace, tx },
    args: fieldsOf(args),
    window: parseAmount(window),
  }
}

function parseAmount(value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
    throw malformed('credit is a whole number')
  return value
}

function fieldsOf(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null) throw malformed('not an object')
  return value as Record<string, unknown>
}

export function malformed(what: string): PeerfoldError {
  return new PeerfoldError('MESSAGE_INVALID', `malformed message: ${what}`)
}
