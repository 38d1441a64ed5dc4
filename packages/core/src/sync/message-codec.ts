import { decodeCbor, encodeCbor } from '../encoding/cbor.js'
import { ERROR_CODES, type ErrorCode, PeerfoldError } from '../errors.js'
import { type Codec, invalid } from './codec.js'

const CODES: ReadonlySet<string> = new Set(ERROR_CODES)

/** One of ours, or of a later version, which then reads as `INTERNAL`. */
export const errorCode: Codec<ErrorCode> = {
  encode: (code) => code,
  decode: (value, path) => {
    if (typeof value !== 'string' || !/^[A-Z_]{1,40}$/.test(value)) throw invalid(path, 'an error code')
    return CODES.has(value) ? (value as ErrorCode) : 'INTERNAL'
  },
}

/**
 * Messages as canonical DAG-CBOR lists [name, body] (PROTOCOL.md §6.3). The name is read first, so that each message's own size limit is
 * checked before anything is decoded.
 */
export function messageCodec<M extends { type: string }>(
  bodies: Record<M['type'], Codec<never>> | Record<M['type'], unknown>,
  maxBytes: Record<M['type'], number>,
): { encode(message: M): Uint8Array; decode(frame: Uint8Array): M } {
  const codecs = bodies as Record<string, Codec<unknown>>
  const limits = maxBytes as Record<string, number>
  return {
    encode: ({ type, ...body }) => encodeCbor([type, codecs[type]?.encode(body)]),
    decode: (frame) => {
      const type = peekType(frame)
      const codec = Object.hasOwn(codecs, type) ? codecs[type] : undefined
      if (codec === undefined) throw new PeerfoldError('MESSAGE_INVALID', 'no message of that name')
      if (frame.length > Number(limits[type])) {
        throw new PeerfoldError(
          'MESSAGE_INVALID',
          `${type} of ${frame.length} bytes, at most ${limits[type]}`,
        )
      }
      const parts = decodeCbor(frame)
      if (!Array.isArray(parts) || parts.length !== 2) throw invalid('message', '[name, body]')
      return { type, ...(codec.decode(parts[1], type) as object) } as M
    },
  }
}

/** The first item of the list, without decoding the rest. */
function peekType(frame: Uint8Array): string {
  const length = (frame[1] ?? 0) - 0x60
  if (frame[0] !== 0x82 || length < 1 || length > 23) throw invalid('message', '[name, body]')
  return String.fromCharCode(...frame.subarray(2, 2 + length))
}
