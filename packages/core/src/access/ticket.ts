import { base58btc } from 'multiformats/bases/base58'
import { concatBytes, equalBytes, fromHex, toHex } from '../encoding/bytes.js'
import { decodeCbor, encodeCbor } from '../encoding/cbor.js'
import { deriveKey, sha256Now } from '../encoding/derive.js'
import { PeerfoldError } from '../errors.js'
import type { UserId } from '../ports/ids.js'
import type { PeerId } from '../ports/network.js'
import { keyOfPeerId, peerIdOfKey } from './peer-key.js'
import { shapeOf } from './shape.js'

/**
 * Tickets (PROTOCOL.md §3.8): what one device shows so that another may join its user. One line to paste, and a link for QR codes.
 * `peerfold:` ‖ base58btc(version byte ‖ payload ‖ first 4 bytes of SHA-256 of both). A ticket is a secret until it was used or expired.
 *
 * Size limits: 16 addresses and 8 relays of 256 characters, 4096 characters in all.
 */
export interface Ticket {
  user: UserId
  /** PeerId of the device that invites: dialling an address checks it. */
  inviter: PeerId
  /** Multiaddrs at which the inviter listens. */
  addresses: string[]
  /** Multiaddrs or URLs of relays through which the inviter may be reached. */
  relays: string[]
  /** 16 random bytes, known to who saw the ticket. */
  secret: Uint8Array
  /** Milliseconds since 1970, by the inviter's clock. */
  expires: number
}

export const TICKET_VERSION = 1
export const TICKET_SECRET_BYTES = 16
/** Ten minutes. */
export const TICKET_LIFETIME_MS = 600_000
const MAX_CHARS = 4096
const MAX_ADDRESSES = 16
const MAX_RELAYS = 8
const MAX_ADDRESS_CHARS = 256
const LINE = 'peerfold:'
const LINK = 'peerfold://join#'

/** One line that starts with `peerfold:`. Addresses beyond the limit are left out. */
export function encodeTicket(ticket: Ticket): string {
  return LINE + encodeText(ticket)
}

/** The same as a link; what follows the `#` stays on the machine that opens it. */
export function encodeTicketLink(ticket: Ticket): string {
  return LINK + encodeText(ticket)
}

/**
 * Reads either form, white space around and inside it (a wrapped line) set aside. Says nothing about expiry: see `checkExpiry`.
 *
 * @throws {PeerfoldError} `TICKET_INVALID` for anything else, cut or mistyped tickets among it; `PROTOCOL_UNSUPPORTED` for those of a
 * later version
 */
export function decodeTicket(text: string): Ticket {
  const bytes = decodeText(text)
  const body = bytes.subarray(0, -4)
  if (bytes.length < 6 || !equalBytes(checksum(body), bytes.subarray(-4))) {
    throw invalid('it is incomplete or mistyped')
  }
  shapeOf('TICKET_INVALID', 'ticket').version(body[0], TICKET_VERSION)
  return decodePayload(body.slice(1))
}

/** @throws {PeerfoldError} `TICKET_EXPIRED` */
export function checkExpiry(ticket: Pick<Ticket, 'expires'>, now: number): void {
  if (now >= ticket.expires) {
    throw new PeerfoldError(
      'TICKET_EXPIRED',
      `the ticket ran out at ${new Date(ticket.expires).toISOString()}`,
    )
  }
}

/** Names a ticket without telling its secret: 16 bytes, hexadecimal. */
export function ticketId(secret: Uint8Array): string {
  return toHex(deriveKey(secret, 'ticket-id', undefined, 16))
}

function encodeText(ticket: Ticket): string {
  const body = concatBytes(Uint8Array.of(TICKET_VERSION), encodePayload(ticket))
  return base58btc.baseEncode(concatBytes(body, checksum(body)))
}

function encodePayload(ticket: Ticket): Uint8Array {
  const short = (list: readonly string[], max: number) =>
    list.filter((address) => address.length > 0 && address.length <= MAX_ADDRESS_CHARS).slice(0, max)
  return encodeCbor({
    user: fromHex(ticket.user),
    inviter: keyOfPeerId(ticket.inviter),
    addresses: short(ticket.addresses, MAX_ADDRESSES),
    relays: short(ticket.relays, MAX_RELAYS),
    secret: ticket.secret,
    expires: ticket.expires,
  })
}

function decodePayload(payload: Uint8Array): Ticket {
  const shape = shapeOf('TICKET_INVALID', 'ticket')
  const fields = shape.map(decodeCbor(payload, 'TICKET_INVALID'), [
    'user',
    'inviter',
    'addresses',
    'relays',
    'secret',
    'expires',
  ])
  const texts = (value: unknown, max: number) =>
    shape.list(value, max).map((address) => shape.text(address, MAX_ADDRESS_CHARS))
  return {
    user: toHex(shape.bytes(fields.user, 32)),
    inviter: peerIdOfKey(shape.bytes(fields.inviter, 32)),
    addresses: texts(fields.addresses, MAX_ADDRESSES),
    relays: texts(fields.relays, MAX_RELAYS),
    secret: shape.bytes(fields.secret, TICKET_SECRET_BYTES),
    expires: shape.uint(fields.expires, 8.64e15),
  }
}

function decodeText(text: string): Uint8Array {
  if (text.length > 2 * MAX_CHARS) throw invalid('it is too long')
  const line = text.replace(/\s+/gu, '')
  if (line.length > MAX_CHARS) throw invalid('it is too long')
  const prefix = [LINK, LINE].find((known) => line.slice(0, known.length).toLowerCase() === known)
  if (prefix === undefined) throw invalid('it does not begin with "peerfold:"')
  try {
    return base58btc.baseDecode(line.slice(prefix.length))
  } catch (cause) {
    throw invalid('it has a character that tickets never have', cause)
  }
}

function checksum(body: Uint8Array): Uint8Array {
  return sha256Now(body).subarray(0, 4)
}

function invalid(reason: string, cause?: unknown): PeerfoldError {
  return new PeerfoldError('TICKET_INVALID', `not a ticket: ${reason}`, { cause })
}
