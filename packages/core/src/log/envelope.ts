import { concatBytes, equalBytes, fromHex, toHex, toUtf8 } from '../encoding/bytes.js'
import { decodeCbor, encodeCbor } from '../encoding/cbor.js'
import { sha256Now } from '../encoding/derive.js'
import { isPeerfoldError, PeerfoldError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'
import type { Crypto } from '../ports/crypto.js'
import type { CommitId, EpochId, FeedId, WorkspaceHandle } from '../ports/ids.js'
import { MAX_ENVELOPE_BYTES } from './limits.js'
import { asBytes, asHash, asList, asUint, invalid } from './shape.js'

/**
 * The sealed commit as it travels (PROTOCOL.md §4.1), and what anyone can check of it without a key.
 *
 * Participants: an author, whose feed key signs; forwarders and relays, who see the clear header and check it; members, who open the body.
 * Goals: a forwarder can refuse what is malformed, misplaced or not signed by its feed. Non-goals: saying who wrote it, or whether it is
 * allowed: that needs the body.
 */

const VERSION = 1
const TAG_BYTES = 16
const PURPOSE = toUtf8('peerfold/1/commit\0')

/** Clear header of a commit. */
export interface Header {
  handle: WorkspaceHandle
  feed: FeedId
  seq: number
  prev: CommitId | undefined
  epoch: EpochId
  salt: Uint8Array
  /** Bytes of the ciphertext, tag included. */
  length: number
}

export interface Envelope extends Header {
  /** The header's bytes: additional authenticated data of the body. */
  header: Uint8Array
  ciphertext: Uint8Array
  /** Ed25519 public key; the header's feed is its hash. */
  feedKey: Uint8Array
  signature: Uint8Array
  /** All of it, as it travels. */
  bytes: Uint8Array
}

/** An envelope with its id, signature checked or trusted. */
export interface Sealed extends Envelope {
  id: CommitId
}

export function encodeHeader(header: Header): Uint8Array {
  return encodeCbor([
    VERSION,
    fromHex(header.handle),
    fromHex(header.feed),
    header.seq,
    header.prev === undefined ? null : fromHex(header.prev),
    fromHex(header.epoch),
    header.salt,
    header.length,
  ])
}

/** @throws {PeerfoldError} `COMMIT_INVALID`, `PROTOCOL_UNSUPPORTED` */
export function decodeHeader(bytes: Uint8Array): Header {
  const fields = asList(decodeCbor(bytes, 'COMMIT_INVALID'), 8, 'header')
  if (fields[0] !== VERSION) throw unsupported(fields[0])
  if (fields.length !== 8) throw invalid('header has not 8 fields')
  const seq = asUint(fields[3], 'seq')
  if (seq === 0 || (seq === 1) !== (fields[4] === null))
    throw invalid('prev is there from the second commit on')
  return {
    handle: toHex(asHash(fields[1], 'handle')),
    feed: toHex(asHash(fields[2], 'feed')),
    seq,
    prev: fields[4] === null ? undefined : toHex(asHash(fields[4], 'prev')),
    epoch: toHex(asHash(fields[5], 'epoch')),
    salt: asHash(fields[6], 'salt'),
    length: asUint(fields[7], 'length'),
  }
}

export function encodeEnvelope(envelope: Omit<Envelope, 'bytes' | keyof Header>): Uint8Array {
  return encodeCbor([envelope.header, envelope.ciphertext, envelope.feedKey, envelope.signature])
}

/** @throws {PeerfoldError} `COMMIT_INVALID`, `COMMIT_TOO_LARGE`, `PROTOCOL_UNSUPPORTED` */
export function decodeEnvelope(bytes: Uint8Array): Envelope {
  if (bytes.length > MAX_ENVELOPE_BYTES) throw tooLarge(bytes.length)
  const fields = asList(decodeCbor(bytes, 'COMMIT_INVALID'), 4, 'envelope')
  if (fields.length !== 4) throw invalid('envelope has not 4 fields')
  const header = asBytes(fields[0], 'header', 1024)
  const ciphertext = asBytes(fields[1], 'ciphertext', MAX_ENVELOPE_BYTES)
  const feedKey = asHash(fields[2], 'feed key')
  const signature = asBytes(fields[3], 'signature', 64)
  const clear = decodeHeader(header)
  if (signature.length !== 64) throw invalid('signature is not 64 bytes')
  if (clear.length !== ciphertext.length || ciphertext.length < TAG_BYTES) throw invalid('length is wrong')
  if (!equalBytes(sha256Now(feedKey), fromHex(clear.feed))) throw invalid('feed key does not match the feed')
  return { ...clear, header, ciphertext, feedKey, signature, bytes }
}

/** What a feed's key signs. */
export function signedMessage(id: Uint8Array): Uint8Array {
  return concatBytes(PURPOSE, id)
}

/** Ids of envelopes: SHA-256(header ‖ ciphertext). */
export async function identify(
  crypto: Pick<Crypto, 'hash'>,
  envelopes: readonly Envelope[],
  options?: AbortOptions,
): Promise<Sealed[]> {
  const hashes = await crypto.hash(
    envelopes.map(({ header, ciphertext }) => concatBytes(header, ciphertext)),
    options,
  )
  return envelopes.map((envelope, i) => ({ ...envelope, id: toHex(hashes[i] as Uint8Array) }))
}

/**
 * All that a forwarder without keys can check: form, limits, workspace, feed key, signature. One answer for each input, in order.
 *
 * @param handle the workspace that they must belong to
 */
export async function verifyEnvelopes(
  crypto: Pick<Crypto, 'hash' | 'verify'>,
  handle: WorkspaceHandle,
  inputs: readonly Uint8Array[],
  options?: AbortOptions,
): Promise<Array<Sealed | PeerfoldError>> {
  const decoded = inputs.map((bytes) => tryDecode(bytes, handle))
  const sealed = await identify(crypto, decoded.filter(isEnvelope), options)
  const genuine = await crypto.verify(
    sealed.map(({ id, feedKey, signature }) => ({
      publicKey: feedKey,
      message: signedMessage(fromHex(id)),
      signature,
    })),
    options,
  )
  const verdicts = sealed.map((one, i) => (genuine[i] ? one : invalid('signature is wrong')))
  let next = 0
  return decoded.map((one) => (isEnvelope(one) ? (verdicts[next++] as Sealed | PeerfoldError) : one))
}

/**
 * One envelope, as `verifyEnvelopes`.
 * @throws {PeerfoldError} `COMMIT_INVALID`, `COMMIT_TOO_LARGE`, `PROTOCOL_UNSUPPORTED`
 */
export async function verifyEnvelope(
  crypto: Pick<Crypto, 'hash' | 'verify'>,
  handle: WorkspaceHandle,
  bytes: Uint8Array,
  options?: AbortOptions,
): Promise<Sealed> {
  const [verdict] = await verifyEnvelopes(crypto, handle, [bytes], options)
  if (verdict instanceof PeerfoldError) throw verdict
  return verdict as Sealed
}

function isEnvelope(value: Envelope | PeerfoldError): value is Envelope {
  return !(value instanceof PeerfoldError)
}

function tryDecode(bytes: Uint8Array, handle: WorkspaceHandle): Envelope | PeerfoldError {
  try {
    const envelope = decodeEnvelope(bytes)
    return envelope.handle === handle ? envelope : invalid('it belongs to another workspace')
  } catch (error) {
    if (isPeerfoldError(error)) return error
    throw error
  }
}

function tooLarge(length: number): PeerfoldError {
  return new PeerfoldError(
    'COMMIT_TOO_LARGE',
    `a commit of ${length} bytes is over the limit of ${MAX_ENVELOPE_BYTES}`,
  )
}

function unsupported(version: unknown): PeerfoldError {
  return new PeerfoldError('PROTOCOL_UNSUPPORTED', `commit version ${String(version)} is not known`)
}
