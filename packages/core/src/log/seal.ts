import type { EpochSecrets } from '../access/types.js'
import { toHex } from '../encoding/bytes.js'
import { deriveKey, sha256Now } from '../encoding/derive.js'
import { isPeerfoldError, PeerfoldError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'
import type { Crypto, OpenJob } from '../ports/crypto.js'
import type { CommitId, WorkspaceHandle } from '../ports/ids.js'
import type { Random } from '../ports/random.js'
import { type Body, decodeBody, encodeBody } from './body.js'
import {
  type Envelope,
  encodeEnvelope,
  encodeHeader,
  type Header,
  type Sealed,
  signedMessage,
} from './envelope.js'
import { MAX_PADDED_BYTES } from './limits.js'
import { pad, unpad } from './padding.js'
import { invalid } from './shape.js'

const TAG_BYTES = 16

/**
 * Key of one commit (PROTOCOL.md §4.3): HKDF over the epoch's commit secret, salted. Anyone who holds the epoch's read secret can derive it.
 */
export function commitKey(secrets: Pick<EpochSecrets, 'read'>, salt: Uint8Array): Uint8Array {
  const secret = commitSecrets.get(secrets.read) ?? deriveKey(secrets.read, 'commit')
  commitSecrets.set(secrets.read, secret)
  return deriveKey(secret, 'commit/key', salt)
}

/** The same for all commits of an epoch; forgotten with it. */
const commitSecrets = new WeakMap<Uint8Array, Uint8Array>()

export interface SealInit {
  handle: WorkspaceHandle
  prev: CommitId | undefined
  epoch: EpochSecrets
  feedSeed: Uint8Array
  /** Its public key. */
  feedKey: Uint8Array
  body: Body
}

/**
 * Seals and signs a commit. The salt hashes randomness together with all that is sealed and authenticated, so that a device whose random
 * state was cloned still never uses one key for two different commits.
 *
 * @throws {PeerfoldError} `COMMIT_TOO_LARGE`
 */
export async function sealCommit(
  crypto: Pick<Crypto, 'seal' | 'sign'>,
  random: Random,
  init: SealInit,
  options?: AbortOptions,
): Promise<Sealed> {
  const plaintext = pad(encodeBody(init.body))
  if (plaintext.length > MAX_PADDED_BYTES) {
    throw new PeerfoldError('COMMIT_TOO_LARGE', 'what a commit says beside its updates is too large')
  }
  const header = headerOf(init, plaintext, random.bytes(32))
  const aad = encodeHeader(header)
  const key = commitKey(init.epoch, header.salt)
  const [ciphertext] = (await crypto.seal([{ key, plaintext, aad }], options)) as [Uint8Array]
  const id = sha256Now(aad, ciphertext)
  const signature = await crypto.sign(init.feedSeed, signedMessage(id), options)
  const parts = { header: aad, ciphertext, feedKey: init.feedKey, signature }
  return { ...header, ...parts, bytes: encodeEnvelope(parts), id: toHex(id) }
}

function headerOf(init: SealInit, plaintext: Uint8Array, random: Uint8Array): Header {
  const unsalted: Header = {
    handle: init.handle,
    feed: init.body.feed,
    seq: init.body.seq,
    prev: init.prev,
    epoch: init.epoch.id,
    salt: new Uint8Array(32),
    length: plaintext.length + TAG_BYTES,
  }
  return { ...unsalted, salt: sha256Now(random, sha256Now(encodeHeader(unsalted), plaintext)) }
}

/** What `openCommits` says of one envelope: its body, or why it is invalid for ever. */
export type Opened = Body | PeerfoldError

/** Opens and decodes bodies, and checks that they match their headers. One answer for each input, in order. */
export async function openCommits(
  crypto: Pick<Crypto, 'open'>,
  inputs: ReadonlyArray<{ envelope: Envelope; secrets: EpochSecrets }>,
  options?: AbortOptions,
): Promise<Opened[]> {
  const jobs = inputs.map(({ envelope, secrets }) => ({
    key: commitKey(secrets, envelope.salt),
    ciphertext: envelope.ciphertext,
    aad: envelope.header,
  }))
  const plaintexts = await openAll(crypto, jobs, options)
  return plaintexts.map((plaintext, i) =>
    plaintext instanceof PeerfoldError
      ? plaintext
      : tryBody(plaintext, (inputs[i] as (typeof inputs)[0]).envelope),
  )
}

/**
 * Opens one commit, for tools and tests.
 * @throws {PeerfoldError} `DECRYPT_FAILED`, `COMMIT_INVALID`, `PROTOCOL_UNSUPPORTED`
 */
export async function openCommit(
  crypto: Pick<Crypto, 'open'>,
  envelope: Envelope,
  secrets: EpochSecrets,
  options?: AbortOptions,
): Promise<Body> {
  const [opened] = await openCommits(crypto, [{ envelope, secrets }], options)
  if (opened instanceof PeerfoldError) throw opened
  return opened as Body
}

/** One batch in the usual case; one by one when some of it cannot be opened, so that each gets its own verdict. */
async function openAll(
  crypto: Pick<Crypto, 'open'>,
  jobs: OpenJob[],
  options?: AbortOptions,
): Promise<Array<Uint8Array | PeerfoldError>> {
  try {
    return await crypto.open(jobs, options)
  } catch (error) {
    if (!isPeerfoldError(error, 'DECRYPT_FAILED')) throw error
    if (jobs.length === 1) return [error]
  }
  const middle = jobs.length >> 1
  const first = await openAll(crypto, jobs.slice(0, middle), options)
  return [...first, ...(await openAll(crypto, jobs.slice(middle), options))]
}

function tryBody(plaintext: Uint8Array, envelope: Envelope): Opened {
  try {
    const body = decodeBody(unpad(plaintext))
    if (body.feed !== envelope.feed || body.seq !== envelope.seq)
      throw invalid('body does not match its header')
    if (envelope.prev !== undefined && body.deps.includes(envelope.prev)) throw invalid('prev is named twice')
    return body
  } catch (error) {
    if (isPeerfoldError(error)) return error
    throw error
  }
}
