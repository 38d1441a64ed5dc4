import { hmac } from '@noble/hashes/hmac.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { concatBytes, fromHex } from '../encoding/bytes.js'
import { deriveKey, sha256Now } from '../encoding/derive.js'
import type { UserId } from '../ports/ids.js'
import type { PeerId } from '../ports/network.js'
import { keyOfPeerId } from './peer-key.js'
import { signedMessage } from './signed.js'

/**
 * Both sides of a pairing show that they know the ticket's secret, bound to the two PeerIds that the channel proved and to what each
 * sends along (PROTOCOL.md §3.9). Who copies a proof cannot use it over another channel; who sits in the middle has other PeerIds.
 * The secret has 128 random bits, so a proof tells nothing that could be guessed offline.
 */
export interface PairingPeers {
  /** The device that made the ticket, as the channel proved it. */
  inviter: PeerId
  /** The device that joins, as the channel proved it. */
  joiner: PeerId
}

export interface TicketProofInit {
  user: UserId
  secret: Uint8Array
  peers: PairingPeers
  /** Who proves. */
  role: keyof PairingPeers
  /** What the prover sends along and must arrive unchanged: the device request of the joiner, the answer of the inviter. */
  payload: Uint8Array
}

/** 32 bytes. */
export function ticketProof({ user, secret, peers, role, payload }: TicketProofInit): Uint8Array {
  const bound = concatBytes(
    fromHex(user),
    keyOfPeerId(peers.inviter),
    keyOfPeerId(peers.joiner),
    sha256Now(payload),
  )
  return hmac(sha256, deriveKey(secret, 'ticket-proof'), signedMessage(`ticket-${role}`, bound))
}

/** Compares in constant time. */
export function checkTicketProof(init: TicketProofInit, proof: Uint8Array): boolean {
  const expected = ticketProof(init)
  let difference = expected.length ^ proof.length
  for (let i = 0; i < expected.length; i++) difference |= (expected[i] as number) ^ (proof[i] ?? 0)
  return difference === 0
}
