import { fromHex, toHex } from '../encoding/bytes.js'
import { decodeCbor, encodeCbor } from '../encoding/cbor.js'
import type { AbortOptions } from '../ports/abort.js'
import type { Crypto } from '../ports/crypto.js'
import type { UserId } from '../ports/ids.js'
import type { Random } from '../ports/random.js'
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
import { isSigned, type LetterKind, openLetter, sealLetter } from './letter.js'
import type { RootSecrets } from './phrase.js'
import { shapeOf } from './shape.js'
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
const LETTER: LetterKind = {
  purpose: 'recovery',
  name: 'recovery bundle',
  version: RECOVERY_VERSION,
  maxBytes: MAX_RECOVERY_BYTES,
}

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
  const { signingSeed } = secrets
  return await sealLetter(LETTER, { crypto, random, signingSeed, to: key }, body, options)
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
  const letter = openLetter(LETTER, root.recoverySecret, bytes)
  const { user } = await createGenesis(crypto, root, options)
  const { entries, ...bundle } = decodeBody(letter.body, user)
  const { identity } = await mergeIdentity(crypto, emptyIdentity(user), entries, options)
  const sound = await isSigned(LETTER, crypto, letter, letter.from, letter.body, options)
  const signer = [...foldIdentity(identity.entries.values()).standings.values()].find(
    ({ certificate }) => toHex(certificate.signingKey) === toHex(letter.from),
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
