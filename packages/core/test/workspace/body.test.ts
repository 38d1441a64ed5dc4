import { describe, expect, test } from 'vitest'
import { createFileBody, toByteSource } from '../../src/workspace/body.js'
import type { Body } from '../../src/workspace/types.js'

async function read(body: Body): Promise<{ text: string; size: number | undefined }> {
  const { bytes, size } = toByteSource(body)
  const pieces: number[] = []
  for await (const piece of bytes) pieces.push(...piece)
  return { text: new TextDecoder().decode(Uint8Array.from(pieces)), size }
}

async function* inPieces(...pieces: string[]): AsyncGenerator<Uint8Array> {
  for (const piece of pieces) yield new TextEncoder().encode(piece)
}

describe('bodies that can be written', () => {
  test('text, bytes, blobs, streams and iterables', async () => {
    expect(await read('häagen')).toEqual({ text: 'häagen', size: 7 })
    expect(await read(new TextEncoder().encode('bytes'))).toEqual({ text: 'bytes', size: 5 })
    expect(await read(new Blob(['bl', 'ob']))).toEqual({ text: 'blob', size: 4 })
    expect(await read(new Blob(['stream']).stream())).toEqual({ text: 'stream', size: undefined })
    expect(await read(inPieces('a', 'b'))).toEqual({ text: 'ab', size: undefined })
    expect(await read('')).toEqual({ text: '', size: 0 })
  })

  test('anything else is refused with a code', () => {
    for (const body of [42, null, {}, undefined])
      expect(() => toByteSource(body as unknown as Body)).toThrow(
        expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
      )
  })

  test('a stream whose reader stops early is cancelled', async () => {
    let cancelled = false
    const stream = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new Uint8Array(10)),
      cancel: () => {
        cancelled = true
      },
    })
    for await (const _ of toByteSource(stream).bytes) break
    expect(cancelled).toBe(true)
  })
})

describe('bodies that are read', () => {
  const body = createFileBody(() => inPieces('{"a":', '1}'))

  test('give text, bytes, JSON, a stream and pieces, each from the start', async () => {
    expect(await body.text()).toBe('{"a":1}')
    expect(await body.bytes()).toHaveLength(7)
    expect(await body.json()).toEqual({ a: 1 })
    expect(await new Response(body.stream()).text()).toBe('{"a":1}')
    let pieces = 0
    for await (const _ of body) pieces++
    expect(pieces).toBe(2)
  })

  test('a stream that is cancelled ends its source', async () => {
    let ended = false
    const endless = createFileBody(async function* () {
      try {
        for (;;) yield new Uint8Array(1)
      } finally {
        ended = true
      }
    })
    const reader = endless.stream().getReader()
    await reader.read()
    await reader.cancel()
    expect(ended).toBe(true)
  })

  test('text that is not UTF-8 is an error, not a guess', async () => {
    const broken = createFileBody(async function* () {
      yield Uint8Array.of(0xff)
    })
    await expect(broken.text()).rejects.toThrow(TypeError)
  })
})
