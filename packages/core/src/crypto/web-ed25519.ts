import { concatBytes, fromHex } from '../encoding/bytes.js'
import type { VerifyJob } from '../ports/crypto.js'
import { isStrictSignature } from './ed25519.js'
import { naclSign, naclVerify } from './nacl.js'

export interface Ed25519 {
  sign(seed: Uint8Array, message: Uint8Array): Promise<Uint8Array>
  verify(job: VerifyJob): Promise<boolean>
}

/** PKCS #8 of an Ed25519 private key up to its 32-byte seed: the only form in which WebCrypto imports seeds. */
const PKCS8 = fromHex('302e020100300506032b657004220420')

/** WebCrypto's Ed25519 where it is there and right, else TweetNaCl's. */
export async function chooseEd25519(subtle: SubtleCrypto): Promise<Ed25519> {
  const web = webEd25519(subtle)
  try {
    if (await knowsTheAnswer(web)) return web
  } catch {
    // Not supported: older browsers reject the algorithm's name.
  }
  return naclEd25519
}

const naclEd25519: Ed25519 = {
  sign: async (seed, message) => naclSign(seed, message),
  verify: async ({ publicKey, message, signature }) => naclVerify(publicKey, message, signature),
}

function webEd25519(subtle: SubtleCrypto): Ed25519 {
  return {
    async sign(seed, message) {
      const key = await subtle.importKey(
        'pkcs8',
        concatBytes(PKCS8, seed) as BufferSource,
        'Ed25519',
        false,
        ['sign'],
      )
      return new Uint8Array(await subtle.sign('Ed25519', key, message as BufferSource))
    },
    async verify({ publicKey, message, signature }) {
      if (!isStrictSignature(publicKey, signature)) return false
      const key = await importPublicKey(subtle, publicKey)
      return (
        key !== undefined && subtle.verify('Ed25519', key, signature as BufferSource, message as BufferSource)
      )
    },
  }
}

/** Undefined when the 32 bytes are no point: some platforms notice at import, others at verification. */
async function importPublicKey(subtle: SubtleCrypto, bytes: Uint8Array): Promise<CryptoKey | undefined> {
  try {
    return await subtle.importKey('raw', bytes as BufferSource, 'Ed25519', false, ['verify'])
  } catch (error) {
    if (error instanceof Error && error.name === 'DataError') return undefined
    throw error
  }
}

/** RFC 8032 §7.1, test 1. */
async function knowsTheAnswer(ed25519: Ed25519): Promise<boolean> {
  const publicKey = fromHex('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a')
  const seed = fromHex('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60')
  const message = new Uint8Array()
  return ed25519.verify({ publicKey, message, signature: await ed25519.sign(seed, message) })
}
