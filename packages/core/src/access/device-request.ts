import { fromHex, toHex, toUtf8 } from '../encoding/bytes.js'
import { decodeCbor, encodeCbor } from '../encoding/cbor.js'
import { PeerfoldError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'
import type { Crypto, VerifyJob } from '../ports/crypto.js'
import type { UserId } from '../ports/ids.js'
import type { PeerId } from '../ports/network.js'
import { deviceIdOf, devicePublicKeys } from './device-secrets.js'
import { peerIdOfKey } from './peer-key.js'
import { shapeOf } from './shape.js'
import { signedMessage } from './signed.js'
import type { DeviceCertificate, DeviceSecrets } from './types.js'

/**
 * A device request (PROTOCOL.md §3.2): the certificate that a new device wants, signed by its signing key and by its libp2p key. It becomes
 * valid in an `addDevice` entry. Size limits: 1 KiB, a name of 128 bytes.
 */
export interface DeviceRequest {
  certificate: DeviceCertificate
  bytes: Uint8Array
  /** By the device's own keys; all must hold. */
  signatures: VerifyJob[]
}

export const CERTIFICATE_VERSION = 1
export const MAX_REQUEST_BYTES = 1024
const MAX_NAME_BYTES = 128

export interface DeviceRequestInit {
  crypto: Pick<Crypto, 'sign' | 'publicKey'>
  secrets: DeviceSecrets
  user: UserId
  /** What people see. Control characters go, length is cut. */
  name: string
  /** Milliseconds since 1970. */
  time: number
}

export async function createDeviceRequest(
  { crypto, secrets, user, name, time }: DeviceRequestInit,
  options?: AbortOptions,
): Promise<Uint8Array> {
  const { signingKey, boxKey, peerKey } = devicePublicKeys(crypto, secrets)
  const certificate = encodeCbor({
    v: CERTIFICATE_VERSION,
    user: fromHex(user),
    signingKey,
    boxKey,
    peerKey,
    name: presentableName(name),
    time,
  })
  const message = signedMessage('device', certificate)
  return encodeCbor({
    certificate,
    signature: await crypto.sign(secrets.signingSeed, message, options),
    peerSignature: await crypto.sign(secrets.peerSeed, message, options),
  })
}

/** Decodes without checking signatures. @throws {PeerfoldError} `CERTIFICATE_INVALID`, `PROTOCOL_UNSUPPORTED` */
export function decodeDeviceRequest(bytes: Uint8Array, user: UserId): DeviceRequest {
  const shape = shapeOf('CERTIFICATE_INVALID', 'device request')
  shape.blob(bytes, MAX_REQUEST_BYTES)
  const fields = shape.map(decodeCbor(bytes, 'CERTIFICATE_INVALID'), [
    'certificate',
    'signature',
    'peerSignature',
  ])
  const { certificate, peerKey } = decodeCertificate(shape.blob(fields.certificate, MAX_REQUEST_BYTES))
  if (certificate.user !== user) shape.fail('of another user')
  const message = signedMessage('device', certificate.bytes)
  const signatures = [
    { publicKey: certificate.signingKey, message, signature: shape.bytes(fields.signature, 64) },
    { publicKey: peerKey, message, signature: shape.bytes(fields.peerSignature, 64) },
  ]
  return { certificate, bytes, signatures }
}

/**
 * What an inviter does with a request that came over a channel: `peer` is who the channel proved.
 *
 * @throws {PeerfoldError} `CERTIFICATE_INVALID` when it is malformed, for another user or another peer's, or a signature fails
 */
export async function checkDeviceRequest(
  crypto: Pick<Crypto, 'verify'>,
  bytes: Uint8Array,
  expected: { user: UserId; peer: PeerId },
  options?: AbortOptions,
): Promise<DeviceRequest> {
  const request = decodeDeviceRequest(bytes, expected.user)
  if (request.certificate.peer !== expected.peer) {
    throw new PeerfoldError(
      'CERTIFICATE_INVALID',
      'device request: of another peer than the one that sent it',
    )
  }
  if (!(await crypto.verify(request.signatures, options)).every(Boolean)) {
    throw new PeerfoldError('CERTIFICATE_INVALID', 'device request: a signature is wrong')
  }
  return request
}

function decodeCertificate(bytes: Uint8Array): { certificate: DeviceCertificate; peerKey: Uint8Array } {
  const shape = shapeOf('CERTIFICATE_INVALID', 'device certificate')
  const map = decodeCbor(bytes, 'CERTIFICATE_INVALID')
  shape.version((map as { v?: unknown } | null)?.v, CERTIFICATE_VERSION)
  const fields = shape.map(map, ['v', 'user', 'signingKey', 'boxKey', 'peerKey', 'name', 'time'])
  const signingKey = shape.bytes(fields.signingKey, 32)
  const peerKey = shape.bytes(fields.peerKey, 32)
  const name = shape.text(fields.name, MAX_NAME_BYTES)
  if (name !== presentableName(name)) shape.fail('a name that cannot be shown')
  const certificate = {
    user: toHex(shape.bytes(fields.user, 32)),
    device: deviceIdOf(signingKey),
    signingKey,
    boxKey: shape.bytes(fields.boxKey, 32),
    peer: peerIdOfKey(peerKey),
    name,
    time: shape.uint(fields.time),
    bytes,
  }
  return { certificate, peerKey }
}

/** Whatever is shown in terminals and lists must not steer them. */
function presentableName(name: string): string {
  let shown = name.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, '').trim()
  while (toUtf8(shown).length > MAX_NAME_BYTES) shown = [...shown].slice(0, -1).join('').trim()
  return shown === '' ? 'device' : shown
}
