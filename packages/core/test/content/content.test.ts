import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { manifestBlocks } from '../../src/content/list-blocks.js'
import { readContent } from '../../src/content/read-content.js'
import { readGearSeed } from '../../src/content/read-tree.js'
import { CHUNK_MAX, INLINE_MAX } from '../../src/content/sizes.js'
import type { BlockSource } from '../../src/content/types.js'
import { identifyContent, writeContent } from '../../src/content/write-content.js'
import { concatBytes, equalBytes } from '../../src/encoding/bytes.js'
import { assertCode, collect } from '../../src/testing/assert.js'
import { MemoryBlockStore } from '../../src/testing/memory-block-store.js'
import { crypto, join, keys, randomBytes, write } from './fixture.js'

const MiB = 1024 * 1024

describe('writing and reading', () => {
  for (const size of [0, 1, 4096, INLINE_MAX, INLINE_MAX + 1, 65_536, CHUNK_MAX, 3 * MiB + 17]) {
    test(`gives ${size} bytes back`, async () => {
      const content = randomBytes('round trip', size)
      const { ref, store } = await write(content)
      expect(ref.size).toBe(size)
      expect(equalBytes(await join(readContent(ref, { source: store, crypto })), content)).toBe(true)
    })
  }

  test('takes one block for a small file and for an empty one', async () => {
    for (const size of [0, 100, INLINE_MAX])
      expect((await write(randomBytes('small', size))).store.size).toBe(1)
    expect((await write(randomBytes('small', INLINE_MAX + 1))).store.size).toBe(2)
  })

  test('reads any range', async () => {
    const content = randomBytes('ranges', 4 * MiB)
    const { ref, store } = await write(content)
    await fc.assert(
      fc.asyncProperty(fc.nat(content.length + 10), fc.nat(2 * MiB), async (offset, length) => {
        const read = await join(readContent(ref, { source: store, crypto, offset, length }))
        expect(equalBytes(read, content.subarray(offset, offset + length))).toBe(true)
      }),
      { numRuns: 40, seed: 7 },
    )
  })

  test('reads a range by fetching its chunks and the nodes above, nothing else', async () => {
    const { ref, store } = await write(randomBytes('random access', 8 * MiB))
    const fetched: string[] = []
    const source: BlockSource = {
      get(cid, options) {
        fetched.push(cid.toString())
        return store.get(cid, options)
      },
    }
    await join(readContent(ref, { source, crypto, offset: 5 * MiB, length: 10 }))
    expect(fetched).toHaveLength(2)
  })

  test('refuses ranges that are none', async () => {
    const { ref, store } = await write(randomBytes('x', 10))
    for (const range of [{ offset: -1 }, { length: -1 }, { offset: 0.5 }, { length: Number.NaN }]) {
      await assertCode(join(readContent(ref, { source: store, crypto, ...range })), 'INVALID_ARGUMENT')
    }
  })

  test('gives equal content equal roots, however it comes in', async () => {
    const content = randomBytes('deterministic', 2 * MiB)
    const { ref } = await write(content)
    const pieces = [content.subarray(0, 7), content.subarray(7, 900_000), content.subarray(900_000)]
    const again = await writeContent(pieces, { keys, crypto, sink: new MemoryBlockStore() })
    expect(again).toEqual(ref)
  })

  test('gives other secrets other blocks, and equal content equal `plain`', async () => {
    const content = randomBytes('secrets', MiB)
    const { ref, store } = await write(content)
    const otherStore = new MemoryBlockStore()
    const other = await writeContent([content], {
      keys: { ...keys, dedupSecret: new Uint8Array(32).fill(9) },
      crypto,
      sink: otherStore,
    })
    const names = new Set((await collect(store.list())).map(String))
    for (const cid of await collect(otherStore.list())) expect(names.has(cid.toString())).toBe(false)
    expect(other.plain).toEqual(ref.plain)
  })

  test('identifies a content without storing it', async () => {
    for (const size of [0, 1000, 3 * MiB]) {
      const content = randomBytes('identify', size)
      const { ref } = await write(content)
      const found = await identifyContent([content], { gearSeed: keys.gearSeed, crypto })
      expect(found).toEqual({ plain: ref.plain, size: ref.size })
    }
  })

  test('keeps the gear seed of the version it is based on', async () => {
    const content = randomBytes('base', 2 * MiB)
    const { ref, store } = await write(content)
    const rotated = { dedupSecret: new Uint8Array(32).fill(5), gearSeed: new Uint8Array(32).fill(6) }
    const edited = concatBytes(content, new Uint8Array(1))
    const sink = new MemoryBlockStore()
    const next = await writeContent([edited], { keys: rotated, crypto, sink, base: { ref, source: store } })
    expect(await readGearSeed(next, { source: sink, crypto })).toEqual(keys.gearSeed)
    const lost = await writeContent([edited], {
      keys: rotated,
      crypto,
      sink,
      base: { ref, source: new MemoryBlockStore() },
    })
    expect(await readGearSeed(lost, { source: sink, crypto })).toEqual(rotated.gearSeed)
  })

  test('lists all blocks in order of need', async () => {
    const { ref, store } = await write(randomBytes('blocks', 3 * MiB))
    const listed = (await collect(manifestBlocks(ref, { source: store, crypto }))).map(String)
    expect(listed[0]).toBe(ref.root.toString())
    expect(listed.sort()).toEqual((await collect(store.list())).map(String).sort())
  })
})

describe('bounds', () => {
  test('holds few batches while the sink is slow', async () => {
    let taken = 0
    let put = 0
    const gate = deferred()
    async function* source() {
      for (let i = 0; i < 64; i++) {
        taken += MiB
        yield randomBytes(`piece ${i}`, MiB)
        await new Promise((resolve) => setTimeout(resolve))
      }
    }
    const sink = {
      async put(blocks: readonly { bytes: Uint8Array }[]) {
        await gate.promise
        for (const { bytes } of blocks) put += bytes.length
      },
    }
    let settled = 0
    const written = writeContent(source(), { keys, crypto, sink })
    // Until nothing more is taken for a while: the writer waits for the sink.
    for (let still = 0; still < 20; still = taken === settled ? still + 1 : 0) {
      settled = taken
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    expect(taken).toBeLessThanOrEqual(16 * MiB)
    gate.resolve(undefined)
    await written
    expect(put).toBeGreaterThan(64 * MiB)
  })

  test('reads no further ahead than told', async () => {
    const { ref, store } = await write(randomBytes('read ahead', 24 * MiB))
    let fetched = 0
    const source: BlockSource = {
      async get(cid, options) {
        const bytes = await store.get(cid, options)
        fetched += bytes.length
        return bytes
      },
    }
    const reading = readContent(ref, { source, crypto, readAhead: 4 * MiB })
    await reading.next()
    expect(fetched).toBeLessThanOrEqual(10 * MiB)
    await reading.return()
  })
})

describe('aborts and failures', () => {
  test('a write ends with the signal’s reason, even when its source hangs', async () => {
    const controller = new AbortController()
    async function* hanging() {
      yield new Uint8Array(10)
      await new Promise(() => {})
    }
    const written = writeContent(hanging(), {
      keys,
      crypto,
      sink: new MemoryBlockStore(),
      signal: controller.signal,
    })
    const reason = new Error('enough')
    setTimeout(() => controller.abort(reason))
    await expect(written).rejects.toBe(reason)
    await expect(
      writeContent([new Uint8Array(1)], {
        keys,
        crypto,
        sink: new MemoryBlockStore(),
        signal: controller.signal,
      }),
    ).rejects.toBe(reason)
  })

  test('a read ends with the signal’s reason', async () => {
    const { ref, store } = await write(randomBytes('abort', 3 * MiB))
    const reason = new Error('enough')
    const signal = AbortSignal.abort(reason)
    await expect(join(readContent(ref, { source: store, crypto, signal }))).rejects.toBe(reason)
    await expect(collect(manifestBlocks(ref, { source: store, crypto, signal }))).rejects.toBe(reason)
    await expect(
      identifyContent([new Uint8Array(1)], { gearSeed: keys.gearSeed, crypto, signal }),
    ).rejects.toBe(reason)
  })

  test('a failing source or sink fails the write with its own error', async () => {
    const broken = new Error('disk')
    async function* failing() {
      yield randomBytes('failing', MiB)
      throw broken
    }
    const sink = new MemoryBlockStore()
    await expect(writeContent(failing(), { keys, crypto, sink })).rejects.toBe(broken)
    const full = new MemoryBlockStore({ capacity: MiB })
    await assertCode(writeContent([randomBytes('full', 4 * MiB)], { keys, crypto, sink: full }), 'STORE_FULL')
  })

  test('a missing block is reported as missing', async () => {
    const { ref, store } = await write(randomBytes('missing', 2 * MiB))
    const blocks = await collect(manifestBlocks(ref, { source: store, crypto }))
    await store.delete([blocks[2] as (typeof blocks)[number]])
    await assertCode(join(readContent(ref, { source: store, crypto })), 'BLOCK_NOT_FOUND')
  })

  test('a source that hands out other bytes is told from an author who lies', async () => {
    const content = randomBytes('blame', 2 * MiB)
    const { ref, store } = await write(content)
    const lying: BlockSource = {
      async get(cid, options) {
        const bytes = await store.get(cid, options)
        if (bytes.length > 65_536) bytes[5] = (bytes[5] as number) ^ 1
        return bytes
      },
    }
    await assertCode(join(readContent(ref, { source: lying, crypto })), 'BLOCK_CORRUPT')
    const wrongKey = { ...ref, key: new Uint8Array(32) }
    await assertCode(join(readContent(wrongKey, { source: store, crypto })), 'MANIFEST_INVALID')
    for (const wrong of [
      { ...ref, size: ref.size + 1 },
      { ...ref, plain: new Uint8Array(32) },
    ]) {
      await assertCode(join(readContent(wrong, { source: store, crypto })), 'MANIFEST_INVALID')
    }
    expect(equalBytes(await join(readContent(ref, { source: store, crypto })), content)).toBe(true)
  })

  test('blocks are read unchecked, since opening checks them, and once more when one does not open', async () => {
    const content = randomBytes('unchecked', 2 * MiB)
    const { ref, store } = await write(content)
    const asked = { unchecked: 0, checked: 0 }
    let damaged = false
    const source: BlockSource = {
      async get(cid, options) {
        const unchecked = options?.unchecked === true
        asked[unchecked ? 'unchecked' : 'checked']++
        const bytes = await store.get(cid, options)
        if (unchecked && damaged) bytes[5] = (bytes[5] as number) ^ 1
        return bytes
      },
    }
    await join(readContent(ref, { source, crypto }))
    expect(asked.checked).toBe(0)
    expect(asked.unchecked).toBeGreaterThan(2)
    damaged = true
    expect(equalBytes(await join(readContent(ref, { source, crypto })), content)).toBe(true)
    expect(asked.checked).toBeGreaterThan(2)
  })
})

function deferred() {
  let resolve: (value: unknown) => void = () => {}
  const promise = new Promise((r) => {
    resolve = r
  })
  return { promise, resolve }
}
