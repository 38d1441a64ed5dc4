import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import type { PrivateKey } from '@libp2p/interface'
import { PeerfoldError } from '../errors.js'

/** The key pair that a libp2p node proves to hold, from a 32-byte Ed25519 seed. */
export async function privateKeyFromSeed(seed: Uint8Array): Promise<PrivateKey> {
  if (seed.length !== 32) throw new PeerfoldError('INVALID_ARGUMENT', 'a seed is 32 bytes')
  return generateKeyPairFromSeed('Ed25519', seed)
}
