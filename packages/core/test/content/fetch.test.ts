import { MemoryLevel } from 'memory-level'
import type { CID } from 'multiformats/cid'
import { describe, expect, test } from 'vitest'
import { createChunkIndex } from '../../src/content/chunk-index.js'
import { fetchContent } from '../../src/content/fetch-content.js'
import { manifestBlocks, missingBlocks } from '../../src/content/list-blocks.js'
import { readContent } from '../../src/content/read-content.js'
import { writeContent } from '../../src/content/write-content.js'
import { concatBytes, equalBytes } from '../../src/encoding/bytes.js'
import type { Block } from '../../src/ports/block-store.js'
import type { KeyValue } from '../../src/ports/key-value.js'
import { assertAborts, collect } from '../../src/testing/assert.js'
import { MemoryBlockStore } from '../../src/testing/memory-block-store.js'
import { crypto, join, keys, randomBytes, write } from './fixture.js'

const MiB = 1024 * 1024

/** Copies blocks from one store to another, as the exchange does, and notes what was asked for. */
function fetcher(from: MemoryBlockStore, to: MemoryBlockStore) {
  const asked: string[] = []
  return {
    asked,
    fetchBlocks: async (cids: readonly CID[]) => {
      asked.push(...cids.map(String))
      await to.put(await Promise.all(cids.map(async (cid) => ({ cid, bytes: await from.get(cid) }))))
    },
  }
}

describe('fetching', () => {
  for (const size of [0, 1000, 5 * MiB]) {
    test(`brings all blocks of ${size} bytes, each asked for once`, async () => {
      const content = randomBytes('fetch', size)
      const { ref, store: remote } = await write(content)
      const store = new MemoryBlockStore()
      const { asked, fetchBlocks } = fetcher(remote, store)
      const progress: number[] = []
      await fetchContent(ref, { store, crypto, fetchBlocks, onProgress: (bytes) => progress.push(bytes) })
      expect(asked.sort()).toEqual((await collect(remote.list())).map(String).sort())
      expect(progress.at(-1)).toBe(size)
      expect(equalBytes(await join(readContent(ref, { source: store, crypto })), content)).toBe(true)
    })
  }

  test('goes on where it was interrupted', async () => {
    const { ref, store: remote } = await write(randomBytes('resume', 20 * MiB))
    const store = new MemoryBlockStore()
    const first = fetcher(remote, store)
    let calls = 0
    const breaking = async (cids: readonly CID[]) => {
      if (++calls === 3) throw new Error('connection lost')
      await first.fetchBlocks(cids)
    }
    await expect(fetchContent(ref, { store, crypto, fetchBlocks: breaking })).rejects.toThrow(
      'connection lost',
    )
    const second = fetcher(remote, store)
    await fetchContent(ref, { store, crypto, fetchBlocks: second.fetchBlocks })
    expect(first.asked.length).toBeGreaterThan(1)
    expect(second.asked.length).toBeGreaterThan(0)
    expect(first.asked.filter((name) => second.asked.includes(name))).toEqual([])
    const third = fetcher(remote, store)
    await fetchContent(ref, { store, crypto, fetchBlocks: third.fetchBlocks })
    expect(third.asked).toEqual([])
  })

  test('tells what is missing, as far as it can be known', async () => {
    const { ref, store } = await write(randomBytes('missing', 3 * MiB))
    const missing = async () => (await collect(missingBlocks(ref, { store, crypto }))).map(String)
    expect(await missing()).toEqual([])
    const [, , second, third] = await collect(manifestBlocks(ref, { source: store, crypto }))
    await store.delete([second as CID, third as CID])
    expect((await missing()).sort()).toEqual([String(second), String(third)].sort())
    await store.delete([ref.root])
    expect(await missing()).toEqual([String(ref.root)])
  })

  test('honours an aborted signal', async () => {
    const { ref, store } = await write(randomBytes('abort', 100))
    const fetchBlocks = async () => {}
    await assertAborts((signal) => fetchContent(ref, { store, crypto, fetchBlocks, signal }))
    await assertAborts((signal) => collect(missingBlocks(ref, { store, crypto, signal })))
  })
})

describe('deduplication', () => {
  /** Counts the chunks that are put; roots and nodes are smaller. */
  class CountingStore extends MemoryBlockStore {
    chunks = 0

    override async put(blocks: readonly Block[]): Promise<void> {
      this.chunks += blocks.filter((block) => block.bytes.length > 65_536).length
      await super.put(blocks)
    }
  }

  function setup() {
    const store = new CountingStore()
    const keyValue: KeyValue = new MemoryLevel<string, Uint8Array>({ valueEncoding: 'view' })
    return { store, keyValue, known: createChunkIndex({ keyValue, store }) }
  }

  const content = randomBytes('dedup', 12 * MiB)

  test('puts only the chunks that changed, and the manifest', async () => {
    const { store, known } = setup()
    await writeContent([content], { keys, crypto, sink: store, known })
    expect(store.chunks).toBeGreaterThan(20)
    store.chunks = 0
    const edited = content.slice()
    edited[5 * MiB] = (edited[5 * MiB] as number) ^ 1
    const ref = await writeContent([edited], { keys, crypto, sink: store, known })
    expect(store.chunks).toBeGreaterThan(0)
    expect(store.chunks).toBeLessThanOrEqual(3)
    expect(equalBytes(await join(readContent(ref, { source: store, crypto })), edited)).toBe(true)
  })

  test('spans epochs: a new dedup secret seals nothing again', async () => {
    const { store, known } = setup()
    await writeContent([content], { keys, crypto, sink: store, known })
    store.chunks = 0
    const rotated = { ...keys, dedupSecret: new Uint8Array(32).fill(77) }
    // Eight MiB of other bytes first: the writer has stopped expecting known chunks by then.
    const grown = concatBytes(randomBytes('other', 8 * MiB), content)
    const ref = await writeContent([grown], { keys: rotated, crypto, sink: store, known })
    expect(store.chunks).toBeLessThanOrEqual(45)
    store.chunks = 0
    await writeContent([grown], { keys: rotated, crypto, sink: store, known })
    expect(store.chunks).toBe(0)
    expect(equalBytes(await join(readContent(ref, { source: store, crypto })), grown)).toBe(true)
  })

  test('knows what was read and checked', async () => {
    const { ref, store: remote } = await write(content)
    const { store, known } = setup()
    const { fetchBlocks } = fetcher(remote, store)
    await fetchContent(ref, { store, crypto, fetchBlocks })
    await join(readContent(ref, { source: store, crypto, known }))
    store.chunks = 0
    const rotated = { ...keys, dedupSecret: new Uint8Array(32).fill(78) }
    await writeContent([content], { keys: rotated, crypto, sink: store, known })
    expect(store.chunks).toBe(0)
  })

  test('does not rely on blocks that are gone', async () => {
    const { store, known } = setup()
    await writeContent([content], { keys, crypto, sink: store, known })
    const blocks = await collect(store.list())
    await store.delete(blocks)
    const ref = await writeContent([content], { keys, crypto, sink: store, known })
    expect(equalBytes(await join(readContent(ref, { source: store, crypto })), content)).toBe(true)
  })

  test('does not believe a damaged index', async () => {
    const { store, keyValue, known } = setup()
    await writeContent([content], { keys, crypto, sink: store, known })
    for await (const [key, value] of keyValue.iterator()) {
      // A wrong key would make the file unreadable.
      const damaged = value.slice()
      damaged[40] = (damaged[40] as number) ^ 1
      await keyValue.put(key, damaged)
    }
    const ref = await writeContent([content], { keys, crypto, sink: store, known })
    expect(equalBytes(await join(readContent(ref, { source: store, crypto })), content)).toBe(true)
  })
})
