import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import * as Digest from 'multiformats/hashes/digest'
import { sha256 } from 'multiformats/hashes/sha2'
import { PeerfoldError } from '../errors.js'

/** The name of a block whose ciphertext has this SHA-256 (PROTOCOL.md §1). */
export function blockCid(digest: Uint8Array): CID {
  return CID.createV1(raw.code, Digest.create(sha256.code, digest))
}

/**
 * The SHA-256 in a block's name.
 *
 * @throws {PeerfoldError} `INVALID_ARGUMENT` unless the CID is version 1, raw, SHA-256
 */
export function blockDigest(cid: CID): Uint8Array {
  if (!isBlockCid(cid)) throw new PeerfoldError('INVALID_ARGUMENT', `${cid} does not name a block`)
  return cid.multihash.digest
}

/** Whether a CID has the form of a block's name. */
export function isBlockCid(cid: CID): boolean {
  const { code, digest } = cid.multihash
  return cid.version === 1 && cid.code === raw.code && code === sha256.code && digest.length === 32
}
