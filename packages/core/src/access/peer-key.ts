import { base58btc } from 'multiformats/bases/base58'
import { concatBytes, equalBytes, fromHex } from '../encoding/bytes.js'
import { PeerfoldError } from '../errors.js'
import type { PeerId } from '../ports/network.js'

/** Identity multihash of libp2p's protobuf form of an Ed25519 public key: what stands before the key in a PeerId. */
const PREFIX = fromHex('002408011220')

/** libp2p PeerId of a 32-byte Ed25519 public key (PROTOCOL.md §3.2). */
export function peerIdOfKey(publicKey: Uint8Array): PeerId {
  return base58btc.baseEncode(concatBytes(PREFIX, publicKey))
}

/** The Ed25519 key in a PeerId. @throws {PeerfoldError} `INVALID_ARGUMENT` when it holds no such key */
export function keyOfPeerId(peer: PeerId): Uint8Array {
  const bytes = peer.length === 52 ? decode(peer) : undefined
  if (bytes?.length !== 38 || !equalBytes(bytes.subarray(0, 6), PREFIX)) {
    throw new PeerfoldError('INVALID_ARGUMENT', `${peer.slice(0, 64)} is not the PeerId of an Ed25519 key`)
  }
  return bytes.slice(6)
}

function decode(peer: PeerId): Uint8Array | undefined {
  try {
    return base58btc.baseDecode(peer)
  } catch {
    return undefined
  }
}
