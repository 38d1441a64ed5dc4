import nacl from 'tweetnacl'
import { isStrictSignature } from './ed25519.js'

/** Ed25519 in plain JavaScript: for platforms whose WebCrypto has none. Same bytes and verdicts, some 20 times slower. */

export function naclSign(seed: Uint8Array, message: Uint8Array): Uint8Array {
  return nacl.sign.detached(message, nacl.sign.keyPair.fromSeed(seed).secretKey)
}

export function naclPublicKey(seed: Uint8Array): Uint8Array {
  return nacl.sign.keyPair.fromSeed(seed).publicKey
}

export function naclVerify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  return isStrictSignature(publicKey, signature) && nacl.sign.detached.verify(message, signature, publicKey)
}
