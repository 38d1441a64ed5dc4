import { fromHex, toHex } from '../encoding/bytes.js'
import { decodeCbor, encodeCbor } from '../encoding/cbor.js'
import type { AbortOptions } from '../ports/abort.js'
import type { Crypto } from '../ports/crypto.js'
import type { UserId } from '../ports/ids.js'
import type { Random } from '../ports/random.js'
import { openBox, sealBox } from './box.js'
import { decodeGrant, encodeGrant, type Grant } from './grant.js'
import { foldIdentity } from './identity-fold.js'
import {
  createGenesis,
  emptyIdentity,
  type IdentityLog,
  identityBytes,
  mergeIdentity,
  recoveryKeyOf,
} from './identity-log.js'
import type { RootSecrets } from './phrase.js'
import { shapeOf } from './shape.js'
import { signedMessage } from './signed.js'
import type { DeviceSecrets } from './types.js'

/**
 * Everything that a person with nothing but the recovery phrase needs (PROTOCOL.md §3.16): the identity log, all workspaces with their keys, and where relays are. Any
 * device makes it, boxed to the recovery key and signed inside; whoever keeps it learns its size and when it changes.
 * Size limits: 4 MiB, 1024 workspaces, 64 relays.
 */
export interface RecoveryBundle {
  identity: IdentityLog
  grants: Grant[]
  relays: string[]
  /** Wall time of the device that made it, milliseconds: of several bundles the union counts, the time is for people. */
  time: number
}

export const RECOVERY_VERSION = 1
export const MAX_RECOVERY_BYTES = 4 * 1024 * 1024
const MAX_WORKSPACES = 1024
const MAX_RELAYS = 64

export interface SealRecoveryInit {
  crypto: Pick<Crypto, 'sign' | 'publicKey'>
  random: Random
  secrets: DeviceSecrets
}

/** @throws {PeerfoldError} `CERTIFICATE_INVALID` when the identity log has no genesis */
export async function sealRecovery(
  { crypto, random, secrets }: SealRecoveryInit,
  bundle: RecoveryBundle,
  options?: AbortOptions,
): Promise<Uint8Array> {
  const key = recoveryKeyOf(bundle.identity)
  if (key === undefined) return shapeOf('CERTIFICATE_INVALID', 'recovery bundle').fail('no genesis')
  const body = encodeCbor({
    user: fromHex(bundle.identity.user),
    entries: identityBytes(bundle.identity),
    grants: bundle.grants.map(encodeGrant),
    relays: bundle.relays,
    time: bundle.time,
  })
  const from = crypto.publicKey(secrets.signingSeed)
  const signature = await crypto.sign(secrets.signingSeed, signedMessage('recovery', body), options)
  const box = sealBox(random, key, 'recovery', encodeCbor({ from, signature, body }))
  return encodeCbor({ v: RECOVERY_VERSION, box })
}

/**
 * @throws {PeerfoldError} `CERTIFICATE_INVALID` when it is malformed, for another phrase, or not by an active device of this user;
 * `PROTOCOL_UNSUPPORTED`
 */
export async function openRecovery(
  crypto: Pick<Crypto, 'sign' | 'verify' | 'publicKey'>,
  root: RootSecrets,
  bytes: Uint8Array,
  options?: AbortOptions,
): Promise<RecoveryBundle> {
  const shape = shapeOf('CERTIFICATE_INVALID', 'recovery bundle')
  const outer = decodeCbor(shape.blob(bytes, MAX_RECOVERY_BYTES), 'CERTIFICATE_INVALID')
  shape.version((outer as { v?: unknown } | null)?.v, RECOVERY_VERSION)
  const box = shape.blob(shape.map(outer, ['v', 'box']).box, MAX_RECOVERY_BYTES)
  const plaintext = openBox(root.recoverySecret, 'recovery', box, 'CERTIFICATE_INVALID')
  const fields = shape.map(decodeCbor(plaintext, 'CERTIFICATE_INVALID'), ['from', 'signature', 'body'])
  const body = shape.blob(fields.body, MAX_RECOVERY_BYTES)
  const { user } = await createGenesis(crypto, root, options)
  const { entries, ...bundle } = decodeBody(body, user)
  const { identity } = await mergeIdentity(crypto, emptyIdentity(user), entries, options)
  const publicKey = shape.bytes(fields.from, 32)
  const job = {
    publicKey,
    message: signedMessage('recovery', body),
    signature: shape.bytes(fields.signature, 64),
  }
  const [sound] = await crypto.verify([job], options)
  const signer = [...foldIdentity(identity.entries.values()).standings.values()].find(
    ({ certificate }) => toHex(certificate.signingKey) === toHex(publicKey),
  )
  if (!sound || signer?.state !== 'active') shape.fail('not by an active device of this user')
  return { identity, ...bundle }
}

function decodeBody(body: Uint8Array, user: UserId) {
  const shape = shapeOf('CERTIFICATE_INVALID', 'recovery bundle')
  const fields = shape.map(decodeCbor(body, 'CERTIFICATE_INVALID'), [
    'user',
    'entries',
    'grants',
    'relays',
    'time',
  ])
  if (toHex(shape.bytes(fields.user, 32)) !== user) shape.fail('of another user')
  return {
    entries: shape.list(fields.entries, 512).map((entry) => shape.blob(entry, 2048)),
    grants: shape
      .list(fields.grants, MAX_WORKSPACES)
      .map((grant) => decodeGrant(shape.blob(grant, MAX_RECOVERY_BYTES))),
    relays: shape.list(fields.relays, MAX_RELAYS).map((relay) => shape.text(relay, 256)),
    time: shape.uint(fields.time),
  }
}
