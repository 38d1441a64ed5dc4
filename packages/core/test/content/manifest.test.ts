import * as dagCbor from '@ipld/dag-cbor'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { blockCid } from '../../src/content/block-cid.js'
import {
  decodeNode,
  decodeRoot,
  type Entry,
  encodeNode,
  encodeRoot,
  type ManifestRoot,
  PlainHash,
} from '../../src/content/manifest.js'
import { ManifestBuilder } from '../../src/content/manifest-builder.js'
import { readContent } from '../../src/content/read-content.js'
import { CHUNK_MAX, CHUNK_MIN, NODE_ENTRIES_MAX, NODE_ENTRIES_MIN } from '../../src/content/sizes.js'
import type { ContentRef } from '../../src/content/types.js'
import { fromHex, toHex, toUtf8 } from '../../src/encoding/bytes.js'
import { sha256Now } from '../../src/encoding/derive.js'
import { type ErrorCode, isPeerfoldError } from '../../src/errors.js'
import { assertCode } from '../../src/testing/assert.js'
import { MemoryBlockStore } from '../../src/testing/memory-block-store.js'
import { crypto, join, keys, randomBytes } from './fixture.js'

const bytes32 = (fill: number) => new Uint8Array(32).fill(fill)

function chunkEntry(label: string | number, length = CHUNK_MIN): Entry {
  return { digest: bytes32(1), key: bytes32(2), hash: sha256Now(toUtf8(`chunk ${label}`)), length }
}

function codeOf(run: () => unknown): ErrorCode | undefined {
  try {
    run()
  } catch (error) {
    return isPeerfoldError(error) ? error.code : undefined
  }
  return undefined
}

describe('a manifest tree', () => {
  async function build(labels: Iterable<string | number>) {
    const nodes = new Map<string, Entry[]>()
    const builder = new ManifestBuilder(async (plaintext, length) => {
      const hash = sha256Now(plaintext)
      const level = (dagCbor.decode(plaintext) as [number])[0]
      nodes.set(toHex(hash), decodeNode(plaintext, { level, length, last: true }).entries)
      return { digest: hash, key: bytes32(0), hash, length }
    })
    for (const label of labels) await builder.add(chunkEntry(label))
    return { top: await builder.finish(), nodes }
  }

  const range = (count: number) => Array.from({ length: count }, (_, i) => i)

  test('is one node for few chunks', async () => {
    const { top, nodes } = await build(range(30))
    expect([top.level, top.entries.length, nodes.size]).toEqual([0, 30, 0])
  })

  test('has about 128 entries a node', async () => {
    const { top, nodes } = await build(range(50_000))
    const inner = [...nodes.values()].filter((entries) => entries.length >= NODE_ENTRIES_MIN)
    const mean = inner.reduce((sum, entries) => sum + entries.length, 0) / inner.length
    expect(top.level).toBe(2)
    expect(mean).toBeGreaterThan(100)
    expect(mean).toBeLessThan(156)
    expect(Math.max(...inner.map((entries) => entries.length))).toBeLessThanOrEqual(NODE_ENTRIES_MAX)
  })

  test('of 1 GiB changes by one leaf below the root when one chunk changes', async () => {
    const labels = range(4096)
    const before = await build(labels)
    for (const at of [0, 1000, 2047, 4095]) {
      const after = await build(labels.map((label) => (label === at ? `${label} changed` : label)))
      const fresh = [...after.nodes.keys()].filter((name) => !before.nodes.has(name))
      // A changed chunk may end its node where the old one did not, or the other way round: then two nodes join or part.
      expect(fresh.length).toBeGreaterThanOrEqual(1)
      expect(fresh.length).toBeLessThanOrEqual(2)
      expect(after.top.level).toBe(1)
    }
  })

  test('changes little when a chunk is inserted near the beginning', async () => {
    const labels: (string | number)[] = range(50_000)
    const before = await build(labels)
    const after = await build([...labels.slice(0, 10), 'inserted', ...labels.slice(10)])
    const fresh = [...after.nodes.keys()].filter((name) => !before.nodes.has(name))
    // Leaves find their old ends again; one or two nodes on each level.
    expect(fresh.length).toBeLessThanOrEqual(6)
  })

  test('never ends in a node with a single child', async () => {
    for (const count of [...range(400).slice(1), 5000, 12_345]) {
      const { top } = await build(range(count))
      if (top.level > 0) expect(top.entries.length).toBeGreaterThan(1)
    }
  })
})

describe('a root', () => {
  const size = 40 * CHUNK_MIN
  const entries = Array.from({ length: 40 }, (_, i) => chunkEntry(i))
  const tree: ManifestRoot = { gearSeed: bytes32(3), plain: bytes32(4), size, body: { level: 0, entries } }
  const inline: ManifestRoot = { gearSeed: bytes32(3), plain: bytes32(4), size: 5, body: toUtf8('hello') }

  test('is decoded to what was encoded', () => {
    for (const root of [tree, inline, { ...inline, size: 0, body: new Uint8Array() }]) {
      expect(decodeRoot(encodeRoot(root))).toEqual(root)
    }
  })

  test('of a later format is refused as unknown, not as wrong', () => {
    const [, ...fields] = dagCbor.decode(encodeRoot(inline)) as unknown[]
    expect(codeOf(() => decodeRoot(dagCbor.encode([2, ...fields])))).toBe('PROTOCOL_UNSUPPORTED')
  })

  /** Hostile roots: fields that replace the harmless ones of `tree` or `inline`. */
  const packed = (changed: Partial<Entry>[]) =>
    (
      dagCbor.decode(encodeNode({ level: 0, entries: changed.map((c) => ({ ...chunkEntry(0), ...c })) })) as [
        number,
        Uint8Array,
      ]
    )[1]
  const many = (count: number, length = CHUNK_MIN) =>
    packed(Array.from({ length: count }, () => ({ length })))
  const seed = bytes32(3)
  const hostile: [string, unknown][] = [
    ['no list', { version: 1 }],
    ['too few fields', [1, seed, seed, 5]],
    ['too many fields', [1, seed, seed, size, 0, many(40), 1]],
    ['a short gear seed', [1, new Uint8Array(31), seed, 5, toUtf8('hello')]],
    ['a text for `plain`', [1, seed, 'plain', 5, toUtf8('hello')]],
    ['a negative size', [1, seed, seed, -5, toUtf8('hello')]],
    ['a fractional size', [1, seed, seed, 5.5, toUtf8('hello')]],
    ['a size beyond 2^53', [1, seed, seed, 2n ** 60n, toUtf8('hello')]],
    ['another size than its inline bytes', [1, seed, seed, 6, toUtf8('hello')]],
    ['an inline text', [1, seed, seed, 5, 'hello']],
    ['inline content that is too large', [1, seed, seed, 40_000, new Uint8Array(40_000)]],
    ['a small content as a tree', [1, seed, seed, 5, 0, packed([{ length: 5 }])]],
    ['no entries', [1, seed, seed, size, 0, new Uint8Array()]],
    ['a cut entry', [1, seed, seed, size, 0, many(40).subarray(1)]],
    ['too many entries', [1, seed, seed, 385 * CHUNK_MIN, 0, many(385)]],
    ['entries whose sum is not the size', [1, seed, seed, size + 1, 0, many(40)]],
    ['an empty chunk', [1, seed, seed, size, 0, packed([...Array(40).fill({}), { length: 0 }])]],
    ['a tiny chunk in the middle', [1, seed, seed, CHUNK_MIN + 1, 0, packed([{ length: 1 }, {}])]],
    ['a huge chunk', [1, seed, seed, CHUNK_MAX + 1, 0, packed([{ length: CHUNK_MAX + 1 }])]],
    ['a level out of bounds', [1, seed, seed, size, 9, many(40)]],
    ['a negative level', [1, seed, seed, size, -1, many(40)]],
    ['a node that only repeats its child', [1, seed, seed, size, 1, packed([{ length: size }])]],
    [
      'lengths that overflow',
      [
        1,
        seed,
        seed,
        size,
        1,
        packed([{ length: Number.MAX_SAFE_INTEGER }, { length: Number.MAX_SAFE_INTEGER }]),
      ],
    ],
  ]
  for (const [what, fields] of hostile) {
    test(`with ${what} is refused`, () => {
      expect(codeOf(() => decodeRoot(dagCbor.encode(fields)))).toBe('MANIFEST_INVALID')
    })
  }

  test('that is not canonical is refused', () => {
    const good = encodeRoot(inline)
    expect(good[1]).toBe(1)
    // The version 1 in two bytes instead of one: 0x18 0x01.
    const long = Uint8Array.from([good[0] as number, 0x18, 0x01, ...good.subarray(2)])
    expect(codeOf(() => decodeRoot(long))).toBe('MANIFEST_INVALID')
    expect(codeOf(() => decodeRoot(Uint8Array.from([...good, 0])))).toBe('MANIFEST_INVALID')
    expect(codeOf(() => decodeRoot(fromHex('81')))).toBe('MANIFEST_INVALID')
  })

  test('never crashes its reader, whatever its bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(400), (noise, at) => {
        const root = encodeRoot(tree)
        root.set(noise.subarray(0, Math.max(0, root.length - at)), at)
        for (const bytes of [noise, root]) {
          const code = codeOf(() => decodeRoot(bytes))
          expect([undefined, 'MANIFEST_INVALID', 'PROTOCOL_UNSUPPORTED']).toContain(code)
        }
      }),
      { numRuns: 500, seed: 11 },
    )
  })
})

describe('a node', () => {
  const entries = Array.from({ length: 40 }, (_, i) => chunkEntry(i))
  const node = encodeNode({ level: 0, entries })
  const expected = { level: 0, length: 40 * CHUNK_MIN, last: false }

  test('is decoded when it is what its parent says, and refused otherwise', () => {
    expect(decodeNode(node, expected).entries).toEqual(entries)
    expect(codeOf(() => decodeNode(node, { ...expected, level: 1 }))).toBe('MANIFEST_INVALID')
    expect(codeOf(() => decodeNode(node, { ...expected, length: 41 * CHUNK_MIN }))).toBe('MANIFEST_INVALID')
  })

  test('is small only at the end of the content', () => {
    const few = encodeNode({ level: 0, entries: entries.slice(0, 31) })
    const length = 31 * CHUNK_MIN
    expect(decodeNode(few, { level: 0, length, last: true }).entries).toHaveLength(31)
    expect(codeOf(() => decodeNode(few, { level: 0, length, last: false }))).toBe('MANIFEST_INVALID')
  })
})

describe('a lying author', () => {
  /** Seals a root made by hand, as a member with the workspace's keys can. */
  async function publish(root: ManifestRoot, store: MemoryBlockStore): Promise<ContentRef> {
    const [sealed] = await crypto.sealChunks(keys.dedupSecret, [encodeRoot(root)])
    if (sealed === undefined) throw new Error('nothing sealed')
    await store.put([{ cid: blockCid(sealed.digest), bytes: sealed.bytes }])
    return { root: blockCid(sealed.digest), key: sealed.key, plain: root.plain, size: root.size }
  }

  async function chunkOf(content: Uint8Array, store: MemoryBlockStore): Promise<Entry> {
    const [sealed] = await crypto.sealChunks(keys.dedupSecret, [content])
    if (sealed === undefined) throw new Error('nothing sealed')
    await store.put([{ cid: blockCid(sealed.digest), bytes: sealed.bytes }])
    return { digest: sealed.digest, key: sealed.key, hash: sealed.hash, length: content.length }
  }

  function plainOf(...entries: Entry[]): Uint8Array {
    const plain = new PlainHash()
    for (const { hash, length } of entries) plain.add(hash, length)
    return plain.digest()
  }

  const content = randomBytes('author', 100_000)

  async function read(change: (honest: Entry) => Entry, plain?: Uint8Array) {
    const store = new MemoryBlockStore()
    const entry = change(await chunkOf(content, store))
    const ref = await publish(
      {
        gearSeed: keys.gearSeed,
        plain: plain ?? plainOf(entry),
        size: entry.length,
        body: { level: 0, entries: [entry] },
      },
      store,
    )
    return join(readContent(ref, { source: store, crypto }))
  }

  test('is believed when honest', async () => {
    expect(toHex(await read((entry) => entry))).toBe(toHex(content))
  })

  test('about a chunk’s hash, key, length or `plain` is found out', async () => {
    await assertCode(
      read((entry) => ({ ...entry, hash: bytes32(7) })),
      'MANIFEST_INVALID',
    )
    await assertCode(
      read((entry) => ({ ...entry, key: bytes32(7) })),
      'MANIFEST_INVALID',
    )
    await assertCode(
      read((entry) => ({ ...entry, length: entry.length - 1 })),
      'MANIFEST_INVALID',
    )
    await assertCode(
      read((entry) => entry, bytes32(8)),
      'MANIFEST_INVALID',
    )
  })

  test('about inline content is found out', async () => {
    const store = new MemoryBlockStore()
    const body = toUtf8('hello')
    const honest = { ...chunkEntry(0), hash: sha256Now(body), length: 5 }
    const root = { gearSeed: keys.gearSeed, plain: plainOf(honest), size: 5, body }
    const good = await publish(root, store)
    expect(await join(readContent(good, { source: store, crypto }))).toEqual(body)
    const bad = await publish({ ...root, body: toUtf8('jello') }, store)
    await assertCode(join(readContent(bad, { source: store, crypto })), 'MANIFEST_INVALID')
  })

  test('cannot make a tree that never ends: each level must be one below', async () => {
    const store = new MemoryBlockStore()
    const chunk = await chunkOf(randomBytes('loop', CHUNK_MIN), store)
    const node = encodeNode({ level: 1, entries: Array.from({ length: 32 }, () => chunk) })
    const length = 32 * CHUNK_MIN
    const child = { ...(await chunkOf(node, store)), length }
    const ref = await publish(
      {
        gearSeed: keys.gearSeed,
        plain: bytes32(0),
        size: 2 * length,
        body: { level: 1, entries: [child, child] },
      },
      store,
    )
    await assertCode(join(readContent(ref, { source: store, crypto })), 'MANIFEST_INVALID')
  })
})
