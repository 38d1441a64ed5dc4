import { createHash } from 'node:crypto'
import { mkdtempSync } from 'node:fs'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Block, BlockStore } from '@peerfold/core'
import { blockCid } from '@peerfold/core/platform'
import {
  assertCode,
  assertEqual,
  blockStoreSuite,
  createSeededRandom,
  toIpfsBlockstore,
} from '@peerfold/core/testing'
import type { Blockstore } from 'interface-blockstore'
import type { CID } from 'multiformats/cid'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openFileBlockStore } from '../../src/stores/block-store/file-block-store.js'

export const temporary = () => mkdtempSync(join(tmpdir(), 'peerfold-blocks-'))

export function toBlock(bytes: Uint8Array): Block {
  return { cid: blockCid(new Uint8Array(createHash('sha256').update(bytes).digest())), bytes }
}

/** Flips a bit of a block, wherever the store keeps it. */
async function damage(directory: string, cid: CID): Promise<void> {
  const digest = Buffer.from(cid.multihash.digest)
  for (const file of await readdir(directory, { recursive: true, withFileTypes: true })) {
    const path = join(file.parentPath, file.name)
    if (!path.endsWith('.blocks')) continue
    // The last record with the digest is the one that counts; the block follows the digest.
    const at = (await readFile(path)).lastIndexOf(digest)
    if (at >= 0) return flip(path, at + 32)
  }
  throw new Error(`${cid} is nowhere`)
}

async function flip(path: string, at: number): Promise<void> {
  const content = await readFile(path)
  content[at] = (content[at] as number) ^ 1
  await writeFile(path, content)
}

describe('block store on disk', () => {
  blockStoreSuite({ describe, test }, async () => {
    const directory = temporary()
    const store = await openFileBlockStore(directory)
    return {
      store,
      damage: (cid) => damage(directory, cid),
      reopen: () => openFileBlockStore(directory),
      dispose: () => rm(directory, { recursive: true }),
    }
  })
})

describe('callers that check by themselves', () => {
  let directory: string
  beforeEach(() => {
    directory = temporary()
  })
  afterEach(() => rm(directory, { recursive: true }))

  test('cost no hash: neither names that were just computed nor reads that opening authenticates', async () => {
    let hashed = 0
    const crypto = {
      hash: async (inputs: readonly Uint8Array[]) => {
        hashed += inputs.length
        return inputs.map((input) => new Uint8Array(createHash('sha256').update(input).digest()))
      },
    }
    const store = await openFileBlockStore(directory, { crypto })
    const [small, large] = [toBlock(new Uint8Array(10)), toBlock(new Uint8Array(100_000))]
    await store.put([small, large], { named: true })
    for (const { cid, bytes } of [small, large]) assertEqual(await store.get(cid, { unchecked: true }), bytes)
    expect(hashed).toBe(0)
    for (const { cid, bytes } of [small, large]) assertEqual(await store.get(cid), bytes)
    expect(hashed).toBe(2)
    await store.close()
  })

  test('get what lies there, and when they ask again it is found to be damaged', async () => {
    const store = await openFileBlockStore(directory)
    const block = toBlock(new Uint8Array(100_000))
    await store.put([block])
    await store.flush()
    await damage(directory, block.cid)
    expect((await store.get(block.cid, { unchecked: true }))[0]).toBe(1)
    await assertCode(store.get(block.cid), 'BLOCK_CORRUPT')
    await assertCode(store.get(block.cid, { unchecked: true }), 'BLOCK_NOT_FOUND')
    await store.close()
  })
})

// The compliance suite expects mocha's globals.
Object.assign(globalThis, { describe, it: test, beforeEach, afterEach })
const { interfaceBlockstoreTests } = await import('interface-blockstore-tests')

describe('interface-blockstore compliance of the block store on disk', () => {
  const opened: { store: BlockStore; directory: string }[] = []
  interfaceBlockstoreTests({
    setup: async (): Promise<Blockstore> => {
      const directory = temporary()
      const store = await openFileBlockStore(directory)
      opened.push({ store, directory })
      return toIpfsBlockstore(store)
    },
    teardown: async () => {
      for (const { store, directory } of opened.splice(0)) {
        await store.close()
        await rm(directory, { recursive: true })
      }
    },
  })
})

describe('the index of small blocks', () => {
  let directory: string
  beforeEach(() => {
    directory = temporary()
  })
  afterEach(() => rm(directory, { recursive: true }))

  const random = createSeededRandom('index')
  const blocks = Array.from({ length: 300 }, (_, i) => toBlock(random.bytes(200 + i)))
  const cids = blocks.map((block) => block.cid)
  const deleted = cids.filter((_, i) => i % 7 === 0)
  const kept = blocks.filter((_, i) => i % 7 !== 0)

  async function fill(): Promise<void> {
    const store = await openFileBlockStore(directory)
    await store.put(blocks)
    await store.flush()
    await store.delete(deleted)
    await store.close()
  }

  async function expectWhole(): Promise<void> {
    const store = await openFileBlockStore(directory)
    try {
      assertEqual(
        await store.has(cids),
        cids.map((_, i) => i % 7 !== 0),
      )
      for (const { cid, bytes } of kept) assertEqual(await store.get(cid), bytes)
    } finally {
      await store.close()
    }
  }

  test('is built anew when it is gone', async () => {
    await fill()
    await rm(join(directory, 'index'), { recursive: true })
    await expectWhole()
  })

  test('is built anew when any of its files is damaged', async () => {
    await fill()
    const names = await readdir(join(directory, 'index'))
    for (const name of names.filter((name) => name !== 'LOCK')) {
      const path = join(directory, 'index', name)
      const content = await readFile(path).catch(() => undefined)
      if (content === undefined || content.length === 0) continue
      for (let at = 0; at < content.length; at += Math.ceil(content.length / 40))
        content[at] = (content[at] as number) ^ 0x55
      await writeFile(path, content)
      await expectWhole()
    }
  })

  test('catches up with segments that were written after it', async () => {
    await fill()
    const { cpSync } = await import('node:fs')
    cpSync(join(directory, 'index'), join(directory, 'old-index'), { recursive: true })
    const later = Array.from({ length: 50 }, (_, i) => toBlock(random.bytes(3000 + i)))
    const store = await openFileBlockStore(directory)
    await store.put(later)
    await store.delete(kept.slice(0, 10).map((block) => block.cid))
    await store.close()
    await rm(join(directory, 'index'), { recursive: true })
    cpSync(join(directory, 'old-index'), join(directory, 'index'), { recursive: true })
    const again = await openFileBlockStore(directory)
    for (const { cid, bytes } of [...later, ...kept.slice(10)]) assertEqual(await again.get(cid), bytes)
    expect(await again.has(kept.slice(0, 10).map((block) => block.cid))).toEqual(Array(10).fill(false))
    await again.close()
  })

  test('is built anew when segments are shorter than it says, and nothing is invented', async () => {
    await fill()
    const path = join(directory, 'segments', '00000001.blocks')
    const content = await readFile(path)
    await writeFile(path, content.subarray(0, content.length / 2))
    const store = await openFileBlockStore(directory)
    const held = await store.has(cids)
    expect(held.filter(Boolean).length).toBeGreaterThan(100)
    for (const [i, { cid, bytes }] of blocks.entries()) {
      if (held[i]) assertEqual(await store.get(cid), bytes)
      else await assertCode(store.get(cid), 'BLOCK_NOT_FOUND')
    }
    await store.close()
  })

  test('loses only the blocks in a damaged stretch of a segment, and keeps the stretch aside', async () => {
    await fill()
    await rm(join(directory, 'index'), { recursive: true })
    const path = join(directory, 'segments', '00000001.blocks')
    const content = await readFile(path)
    content.fill(0xff, 20_000, 21_000)
    await writeFile(path, content)
    const store = await openFileBlockStore(directory)
    const held = await store.has(kept.map((block) => block.cid))
    const lost = held.filter((here) => !here).length
    expect(lost).toBeGreaterThan(0)
    expect(lost).toBeLessThan(8)
    for (const [i, { cid, bytes }] of kept.entries()) if (held[i]) assertEqual(await store.get(cid), bytes)
    expect(await readdir(join(directory, 'quarantine'))).toHaveLength(1)
    await store.close()
  })

  test('refuses a second process', async () => {
    const store = await openFileBlockStore(directory)
    await assertCode(openFileBlockStore(directory), 'HOME_LOCKED')
    await store.close()
    await (await openFileBlockStore(directory)).close()
  })
})

describe('segments', () => {
  test('that are mostly dead give their space back, and tombstones outlive them', async () => {
    const directory = temporary()
    const random = createSeededRandom('compaction')
    const init = { segmentBytes: 4 * 1024 * 1024 }
    let store = await openFileBlockStore(directory, init)
    const size = async () => {
      const names = await readdir(join(directory, 'segments'))
      const files = await Promise.all(names.map((name) => readFile(join(directory, 'segments', name))))
      return files.reduce((sum, file) => sum + file.length, 0)
    }
    // Several segments, of 30,000 bytes a block.
    const fill = random.bytes(30_000)
    const blocks: Block[] = []
    for (let batch = 0; batch < 7; batch++) {
      const part = Array.from({ length: 100 }, (_, i) => {
        new DataView(fill.buffer).setUint32(0, batch * 100 + i)
        return toBlock(fill.slice())
      })
      await store.put(part)
      blocks.push(...part)
    }
    await store.flush()
    const before = await size()
    expect(before).toBeGreaterThan(20_000_000)
    const survivors = blocks.filter((_, i) => i % 10 === 0)
    await store.delete(blocks.filter((_, i) => i % 10 !== 0).map((block) => block.cid))
    for (let i = 0; i < 8; i++) await store.flush()
    expect(await size()).toBeLessThan(before / 2)
    const expectSurvivors = async () => {
      assertEqual(
        await store.has(blocks.map((block) => block.cid)),
        blocks.map((_, i) => i % 10 === 0),
      )
      for (const { cid, bytes } of survivors) assertEqual(await store.get(cid), bytes)
    }
    await expectSurvivors()
    await store.close()
    await rm(join(directory, 'index'), { recursive: true })
    store = await openFileBlockStore(directory, init)
    await expectSurvivors()
    await store.close()
    await rm(directory, { recursive: true })
  })
})
