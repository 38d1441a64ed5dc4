import type { ByteSource } from '../content/types.js'
import { fromUtf8, toUtf8 } from '../encoding/bytes.js'
import { PeerfoldError } from '../errors.js'
import type { Body, FileBody } from './types.js'

/** A body as bytes in pieces, with its size where that is known beforehand. */
export function toByteSource(body: Body): { bytes: ByteSource; size: number | undefined } {
  if (typeof body === 'string') return sized(toUtf8(body))
  if (body instanceof Uint8Array) return sized(body)
  if (typeof Blob !== 'undefined' && body instanceof Blob)
    return { bytes: readStream(body.stream()), size: body.size }
  if (typeof ReadableStream !== 'undefined' && body instanceof ReadableStream)
    return { bytes: readStream(body), size: undefined }
  if (isAsyncIterable(body)) return { bytes: body, size: undefined }
  throw new PeerfoldError(
    'INVALID_ARGUMENT',
    'a body is text, bytes, a Blob, a ReadableStream or an async iterable of bytes',
  )
}

function sized(bytes: Uint8Array): { bytes: ByteSource; size: number } {
  return { bytes: bytes.length === 0 ? [] : [bytes], size: bytes.length }
}

function isAsyncIterable(value: unknown): value is AsyncIterable<Uint8Array> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value
}

/** Browsers' streams are not all async iterable yet. The stream is cancelled when the reader stops early. */
export async function* readStream(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader()
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      yield value
    }
  } finally {
    await reader.cancel().catch(() => {})
    reader.releaseLock()
  }
}

/** A file's bytes, opened anew by each method. */
export function createFileBody(open: () => AsyncIterable<Uint8Array>): FileBody {
  const bytes = () => collect(open())
  const text = async () => fromUtf8(await bytes())
  return {
    bytes,
    text,
    json: async <T>() => JSON.parse(await text()) as T,
    stream: () => toReadableStream(open()),
    [Symbol.asyncIterator]: () => open()[Symbol.asyncIterator](),
  }
}

async function collect(source: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  let length = 0
  for await (const piece of source) {
    pieces.push(piece)
    length += piece.length
  }
  const all = new Uint8Array(length)
  let offset = 0
  for (const piece of pieces) {
    all.set(piece, offset)
    offset += piece.length
  }
  return all
}

function toReadableStream(source: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  const iterator = source[Symbol.asyncIterator]()
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await iterator.next()
        if (done === true) controller.close()
        else controller.enqueue(value)
      },
      async cancel() {
        await iterator.return?.()
      },
    },
    { highWaterMark: 0 },
  )
}
