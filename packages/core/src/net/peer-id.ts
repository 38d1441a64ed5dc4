import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import type { PrivateKey } from '@libp2p/interface'
import { base58btc } from 'multiformats/bases/base58'
import { concatBytes } from '../encoding/bytes.js'
import { PeerfoldError } from '../errors.js'
import type { PeerId } from '../ports/network.js'

/** Identity multihash of the protobuf { type: Ed25519, data: 32 bytes }. */
const ED25519_PREFIX = Uint8Array.of(0x00, 0x24, 0x08, 0x01, 0x12, 0x20)

/** The PeerId of an Ed25519 public key (32 bytes). It holds the key itself. */
export function peerIdFromPublicKey(publicKey: Uint8Array): PeerId {
  if (publicKey.length !== 32) throw new PeerfoldError('INVALID_ARGUMENT', 'a public key is 32 bytes')
  return base58btc.baseEncode(concatBytes(ED25519_PREFIX, publicKey))
}

/** The Ed25519 public key in a PeerId. @throws {PeerfoldError} `INVALID_ARGUMENT` when it holds none */
export function publicKeyFromPeerId(peer: PeerId): Uint8Array {
  const bytes = decodePeerId(peer)
  if (bytes.length !== 38 || ED25519_PREFIX.some((byte, i) => bytes[i] !== byte)) {
    throw new PeerfoldError('INVALID_ARGUMENT', `not the PeerId of an Ed25519 key: ${peer}`)
  }
  return bytes.subarray(ED25519_PREFIX.length)
}

/** The key pair that a libp2p node proves to hold, from a 32-byte Ed25519 seed. */
export async function privateKeyFromSeed(seed: Uint8Array): Promise<PrivateKey> {
  if (seed.length !== 32) throw new PeerfoldError('INVALID_ARGUMENT', 'a seed is 32 bytes')
  return generateKeyPairFromSeed('Ed25519', seed)
}

function decodePeerId(peer: PeerId): Uint8Array {
  try {
    return base58btc.baseDecode(peer)
  } catch (cause) {
    throw new PeerfoldError('INVALID_ARGUMENT', `not a PeerId: ${peer}`, { cause })
  }
}
