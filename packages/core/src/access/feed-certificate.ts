import { concatBytes, fromHex } from '../encoding/bytes.js'
import { decodeCbor, encodeCbor } from '../encoding/cbor.js'
import { PeerfoldError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'
import type { Crypto } from '../ports/crypto.js'
import type { DeviceId, WorkspaceId } from '../ports/ids.js'
import { deviceIdOf } from './device-secrets.js'
import { MAX_ENTRY_BYTES } from './identity-entry.js'
import { foldIdentity, withCauses } from './identity-fold.js'
import type { IdentityLog } from './identity-log.js'
import { shapeOf } from './shape.js'
import { signedMessage } from './signed.js'

/**
 * Proof that a feed is a device's (PROTOCOL.md §3.7), in the first commit of the feed: the device's signature over workspace and feed key, with the
 * device's certificate and all identity entries that this one builds on, so that the commit proves itself to who knows nothing but the user.
 * Size limits: 448 entries, 200 KiB.
 */
export interface FeedCertificate {
  device: DeviceId
  signingKey: Uint8Array
  signature: Uint8Array
  entries: Uint8Array[]
}

export const FEED_CERTIFICATE_VERSION = 1
const MAX_PROOF_BYTES = 200 * 1024
const MAX_ENTRIES = 448

export interface FeedCertificateInit {
  crypto: Pick<Crypto, 'sign' | 'publicKey'>
  identity: IdentityLog
  signingSeed: Uint8Array
  workspace: WorkspaceId
  feedKey: Uint8Array
}

/** @throws {PeerfoldError} `CERTIFICATE_INVALID` when the identity log does not certify this device, or has grown too large */
export async function createFeedCertificate(
  init: FeedCertificateInit,
  options?: AbortOptions,
): Promise<Uint8Array> {
  const { crypto, identity, signingSeed } = init
  const signingKey = crypto.publicKey(signingSeed)
  const device = deviceIdOf(signingKey)
  const { labels } = foldIdentity(identity.entries.values())
  const certificates = [...identity.entries.values()].filter(
    (entry) =>
      entry.type === 'addDevice' &&
      entry.request.certificate.device === device &&
      labels.get(entry.id) !== 'void',
  )
  if (certificates.length === 0) {
    throw new PeerfoldError('CERTIFICATE_INVALID', 'this device is not certified in its identity log')
  }
  const ids = certificates.map(({ id }) => id)
  const entries = withCauses(identity.entries, ids).map(({ bytes }) => bytes)
  const signature = await crypto.sign(signingSeed, feedMessage(init.workspace, init.feedKey), options)
  const proof = encodeCbor({ v: FEED_CERTIFICATE_VERSION, signingKey, signature, entries })
  if (proof.length > MAX_PROOF_BYTES || entries.length > MAX_ENTRIES) {
    throw new PeerfoldError('CERTIFICATE_INVALID', 'the identity log is too long to be carried in a commit')
  }
  return proof
}

/** Decodes without checking signatures. @throws {PeerfoldError} `CERTIFICATE_INVALID`, `PROTOCOL_UNSUPPORTED` */
export function decodeFeedCertificate(proof: Uint8Array): FeedCertificate {
  const shape = shapeOf('CERTIFICATE_INVALID', 'feed certificate')
  const map = decodeCbor(shape.blob(proof, MAX_PROOF_BYTES), 'CERTIFICATE_INVALID')
  shape.version((map as { v?: unknown } | null)?.v, FEED_CERTIFICATE_VERSION)
  const fields = shape.map(map, ['v', 'signingKey', 'signature', 'entries'])
  const signingKey = shape.bytes(fields.signingKey, 32)
  return {
    device: deviceIdOf(signingKey),
    signingKey,
    signature: shape.bytes(fields.signature, 64),
    entries: shape.list(fields.entries, MAX_ENTRIES).map((entry) => shape.blob(entry, MAX_ENTRY_BYTES)),
  }
}

/** @throws {PeerfoldError} `CERTIFICATE_INVALID` */
export async function checkFeedSignature(
  crypto: Pick<Crypto, 'verify'>,
  { signingKey, signature }: FeedCertificate,
  workspace: WorkspaceId,
  feedKey: Uint8Array,
  options?: AbortOptions,
): Promise<void> {
  const job = { publicKey: signingKey, message: feedMessage(workspace, feedKey), signature }
  const [sound] = await crypto.verify([job], options)
  if (!sound) throw new PeerfoldError('CERTIFICATE_INVALID', 'feed certificate: the signature is wrong')
}

function feedMessage(workspace: WorkspaceId, feedKey: Uint8Array): Uint8Array {
  return signedMessage('feed', concatBytes(fromHex(workspace), feedKey))
}
