import { MAX_PADDED_BYTES } from './limits.js'
import { invalid } from './shape.js'

const MIN_PADDED_BYTES = 256
const PREFIX = 4

/**
 * Padmé (PROTOCOL.md §4.3): a length of n bits keeps only its highest log2(n) bits, so that it tells little and costs at most 12 %.
 * Short bodies all look the same.
 */
export function paddedLength(length: number): number {
  if (length <= MIN_PADDED_BYTES) return MIN_PADDED_BYTES
  const exponent = Math.floor(Math.log2(length))
  const step = 2 ** (exponent - Math.floor(Math.log2(exponent)) - 1)
  return Math.min(Math.ceil(length / step) * step, Math.max(length, MAX_PADDED_BYTES))
}

/** Length (4 bytes, big-endian), body, zeros. */
export function pad(body: Uint8Array): Uint8Array {
  const padded = new Uint8Array(paddedLength(PREFIX + body.length))
  new DataView(padded.buffer).setUint32(0, body.length)
  padded.set(body, PREFIX)
  return padded
}

/** @throws {PeerfoldError} `COMMIT_INVALID` unless `padded` is what `pad` gives for some body */
export function unpad(padded: Uint8Array): Uint8Array {
  if (padded.length < MIN_PADDED_BYTES) throw invalid('padding is too short')
  const length = new DataView(padded.buffer, padded.byteOffset).getUint32(0)
  const end = PREFIX + length
  if (end > padded.length || paddedLength(end) !== padded.length) throw invalid('padding has a wrong length')
  for (let i = end; i < padded.length; i++) if (padded[i] !== 0) throw invalid('padding is not zero')
  return padded.slice(PREFIX, end)
}
