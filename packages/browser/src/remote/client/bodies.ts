import { type Body, PeerfoldError } from '@peerfold/core'
import { readStream } from '@peerfold/core/workspace'
import type { Credit } from '../credit.js'
import { PIECE_BYTES } from '../limits.js'
import type { WireBody } from '../wire.js'
import type { Exchange } from './link.js'

/** A body as it is sent: what is large goes by reference, what comes bit by bit is pulled by the device. */
export interface SentBody {
  wire: WireBody
  pieces?: AsyncIterable<Uint8Array>
}

/** @throws {PeerfoldError} `INVALID_ARGUMENT` */
export function toSentBody(body: Body): SentBody {
  if (typeof body === 'string')
    return { wire: body.length > PIECE_BYTES ? blobOf(body) : { kind: 'text', text: body } }
  if (body instanceof Uint8Array) return { wire: bytesOf(body) }
  if (body instanceof Blob) return { wire: { kind: 'blob', blob: body } }
  if (body instanceof ReadableStream) return { wire: { kind: 'input' }, pieces: readStream(body) }
  if (typeof body === 'object' && body !== null && Symbol.asyncIterator in body)
    return { wire: { kind: 'input' }, pieces: body }
  throw new PeerfoldError(
    'INVALID_ARGUMENT',
    'a body is text, bytes, a Blob, a ReadableStream or an async iterable of bytes',
  )
}

function bytesOf(bytes: Uint8Array): WireBody {
  if (bytes.length > PIECE_BYTES) return blobOf(bytes as Uint8Array<ArrayBuffer>)
  return { kind: 'bytes', bytes: alone(bytes) }
}

function blobOf(part: BlobPart): WireBody {
  return { kind: 'blob', blob: new Blob([part]) }
}

/** All of an array's memory is copied with it. */
function alone(bytes: Uint8Array): Uint8Array {
  return bytes.byteLength === bytes.buffer.byteLength ? bytes : bytes.slice()
}

/**
 * Puts a body's pieces in as the device wants them. The body is ended early when the signal aborts.
 *
 * @throws what the body throws
 */
export async function sendPieces(
  pieces: AsyncIterable<Uint8Array>,
  exchange: Pick<Exchange, 'input' | 'inputEnd'>,
  wanted: Credit,
  signal: AbortSignal,
): Promise<void> {
  for await (const piece of pieces) {
    if (!(piece instanceof Uint8Array)) throw new PeerfoldError('INVALID_ARGUMENT', 'a body yields bytes')
    for (let at = 0; at < piece.length; at += PIECE_BYTES) {
      await wanted.available({ signal })
      const part = piece.subarray(at, at + PIECE_BYTES)
      wanted.spend(part.length)
      exchange.input(alone(part))
    }
    if (signal.aborted) return
  }
  exchange.inputEnd()
}
