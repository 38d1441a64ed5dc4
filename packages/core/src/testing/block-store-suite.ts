import * as dagCbor from '@ipld/dag-cbor'
import { CID } from 'multiformats/cid'
import { blockCid } from '../content/block-cid.js'
import { sha256Now } from '../encoding/derive.js'
import type { Block, BlockStore } from '../ports/block-store.js'
import { assertAborts, assertCode, assertEqual, assertTrue, collect } from './assert.js'
import type { SuiteRunner } from './runner.js'
import { createSeededRandom } from './seeded-random.js'

/** What the suite needs beside the port. */
export interface BlockStoreFixture {
  store: BlockStore
  /** Changes what lies in the store for this block, behind the store's back. */
  damage: (cid: CID) => Promise<void> | void
  /** For stores that last: opens the same place again after `store.close()`. */
  reopen?: () => Promise<BlockStore>
  /** Removes what the fixture made. */
  dispose?: () => Promise<void>
}

/** Sizes on both sides of every limit at which a store may keep blocks in another way. */
const SIZES = [0, 1, 100, 4096, 32_767, 32_768, 32_769, 262_144, 1_048_592]

/**
 * What every `BlockStore` must do.
 *
 * @param create gives a fresh, empty store
 *
 * @example
 * ```ts
 * blockStoreSuite({ describe, test }, async () => {
 *   const store = new MemoryBlockStore()
 *   return { store, damage: (cid) => store.damage(cid) }
 * })
 * ```
 */
export function blockStoreSuite(runner: SuiteRunner, create: () => Promise<BlockStoreFixture>): void {
  const test: StoreTest = (name, body) =>
    runner.test(name, async () => {
      const fixture = await create()
      try {
        await body(fixture.store, fixture)
      } finally {
        await fixture.store.close()
        await fixture.dispose?.()
      }
    })
  runner.describe('put and get', () => putTests(test))
  runner.describe('delete and list', () => deleteTests(test))
  runner.describe('hostile and damaged bytes', () => damageTests(test))
  runner.describe('lifecycle', () => lifecycleTests(test))
}

type StoreTest = (
  name: string,
  body: (store: BlockStore, fixture: BlockStoreFixture) => Promise<void>,
) => void

function putTests(test: StoreTest): void {
  test('gives back what was put, of every size, before and after a flush', async (store) => {
    const blocks = samples('sizes')
    await store.put(blocks)
    await assertHolds(store, blocks)
    await store.flush()
    await assertHolds(store, blocks)
  })

  test('says what it holds, in order', async (store) => {
    const [a, b, c] = samples('has') as [Block, Block, Block]
    await store.put([a, c])
    assertEqual(await store.has([a.cid, b.cid, c.cid, b.cid]), [true, false, true, false])
    assertEqual(await store.has([]), [])
  })

  test('takes a block twice, in one batch, in two, and at the same time', async (store) => {
    for (const block of samples('twice')) {
      await store.put([block, block])
      await Promise.all([store.put([block]), store.put([block])])
    }
    await assertHolds(store, samples('twice'))
    assertEqual((await collect(store.list())).length, SIZES.length)
  })

  test('takes an empty batch', async (store) => {
    await store.put([])
    await store.flush()
    assertEqual(await collect(store.list()), [])
  })

  test('says that a block is not here', async (store) => {
    for (const { cid } of samples('absent')) await assertCode(store.get(cid), 'BLOCK_NOT_FOUND')
  })

  test('keeps many blocks put at once by many callers', async (store) => {
    const random = createSeededRandom('many')
    const blocks = Array.from({ length: 200 }, (_, i) =>
      toBlock(random.bytes(i % 10 === 0 ? 40_000 : 500 + i)),
    )
    await Promise.all(blocks.map((block) => store.put([block])))
    await store.flush()
    await assertHolds(store, blocks)
  })

  test('does not change what it holds when a caller changes the bytes it gave or got', async (store) => {
    for (const size of [1000, 50_000]) {
      const bytes = createSeededRandom('aliases').bytes(size)
      const block = toBlock(bytes.slice())
      await store.put([block])
      block.bytes.fill(0)
      const got = await store.get(block.cid)
      assertEqual(got, bytes)
      got.fill(0)
      assertEqual(await store.get(block.cid), bytes)
    }
  })
}

function deleteTests(test: StoreTest): void {
  test('forgets what was deleted, before and after a flush, and takes it again', async (store) => {
    const blocks = samples('delete')
    for (const flush of [async () => {}, () => store.flush()]) {
      await store.put(blocks)
      await flush()
      await store.delete(blocks.map((block) => block.cid))
      assertEqual(
        await store.has(blocks.map((block) => block.cid)),
        blocks.map(() => false),
      )
      for (const { cid } of blocks) await assertCode(store.get(cid), 'BLOCK_NOT_FOUND')
    }
    await store.put(blocks)
    await assertHolds(store, blocks)
  })

  test('deletes what is not there without complaint, and nothing else', async (store) => {
    const [gone, ...kept] = samples('others') as [Block, ...Block[]]
    await store.put(kept)
    await store.delete([gone.cid, gone.cid])
    await assertHolds(store, kept)
  })

  test('lists all blocks, each once', async (store) => {
    const [first, ...rest] = samples('list') as [Block, ...Block[]]
    await store.put([first, ...rest])
    await store.flush()
    await store.put(rest)
    await store.delete([first.cid])
    const listed = (await collect(store.list())).map(String).sort()
    assertEqual(listed, rest.map((block) => block.cid.toString()).sort())
  })
}

function damageTests(test: StoreTest): void {
  test('refuses bytes that do not match their name, and then shows nothing of the batch', async (store) => {
    for (const [good, bad] of [samples('good').slice(2, 4), samples('good').slice(6, 8)] as [
      Block,
      Block,
    ][]) {
      const wrong = { cid: bad.cid, bytes: flipped(bad.bytes) }
      await assertCode(store.put([good, wrong]), 'BLOCK_CORRUPT')
      assertEqual(await store.has([good.cid, bad.cid]), [false, false])
      await store.put([good, bad])
      await assertHolds(store, [good, bad])
    }
  })

  test('never hands out damaged bytes, moves them aside, and is healed by a new put', async (store, fixture) => {
    const blocks = samples('damage').filter((block) => block.bytes.length > 0)
    await store.put(blocks)
    await store.flush()
    for (const block of blocks) {
      await fixture.damage(block.cid)
      await assertCode(store.get(block.cid), 'BLOCK_CORRUPT')
      assertEqual(await store.has([block.cid]), [false])
      await assertCode(store.get(block.cid), 'BLOCK_NOT_FOUND')
      await store.put([block])
      assertEqual(await store.get(block.cid), block.bytes)
    }
    await assertHolds(store, blocks)
  })

  test('refuses names that are no block names', async (store) => {
    const { cid, bytes } = toBlock(new Uint8Array(10))
    const foreign = CID.createV1(dagCbor.code, cid.multihash)
    await assertCode(store.put([{ cid: foreign, bytes }]), 'INVALID_ARGUMENT')
    assertEqual(await collect(store.list()), [])
  })
}

function lifecycleTests(test: StoreTest): void {
  test('honours an aborted signal in every call', async (store) => {
    const [block] = samples('abort') as [Block]
    await assertAborts((signal) => store.put([block], { signal }))
    await assertAborts((signal) => store.get(block.cid, { signal }))
    await assertAborts((signal) => store.has([block.cid], { signal }))
    await assertAborts((signal) => store.delete([block.cid], { signal }))
    await assertAborts((signal) => store.flush({ signal }))
    await assertAborts((signal) => collect(store.list({ signal })))
    assertEqual(await store.has([block.cid]), [false])
  })

  test('refuses calls once closed, and closes twice', async (store) => {
    const [block] = samples('closed') as [Block]
    await store.close()
    await store.close()
    await assertCode(store.put([block]), 'CLOSED')
    await assertCode(store.get(block.cid), 'CLOSED')
    await assertCode(store.has([block.cid]), 'CLOSED')
    await assertCode(store.flush(), 'CLOSED')
  })

  test('holds everything when it is opened again', async (store, { reopen }) => {
    if (reopen === undefined) return
    const blocks = samples('reopen')
    const [gone, ...kept] = blocks as [Block, ...Block[]]
    await store.put(blocks)
    await store.delete([gone.cid])
    await store.close()
    const again = await reopen()
    try {
      await assertHolds(again, kept)
      assertEqual(await again.has([gone.cid]), [false])
      assertEqual((await collect(again.list())).length, kept.length)
    } finally {
      await again.close()
    }
  })
}

function samples(label: string): Block[] {
  const random = createSeededRandom(label)
  return SIZES.map((size) => toBlock(random.bytes(size)))
}

function toBlock(bytes: Uint8Array): Block {
  return { cid: blockCid(sha256Now(bytes)), bytes }
}

function flipped(bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice()
  copy[0] = (copy[0] as number) ^ 1
  return copy
}

async function assertHolds(store: BlockStore, blocks: readonly Block[]): Promise<void> {
  assertTrue((await store.has(blocks.map((block) => block.cid))).every(Boolean), 'should hold every block')
  for (const block of blocks) assertEqual(await store.get(block.cid), block.bytes)
}
