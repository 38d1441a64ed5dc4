import { MAX_REQUEST_BYTES } from '../access/device-request.js'
import { decodeCbor, encodeCbor } from '../encoding/cbor.js'
import { bytes, type Decoded, id, list, record } from './codec.js'
import { KIB, MAX_ENTRIES, MAX_ENTRY_BYTES, MAX_GRANT_BYTES, MAX_GRANTS, MIB } from './limits.js'
import { errorCode, messageCodec } from './message-codec.js'

/**
 * Messages of `/peerfold/pair/1` (PROTOCOL.md §6.7).
 *
 * | message | from | what |
 * | --- | --- | --- |
 * | claim | joiner | ticket id, device request, proof of the ticket's secret over both |
 * | welcome | inviter | identity entries and grants, proof of the secret over them |
 * | stored | joiner | all of it is durable: the ticket is spent |
 * | refuse | either | why not |
 */
const BODIES = {
  claim: record({ ticket: id(16), request: bytes(1, MAX_REQUEST_BYTES), proof: bytes(32) }),
  welcome: record({ payload: bytes(1, 4 * MIB - KIB), proof: bytes(32) }),
  stored: record({}),
  refuse: record({ code: errorCode }),
}

type Bodies = typeof BODIES
export type PairingMessage = { [K in keyof Bodies]: { type: K } & Decoded<Bodies[K]> }[keyof Bodies]
export type PairingMessageOf<K extends keyof Bodies> = Extract<PairingMessage, { type: K }>

/** What a joiner may send in one frame. */
export const MAX_CLAIM_BYTES = 2 * KIB
/** What an inviter may. */
export const MAX_WELCOME_BYTES = 4 * MIB

const codec = messageCodec<PairingMessage>(BODIES, {
  claim: MAX_CLAIM_BYTES,
  welcome: MAX_WELCOME_BYTES,
  stored: 16,
  refuse: 128,
})

export const encodePairingMessage = codec.encode
/** @throws {PeerfoldError} `MESSAGE_INVALID` */
export const decodePairingMessage = codec.decode

const welcome = record({
  entries: list(bytes(1, MAX_ENTRY_BYTES), MAX_ENTRIES, 1),
  grants: list(bytes(1, MAX_GRANT_BYTES), MAX_GRANTS),
})

/** What makes a device one of the user's: the identity log that names it, and the keys of the workspaces. */
export type Welcome = Decoded<typeof welcome>

export function encodeWelcome(value: Welcome): Uint8Array {
  return encodeCbor(welcome.encode(value))
}

/** @throws {PeerfoldError} `MESSAGE_INVALID` */
export function decodeWelcome(payload: Uint8Array): Welcome {
  return welcome.decode(decodeCbor(payload), 'welcome')
}
