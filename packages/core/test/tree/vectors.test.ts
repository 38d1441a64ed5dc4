import { readFileSync, writeFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { fromHex, toHex } from '../../src/encoding/bytes.js'
import { deriveItemId, shardOf } from '../../src/tree/item-id.js'
import { suffixedName } from '../../src/tree/names.js'
import { decodeRecord, encodeRecord, packContent, type TreeRecord } from '../../src/tree/record.js'
import { ROOT_ITEM } from '../../src/tree/types.js'
import { decodeUpdate, encodeUpdate, type TreeUpdate } from '../../src/tree/update.js'
import { contentOf, WORKSPACE } from './replica.js'

/** docs/protocol/5-tree.md. `PEERFOLD_WRITE_VECTORS=1` writes the file anew, for a change of the format that is meant. */
const FILE = new URL('../../../../docs/protocol/vectors/tree.json', import.meta.url)

interface Vectors {
  items: Array<{
    workspace: string
    parent: string
    name: string
    kind: 'file' | 'folder'
    generation: number
    item: string
    shard: number
  }>
  records: Array<{ record: TreeRecord; text: string }>
  updates: Array<{ update: TreeUpdate; bytes: string }>
  refused: Array<{ why: string; bytes: string }>
  suffixed: Array<{ name: string; item: string; step: number; shown: string | null }>
}

function make(): Vectors {
  const photos = deriveItemId(WORKSPACE, ROOT_ITEM, 'photos', 'folder', 0)
  const sources = [
    { parent: ROOT_ITEM, name: 'photos', kind: 'folder' as const, generation: 0 },
    { parent: photos, name: 'é.jpg', kind: 'file' as const, generation: 0 },
    { parent: photos, name: 'é.jpg', kind: 'file' as const, generation: 258 },
  ]
  const items = sources.map((source) => {
    const { parent, name, kind, generation } = source
    const item = deriveItemId(WORKSPACE, parent, name, kind, generation)
    return { workspace: WORKSPACE, ...source, item, shard: shardOf(item, 256) }
  })
  const file = items[1]!.item
  const over = [
    { writer: 5, clock: 0 },
    { writer: 9_007_199_254_740_991, clock: 12 },
  ]
  const place = {
    type: 'p' as const,
    item: file,
    stamp: 7,
    parent: photos,
    name: 'é.jpg',
    previous: ROOT_ITEM,
  }
  const records: TreeRecord[] = [
    { ...place, named: undefined, over: [], removed: undefined },
    { ...place, named: { counter: 3, writer: 5 }, over, removed: undefined },
    {
      ...place,
      parent: 'f'.repeat(32),
      previous: photos,
      named: { counter: 3, writer: 5 },
      over,
      removed: over[0],
    },
    {
      type: 'c',
      item: file,
      stamp: 7,
      content: packContent(contentOf('vector', 1234)),
      mtime: -1,
      mode: 3,
      over,
      base: [{ writer: 5, clock: 3 }],
      parent: photos,
      name: 'é.jpg',
    },
    { type: 'x', item: file, stamp: 7, over },
    { type: 'v' },
  ]
  const updates: TreeUpdate[] = [
    { writer: 77, clock: 0, records: [encodeRecord(records[0]!)], deletions: [] },
    {
      writer: 77,
      clock: 300,
      records: ['["v"]', encodeRecord(records[1]!)],
      deletions: [...over, { writer: 5, clock: 1 }],
    },
  ]
  const good = encodeUpdate(updates[0]!)
  const refused = [
    { why: 'a GC struct', bytes: '0101e9070000ffffffff0700' },
    { why: 'deletions only', bytes: '0001e907010001' },
    { why: 'thirty million structs', bytes: '0180c8a70ee90700' },
    { why: 'a byte too many', bytes: `${toHex(good)}00` },
    { why: 'an array of another name', bytes: '01014d0008010237380177055b227622 5d00'.replace(' ', '') },
  ]
  const names = ['a.txt', '.profile', 'no extension', 'x.tar.gz', `${'ä'.repeat(508)}.txt`]
  const suffixed = names.flatMap((name) =>
    [0, 1, 2].map((step) => ({ name, item: file, step, shown: suffixedName(name, file, step) ?? null })),
  )
  return {
    items,
    records: records.map((record) => ({ record, text: encodeRecord(record) })),
    updates: updates.map((update) => ({ update, bytes: toHex(encodeUpdate(update)) })),
    refused,
    suffixed,
  }
}

if (process.env.PEERFOLD_WRITE_VECTORS) writeFileSync(FILE, `${JSON.stringify(make(), null, 2)}\n`)
const vectors = JSON.parse(readFileSync(FILE, 'utf8')) as Vectors

describe('the vectors of PROTOCOL.md §5', () => {
  test('ids and shards', () => {
    expect(vectors.items).toHaveLength(3)
    for (const { workspace, parent, name, kind, generation, item, shard } of vectors.items) {
      expect(deriveItemId(workspace, parent, name, kind, generation)).toBe(item)
      expect(shardOf(item, 256)).toBe(shard)
    }
  })

  test('records', () => {
    for (const { record, text } of vectors.records) {
      expect(encodeRecord(record)).toBe(text)
      expect(JSON.parse(JSON.stringify(decodeRecord(text)))).toEqual(record)
    }
  })

  test('updates', () => {
    for (const { update, bytes } of vectors.updates) {
      expect(toHex(encodeUpdate(update))).toBe(bytes)
      expect(encodeUpdate(decodeUpdate(fromHex(bytes)))).toEqual(fromHex(bytes))
    }
    for (const { bytes } of vectors.refused) {
      expect(() => decodeUpdate(fromHex(bytes))).toThrowError(
        expect.objectContaining({ code: 'UPDATE_INVALID' }),
      )
    }
  })

  test('suffixed names', () => {
    for (const { name, item, step, shown } of vectors.suffixed) {
      expect(suffixedName(name, item, step) ?? null).toBe(shown)
      if (shown !== null) expect(new TextEncoder().encode(shown).length).toBeLessThanOrEqual(1020)
    }
  })

  test('are what this version writes', () => {
    expect(vectors).toEqual(JSON.parse(JSON.stringify(make())))
  })
})
