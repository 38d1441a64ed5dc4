import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as Y from 'yjs'
import { toHex } from '../../src/encoding/bytes.js'
import { PeerfoldError } from '../../src/errors.js'
import {
  compareRefs,
  decodeRecord,
  encodeRecord,
  packContent,
  type RecordRef,
  type TreeRecord,
  unpackContent,
} from '../../src/tree/record.js'
import { arrayName, decodeUpdate, encodeUpdate } from '../../src/tree/update.js'
import { contentOf } from './replica.js'

const SEED = 1313

interface Turn {
  writer: number
  records: string[]
  deletions: number[]
}

const WRITERS = [1, 77, 2 ** 31 + 5, 2 ** 53 - 1]

const turns: fc.Arbitrary<Turn[]> = fc.array(
  fc.record({
    writer: fc.constantFrom(...WRITERS),
    records: fc.array(fc.oneof(fc.string({ unit: 'binary', maxLength: 40 }), fc.constant('x'.repeat(200))), {
      minLength: 1,
      maxLength: 6,
    }),
    deletions: fc.array(fc.nat(200), { maxLength: 8 }),
  }),
  { minLength: 1, maxLength: 12 },
)

describe('canonical updates', () => {
  test('are the very bytes of Yjs’s update events', () => {
    let compared = 0
    fc.assert(
      fc.property(turns, (history) => {
        const replicas = new Map(WRITERS.map((writer) => [writer, makeDoc(writer)]))
        const clocks = new Map<number, number>()
        const live: RecordRef[] = []
        for (const { writer, records, deletions: wanted } of history) {
          const deletions = wanted.flatMap((n) => (live.length > 0 ? live.splice(n % live.length, 1) : []))
          const clock = clocks.get(writer) ?? 0
          const event = write(replicas.get(writer)!, writer, records, deletions)
          const update = { writer, clock, records, deletions }
          expect(toHex(encodeUpdate(update))).toBe(toHex(event))
          const read = decodeUpdate(event)
          const sorted = (refs: readonly RecordRef[]) => JSON.stringify([...refs].sort(compareRefs))
          expect(JSON.stringify([read.writer, read.clock, read.records])).toBe(
            JSON.stringify([writer, clock, records]),
          )
          expect(sorted(read.deletions)).toBe(sorted(deletions))
          compared++
          for (const [i] of records.entries()) live.push({ writer, clock: clock + i })
          clocks.set(writer, clock + records.length)
          for (const [other, doc] of replicas) if (other !== writer) Y.applyUpdate(doc, event)
        }
        for (const doc of replicas.values()) {
          expect(doc.store.pendingStructs).toBeNull()
          expect(doc.store.pendingDs).toBeNull()
        }
      }),
      { numRuns: 500, seed: SEED },
    )
    console.log(`canonical updates: ${compared} events compared, seed ${SEED}`)
    expect(compared).toBeGreaterThan(2000)
  })

  test('no other bytes are read: whatever is changed is refused, or is canonical itself', () => {
    const update = encodeUpdate({
      writer: 77,
      clock: 3,
      records: ['first', 'second'],
      deletions: [
        { writer: 1, clock: 4 },
        { writer: 77, clock: 0 },
      ],
    })
    fc.assert(
      fc.property(fc.nat(update.length - 1), fc.nat(255), fc.nat(3), (at, value, kind) => {
        const bytes = [...update]
        if (kind === 0) bytes.splice(at, 1)
        else if (kind === 1) bytes.splice(at, 0, value)
        else bytes[at] = value
        const changed = Uint8Array.from(bytes)
        try {
          expect(toHex(encodeUpdate(decodeUpdate(changed)))).toBe(toHex(changed))
        } catch (error) {
          expect(error).toBeInstanceOf(PeerfoldError)
          expect((error as PeerfoldError).code).toBe('UPDATE_INVALID')
        }
      }),
      { numRuns: 3000, seed: SEED },
    )
  })

  test('random bytes are refused with one code', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        expect(() => decodeUpdate(bytes)).toThrowError(expect.objectContaining({ code: 'UPDATE_INVALID' }))
      }),
      { numRuns: 2000, seed: SEED },
    )
  })
})

/** Each writer has a document of its own, as on its own device. */
function makeDoc(writer: number): Y.Doc {
  const doc = new Y.Doc({ guid: 'test' })
  doc.clientID = writer
  return doc
}

function write(doc: Y.Doc, writer: number, records: string[], deletions: readonly RecordRef[]): Uint8Array {
  let event: Uint8Array | undefined
  doc.once('update', (update: Uint8Array) => {
    event = update
  })
  doc.transact(() => {
    for (const ref of deletions) remove(doc.getArray(arrayName(ref.writer)), ref)
    doc.getArray(arrayName(writer)).push(records)
  })
  expect(doc.clientID).toBe(writer)
  return event!
}

function remove(array: Y.Array<unknown>, { writer, clock }: RecordRef): void {
  let index = 0
  for (let item = array._start; item; item = item.right) {
    if (item.deleted) continue
    if (item.id.client === writer && clock >= item.id.clock && clock < item.id.clock + item.length) {
      array.delete(index + clock - item.id.clock, 1)
      return
    }
    index += item.length
  }
  throw new Error('no such record')
}

describe('records', () => {
  const item = '00112233445566778899aabbccddeeff'
  const folder = '00112233445566778899aabbccddeefe'
  const refs = [
    { writer: 1, clock: 9 },
    { writer: 2, clock: 0 },
  ]
  const records: TreeRecord[] = [
    {
      type: 'p',
      item,
      stamp: 7,
      parent: folder,
      name: 'ä.txt',
      previous: '0'.repeat(32),
      named: undefined,
      over: refs,
      removed: undefined,
    },
    {
      type: 'p',
      item,
      stamp: 7,
      parent: 'f'.repeat(32),
      name: 'x',
      previous: folder,
      named: { counter: 3, writer: 8 },
      over: refs,
      removed: refs[0],
    },
    {
      type: 'c',
      item,
      stamp: 7,
      content: packContent(contentOf('x', 2 ** 40)),
      mtime: -5,
      mode: 3,
      over: refs,
      base: [refs[0]!],
      parent: folder,
      name: 'x',
    },
    { type: 'x', item, stamp: 7, over: refs },
    { type: 'v' },
  ]

  test('have one form', () => {
    for (const record of records) {
      const text = encodeRecord(record)
      expect(decodeRecord(text)).toEqual(record)
      for (let at = 0; at < text.length; at++) {
        for (const changed of [
          text.slice(0, at) + text.slice(at + 1),
          `${text.slice(0, at)} ${text.slice(at)}`,
        ]) {
          try {
            expect(encodeRecord(decodeRecord(changed))).toBe(changed)
          } catch (error) {
            expect(error).toMatchObject({ code: 'UPDATE_INVALID' })
          }
        }
      }
    }
  })

  test('carry a content reference whole', () => {
    expect(unpackContent(packContent(contentOf('y', 123)))).toEqual(contentOf('y', 123))
    const { root, ...rest } = contentOf('y')
    expect(() => packContent({ root, ...rest, key: new Uint8Array(31) })).toThrow(/not a content reference/)
    expect(() => packContent({ root, ...rest, size: -1 })).toThrow(/not a content reference/)
  })
})
