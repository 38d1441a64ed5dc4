import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fromHex, toHex } from '../../src/encoding/bytes.js'
import { FrameReader } from '../../src/exchange/frame-reader.js'
import { MAX_BLOCK, MAX_CREDIT, MAX_DIGESTS, MAX_REQUEST_FRAME } from '../../src/exchange/limits.js'
import {
  blockCost,
  decodeRequest,
  decodeResponse,
  encodeRequest,
  encodeResponse,
  MAX_RESPONSE_FRAME,
  type Request,
  type Response,
} from '../../src/exchange/messages.js'

const hash = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(toHex)
const digests = fc.array(hash, { minLength: 1, maxLength: 20 })
const about = (...types: string[]) =>
  fc.record({ type: fc.constantFrom(...types), handle: hash, digests }) as fc.Arbitrary<never>
const request: fc.Arbitrary<Request> = fc.oneof(
  about('want', 'cancel'),
  fc.record({ type: fc.constant('credit' as const), bytes: fc.integer({ min: 1, max: MAX_CREDIT }) }),
)
const response: fc.Arbitrary<Response> = fc.oneof(
  about('missing', 'have', 'busy'),
  fc.record({ type: fc.constant('refused' as const), handle: hash }),
  fc.record({
    type: fc.constant('block' as const),
    handle: hash,
    digest: hash,
    bytes: fc.uint8Array({ minLength: 1, maxLength: 300 }),
  }),
)

describe('messages', () => {
  test('decode to what was encoded', () => {
    const same = (a: unknown, b: unknown) => void expect(a).toEqual(b)
    fc.assert(
      fc.property(request, (message) => same(decodeRequest(encodeRequest(message).subarray(4)), message)),
    )
    fc.assert(
      fc.property(response, (message) => same(decodeResponse(encodeResponse(message).subarray(4)), message)),
    )
  })

  test('have one encoding: what decodes encodes to the same bytes', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 200 }),
        fc.integer({ min: 0, max: 21 }),
        (bytes, type) => {
          const payload = Uint8Array.of(type, ...bytes)
          for (const [decode, encode] of [
            [decodeRequest, encodeRequest],
            [decodeResponse, encodeResponse],
          ] as unknown as [(b: Uint8Array) => never, (m: never) => Uint8Array][]) {
            let message: never
            try {
              message = decode(payload)
            } catch (error) {
              expect(error).toMatchObject({ code: 'MESSAGE_INVALID' })
              continue
            }
            expect(encode(message).subarray(4)).toEqual(payload)
          }
        },
      ),
    )
  })

  test('fit their frames at their largest', () => {
    const most = Array.from({ length: MAX_DIGESTS }, () => '11'.repeat(32))
    const want = encodeRequest({ type: 'want', handle: '22'.repeat(32), digests: most })
    expect(want.length - 4).toBeLessThanOrEqual(MAX_REQUEST_FRAME)
    expect(blockCost(MAX_BLOCK)).toBe(MAX_RESPONSE_FRAME)
    const tooMany = encodeRequest({
      type: 'want',
      handle: '22'.repeat(32),
      digests: [...most, '11'.repeat(32)],
    })
    expect(() => decodeRequest(tooMany.subarray(4))).toThrow(/want of/)
  })

  test('are encoded as docs/protocol/vectors/exchange.json says', () => {
    const url = new URL('../../../../docs/protocol/vectors/exchange.json', import.meta.url)
    const vectors = JSON.parse(readFileSync(url, 'utf8')) as {
      requests: { frame: string; message: Request }[]
      responses: { frame: string; message: Response }[]
      invalid: { role: 'request' | 'response'; frame: string; why: string }[]
    }
    for (const { frame, message } of vectors.requests) {
      expect(toHex(encodeRequest(message))).toBe(frame)
      expect(decodeRequest(fromHex(frame).subarray(4))).toEqual(message)
    }
    for (const { frame, message } of vectors.responses) {
      const response =
        message.type === 'block'
          ? { ...message, bytes: fromHex(message.bytes as unknown as string) }
          : message
      expect(toHex(encodeResponse(response))).toBe(frame)
      expect(decodeResponse(fromHex(frame).subarray(4))).toEqual(response)
    }
    for (const { role, frame, why } of vectors.invalid) {
      const decode = role === 'request' ? decodeRequest : decodeResponse
      expect(() => decode(fromHex(frame).subarray(4)), why).toThrow()
    }
    expect(vectors.requests.length + vectors.responses.length).toBe(8)
    expect(vectors.invalid.length).toBeGreaterThan(8)
  })
})

describe('frames', () => {
  test('come out whole however the stream is cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ minLength: 1, maxLength: 100 }), { maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 20 }),
        (payloads, cuts) => {
          const all = payloads.flatMap((payload) => [0, 0, 0, payload.length, ...payload])
          const reader = new FrameReader(100)
          const seen: Uint8Array[] = []
          for (let at = 0, i = 0; at < all.length; i++) {
            const size = cuts[i % cuts.length] as number
            reader.push(Uint8Array.from(all.slice(at, at + size)))
            at += size
            for (let frame = reader.next(); frame !== undefined; frame = reader.next()) seen.push(frame)
          }
          expect(seen).toEqual(payloads)
          expect(reader.pending).toBe(0)
        },
      ),
    )
  })

  test('that are empty or too long are refused by their length alone', () => {
    for (const length of [
      [0, 0, 0, 0],
      [0, 0, 0, 101],
      [255, 255, 255, 255],
    ]) {
      const reader = new FrameReader(100)
      reader.push(Uint8Array.from(length))
      expect(() => reader.next()).toThrow(/a frame of/)
    }
  })
})
