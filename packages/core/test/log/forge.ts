import { encode } from '@ipld/dag-cbor'
import { concatBytes, fromHex, toHex, toUtf8 } from '../../src/encoding/bytes.js'
import { deriveKey, sha256Now } from '../../src/encoding/derive.js'
import { crypto, EPOCH, HANDLE } from './fixtures.js'

/**
 * Commits made by hand, field by field, with none of the code under test: what someone could send who holds the workspace's keys. Every
 * field can be replaced, at every layer.
 */
export interface Forgery {
  seed?: Uint8Array
  handle?: Uint8Array
  tag?: Uint8Array
  seq?: number
  prev?: string
  epoch?: { id: string; read: Uint8Array }
  salt?: Uint8Array
  /** Replaces fields of the body; undefined removes one. */
  body?: Record<string, unknown>
  /** The encoded body, as it is padded and sealed. */
  encodeBody?: (map: Record<string, unknown>) => Uint8Array
  pad?: (body: Uint8Array) => Uint8Array
  encodeHeader?: (fields: unknown[]) => Uint8Array
  encodeEnvelope?: (fields: unknown[]) => Uint8Array
  feedKey?: Uint8Array
  sign?: (message: Uint8Array) => Promise<Uint8Array>
  text?: string
  device?: Uint8Array
}

export const SEED = sha256Now(toUtf8('forger'))

export async function forge(forgery: Forgery = {}): Promise<{ bytes: Uint8Array; id: string }> {
  const seed = forgery.seed ?? SEED
  const feedKey = forgery.feedKey ?? keyOf(seed)
  const tag = forgery.tag ?? sha256Now(feedKey)
  const seq = forgery.seq ?? 1
  const epoch = forgery.epoch ?? EPOCH
  const salt = forgery.salt ?? sha256Now(toUtf8(`salt ${seq} ${forgery.text}`))
  const map = bodyOf(forgery, tag, feedKey, seq)
  const body = (forgery.encodeBody ?? encode)(map)
  const plaintext = (forgery.pad ?? padding)(body)
  const header = (forgery.encodeHeader ?? encode)([
    1,
    forgery.handle ?? fromHex(HANDLE),
    tag,
    seq,
    forgery.prev === undefined ? null : fromHex(forgery.prev),
    fromHex(epoch.id),
    salt,
    plaintext.length + 16,
  ])
  const key = deriveKey(deriveKey(epoch.read, 'commit'), 'commit/key', salt)
  const [ciphertext] = (await crypto.seal([{ key, plaintext, aad: header }])) as [Uint8Array]
  const id = sha256Now(header, ciphertext)
  const message = concatBytes(toUtf8('peerfold/1/commit\0'), id)
  const signature = await (forgery.sign ?? ((bytes) => crypto.sign(seed, bytes)))(message)
  const bytes = (forgery.encodeEnvelope ?? encode)([header, ciphertext, feedKey, signature])
  return { bytes, id: toHex(id) }
}

const keys = new Map<string, Uint8Array>()

function keyOf(seed: Uint8Array): Uint8Array {
  const key = keys.get(toHex(seed)) ?? crypto.publicKey(seed)
  keys.set(toHex(seed), key)
  return key
}

function bodyOf(
  forgery: Forgery,
  tag: Uint8Array,
  feedKey: Uint8Array,
  seq: number,
): Record<string, unknown> {
  const map: Record<string, unknown> = {
    v: 1,
    feed: tag,
    seq,
    tenure: null,
    acl: [],
    identity: [],
    deps: [],
    stamp: seq,
    time: 1_704_067_200_000,
    ops: [],
    updates: [[0, toUtf8(forgery.text ?? 'forged')]],
    ...(seq === 1 ? { proof: concatBytes(feedKey, forgery.device ?? new Uint8Array(32).fill(0xdd)) } : {}),
    ...forgery.body,
  }
  return Object.fromEntries(Object.entries(map).filter(([, value]) => value !== undefined))
}

/** Length, body, zeros up to a Padmé length, worked out anew. */
export function padding(body: Uint8Array): Uint8Array {
  const length = 4 + body.length
  let padded = Math.max(length, 256)
  if (length > 256) {
    const e = 31 - Math.clz32(length)
    const s = 32 - Math.clz32(e)
    const mask = 2 ** (e - s) - 1
    padded = (length + mask) & ~mask
  }
  const bytes = new Uint8Array(padded)
  new DataView(bytes.buffer).setUint32(0, body.length)
  bytes.set(body, 4)
  return bytes
}
