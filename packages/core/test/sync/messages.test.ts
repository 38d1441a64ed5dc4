import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fromHex, toHex } from '../../src/encoding/bytes.js'
import { decodeCbor, encodeCbor } from '../../src/encoding/cbor.js'
import { isPeerfoldError } from '../../src/errors.js'
import { decodeMessage, encodeMessage, MAX_BYTES, type Message } from '../../src/sync/messages.js'
import {
  decodePairingMessage,
  decodeWelcome,
  encodePairingMessage,
  encodeWelcome,
  type PairingMessage,
} from '../../src/sync/pairing-messages.js'
import { rendezvousKey, rendezvousKeys } from '../../src/sync/rendezvous.js'

const id = (byte: string) => byte.repeat(32)
const handle = id('11')
const heads = new Map([
  [id('a1'), { seq: 3, id: id('c3') }],
  [id('b2'), { seq: 1, id: id('d4') }],
])
const report = { reset: true, heads, complete: false }

const MESSAGES: Record<string, Message> = {
  hello: {
    type: 'hello',
    versions: [1],
    user: id('aa'),
    entries: [Uint8Array.of(1, 2, 3)],
    boot: '0f'.repeat(16),
    ended: 2,
    time: 1767225600000,
    lossy: true,
  },
  ready: { type: 'ready' },
  bye: { type: 'bye', code: 'DEVICE_REVOKED', retryAfter: undefined },
  'bye, busy': { type: 'bye', code: 'BUSY', retryAfter: 5000 },
  ping: { type: 'ping', n: 1 },
  pong: { type: 'pong', n: 1 },
  identity: { type: 'identity', entries: [Uint8Array.of(1, 2, 3), Uint8Array.of(4)] },
  grants: { type: 'grants', grants: [Uint8Array.of(5, 6)] },
  addresses: {
    type: 'addresses',
    peers: [
      {
        peer: '12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X',
        addresses: ['/ip4/127.0.0.1/tcp/4001'],
      },
    ],
  },
  offer: { type: 'offer', handles: [handle] },
  have: { type: 'have', handle, report },
  want: { type: 'want', handle, want: 7, heads },
  'commits, pushed': {
    type: 'commits',
    handle,
    batch: 1,
    want: undefined,
    report,
    envelopes: [Uint8Array.of(1), Uint8Array.of(2, 3)],
  },
  'commits, wanted': {
    type: 'commits',
    handle,
    batch: 2,
    want: 7,
    report: undefined,
    envelopes: [Uint8Array.of(1)],
  },
  done: { type: 'done', handle, want: 7 },
  ack: { type: 'ack', handle, batches: [1, 2], held: 1, rejected: 0, report: { ...report, reset: false } },
}

const PAIRING: Record<string, PairingMessage> = {
  claim: {
    type: 'claim',
    ticket: '22'.repeat(16),
    request: Uint8Array.of(1, 2),
    proof: new Uint8Array(32).fill(3),
  },
  welcome: {
    type: 'welcome',
    payload: encodeWelcome({ entries: [Uint8Array.of(1)], grants: [Uint8Array.of(2)] }),
    proof: new Uint8Array(32).fill(4),
  },
  stored: { type: 'stored' },
  refuse: { type: 'refuse', code: 'TICKET_USED' },
}

const invalid = (decode: () => unknown) => {
  try {
    decode()
  } catch (error) {
    return isPeerfoldError(error, 'MESSAGE_INVALID')
  }
  return false
}

describe('messages', () => {
  test('come back as they were', () => {
    for (const message of Object.values(MESSAGES))
      expect(decodeMessage(encodeMessage(message))).toEqual(message)
    for (const message of Object.values(PAIRING)) {
      expect(decodePairingMessage(encodePairingMessage(message))).toEqual(message)
    }
  })

  test('are encoded as docs/protocol/vectors/sync.json says', () => {
    const url = new URL('../../../../docs/protocol/vectors/sync.json', import.meta.url)
    const hex = (
      messages: Record<string, Message | PairingMessage>,
      encode: (message: never) => Uint8Array,
    ) =>
      Object.fromEntries(
        Object.entries(messages).map(([name, message]) => [name, toHex(encode(message as never))]),
      )
    const day = Date.UTC(2026, 0, 1, 12)
    expect(JSON.parse(readFileSync(url, 'utf8'))).toEqual({
      sync: hex(MESSAGES, encodeMessage),
      pair: hex(PAIRING, encodePairingMessage),
      rendezvous: [
        {
          discoveryKey: '05'.repeat(32),
          time: day,
          key: toHex(rendezvousKey(fromHex('05'.repeat(32)), day)),
        },
      ],
    })
  })

  test('cover every message type', () => {
    expect(new Set(Object.values(MESSAGES).map(({ type }) => type))).toEqual(new Set(Object.keys(MAX_BYTES)))
  })

  test('with a bit flipped are refused or mean something else, never crash', () => {
    const originals = Object.values(MESSAGES).map(encodeMessage)
    const flips = fc.tuple(fc.constantFrom(...originals), fc.nat(), fc.nat(7))
    fc.assert(
      fc.property(flips, ([original, at, bit]) => {
        const bytes = original.slice()
        bytes[at % bytes.length] = (bytes[at % bytes.length] as number) ^ (1 << bit)
        try {
          const message = decodeMessage(bytes)
          // any unknown code reads as INTERNAL
          if (message.type !== 'bye') expect(toHex(encodeMessage(message))).toBe(toHex(bytes))
        } catch (error) {
          if (!isPeerfoldError(error, 'MESSAGE_INVALID')) throw error
        }
      }),
      { numRuns: 2000 },
    )
  })

  test('cut or followed by anything are refused', () => {
    for (const message of Object.values(MESSAGES)) {
      const bytes = encodeMessage(message)
      for (let length = 0; length < bytes.length; length++) {
        expect(invalid(() => decodeMessage(bytes.subarray(0, length)))).toBe(true)
      }
      expect(invalid(() => decodeMessage(Uint8Array.from([...bytes, 0xf6])))).toBe(true)
    }
  })

  test('with a field missing, added or of another type are refused', () => {
    for (const message of Object.values(MESSAGES)) {
      const [name, body] = decodeCbor(encodeMessage(message)) as [string, Record<string, unknown>]
      const refused = (changed: unknown) =>
        expect(invalid(() => decodeMessage(encodeCbor([name, changed])))).toBe(true)
      refused({ ...body, more: 1 })
      refused(Object.values(body))
      refused(null)
      for (const key of Object.keys(body)) {
        refused(Object.fromEntries(Object.entries(body).filter(([other]) => other !== key)))
        refused({ ...body, [key]: { unexpected: true } })
        refused({ ...body, [key]: -1 })
        refused({ ...body, [key]: 0.5 })
      }
    }
  })

  test('names that objects have by birth are no messages', () => {
    for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty', '']) {
      expect(invalid(() => decodeMessage(encodeCbor([name, {}])))).toBe(true)
    }
  })

  test('beyond their size limit are refused before they are decoded', () => {
    const ping = encodeCbor(['ping', { n: 1, filler: new Uint8Array(100) }])
    expect(() => decodeMessage(ping)).toThrow('at most 32')
    const hello = encodeCbor(['hello', { filler: new Uint8Array(600_000) }])
    expect(() => decodeMessage(hello)).toThrow('at most')
  })

  test('an error code of a later version reads as INTERNAL', () => {
    const bye = encodeCbor(['bye', { code: 'LATER_THAN_THIS', retryAfter: null }])
    expect(decodeMessage(bye)).toEqual({ type: 'bye', code: 'INTERNAL', retryAfter: undefined })
    expect(invalid(() => decodeMessage(encodeCbor(['bye', { code: 'no such', retryAfter: null }])))).toBe(
      true,
    )
  })

  test('a welcome is checked like a message', () => {
    expect(invalid(() => decodeWelcome(encodeCbor({ entries: [], grants: [] })))).toBe(true)
    expect(invalid(() => decodeWelcome(Uint8Array.of(0xff)))).toBe(true)
  })
})

describe('rendezvous keys', () => {
  const key = new Uint8Array(32).fill(5)

  test('change with the day and with the discovery key', () => {
    const day = Date.UTC(2026, 0, 1, 12)
    expect(rendezvousKey(key, day)).toEqual(rendezvousKey(key, day + 3_600_000))
    expect(rendezvousKey(key, day)).not.toEqual(rendezvousKey(key, day + 86_400_000))
    expect(rendezvousKey(key, day)).not.toEqual(rendezvousKey(new Uint8Array(32), day))
  })

  test('around midnight are those of both days', () => {
    const noon = Date.UTC(2026, 0, 1, 12)
    expect(rendezvousKeys(key, noon)).toHaveLength(1)
    const late = rendezvousKeys(key, Date.UTC(2026, 0, 1, 23, 30))
    expect(late).toHaveLength(2)
    expect(
      rendezvousKeys(key, Date.UTC(2026, 0, 2, 0, 30))
        .map(toHex)
        .sort(),
    ).toEqual(late.map(toHex).sort())
  })
})
