import { decodeCbor, encodeCbor } from '../encoding/cbor.js'
import type { AbortOptions } from '../ports/abort.js'
import type { Crypto } from '../ports/crypto.js'
import type { Random } from '../ports/random.js'
import { openBox, sealBox } from './box.js'
import { shapeOf } from './shape.js'
import { signedMessage } from './signed.js'

/**
 * A letter: a body that one recipient can read and whose author is named and proved inside, so that who carries it learns neither (PROTOCOL.md §3.15,
 * §3.16). On the wire `{v, box}`, the box holding `{from, signature, body}`.
 */
export interface Letter {
  /** The author's signing key, 32 bytes, as claimed. */
  from: Uint8Array
  signature: Uint8Array
  body: Uint8Array
}

/** What tells letters apart. */
export interface LetterKind {
  /** Binds the box and the signature. */
  purpose: string
  /** In errors. */
  name: string
  version: number
  maxBytes: number
}

export interface SealLetterInit {
  crypto: Pick<Crypto, 'sign' | 'publicKey'>
  random: Random
  /** The author's. */
  signingSeed: Uint8Array
  /** The recipient's box key. */
  to: Uint8Array
  /** What is signed, where it is more than the body. @default the body */
  signed?: Uint8Array
}

export async function sealLetter(
  kind: LetterKind,
  { crypto, random, signingSeed, to, signed }: SealLetterInit,
  body: Uint8Array,
  options?: AbortOptions,
): Promise<Uint8Array> {
  const from = crypto.publicKey(signingSeed)
  const signature = await crypto.sign(signingSeed, signedMessage(kind.purpose, signed ?? body), options)
  const box = sealBox(random, to, kind.purpose, encodeCbor({ from, signature, body }))
  return encodeCbor({ v: kind.version, box })
}

/** Opens a letter without believing it: see `isSigned`. @throws {PeerfoldError} `CERTIFICATE_INVALID`, `PROTOCOL_UNSUPPORTED` */
export function openLetter(kind: LetterKind, boxSecret: Uint8Array, bytes: Uint8Array): Letter {
  const shape = shapeOf('CERTIFICATE_INVALID', kind.name)
  const outer = decodeCbor(shape.blob(bytes, kind.maxBytes), 'CERTIFICATE_INVALID')
  shape.version((outer as { v?: unknown } | null)?.v, kind.version)
  const box = shape.blob(shape.map(outer, ['v', 'box']).box, kind.maxBytes)
  const plaintext = openBox(boxSecret, kind.purpose, box, 'CERTIFICATE_INVALID')
  const fields = shape.map(decodeCbor(plaintext, 'CERTIFICATE_INVALID'), ['from', 'signature', 'body'])
  return {
    from: shape.bytes(fields.from, 32),
    signature: shape.bytes(fields.signature, 64),
    body: shape.blob(fields.body, kind.maxBytes),
  }
}

/** Whether the holder of `publicKey` signed the letter. @param signed as in `sealLetter` */
export async function isSigned(
  kind: LetterKind,
  crypto: Pick<Crypto, 'verify'>,
  { signature, body }: Letter,
  publicKey: Uint8Array,
  signed: Uint8Array = body,
  options?: AbortOptions,
): Promise<boolean> {
  const message = signedMessage(kind.purpose, signed)
  const [sound] = await crypto.verify([{ publicKey, message, signature }], options)
  return sound === true
}
