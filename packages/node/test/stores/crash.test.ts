import { createHash } from 'node:crypto'
import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Block, type BlockStore, isPeerfoldError, type KeyValue } from '@peerfold/core'
import { blockCid } from '@peerfold/core/platform'
import {
  assertCode,
  assertEqual,
  collect,
  createSeededRandom,
  type SeededRandom,
} from '@peerfold/core/testing'
import { ClassicLevel } from 'classic-level'
import { describe, expect, test } from 'vitest'
import { openFileBlockStore } from '../../src/stores/block-store/index.js'
import { type Fault, FaultyDisk } from './faulty-disk.js'

const SEED = 'block store faults'

function toBlock(bytes: Uint8Array): Block {
  return { cid: blockCid(new Uint8Array(createHash('sha256').update(bytes).digest())), bytes }
}

/** What the caller was told about each block. */
class Ledger {
  readonly blocks = new Map<string, Block>()
  /** Put before a flush that resolved, and not deleted since: must be there. */
  readonly durable = new Set<string>()
  /** Deleted before a flush that resolved: must be gone. */
  readonly gone = new Set<string>()
  readonly #put = new Set<string>()
  readonly #deleted = new Set<string>()

  onPut(blocks: readonly Block[]): void {
    for (const block of blocks) {
      const name = block.cid.toString()
      this.gone.delete(name)
      this.#deleted.delete(name)
      this.#put.add(name)
    }
  }

  /** From the moment a deletion is asked for nothing is promised about the block. */
  beforeDelete(blocks: readonly Block[]): void {
    for (const { cid } of blocks) {
      this.durable.delete(cid.toString())
      this.#put.delete(cid.toString())
    }
  }

  onDeleted(blocks: readonly Block[]): void {
    for (const { cid } of blocks) this.#deleted.add(cid.toString())
  }

  /** Whatever was pending when the flush began. */
  flushing(): () => void {
    const put = [...this.#put]
    const deleted = [...this.#deleted]
    return () => {
      for (const name of put) this.durable.add(name)
      for (const name of deleted) this.gone.add(name)
    }
  }
}

/** Puts, flushes and deletes, as the seed says; failures are taken as they come. */
async function work(store: BlockStore, random: SeededRandom, ledger: Ledger): Promise<void> {
  const attempt = async (call: () => Promise<void>, then: () => void) => {
    try {
      await call()
      then()
    } catch (error) {
      if (!isPeerfoldError(error)) throw error
      expect(['STORE_FULL', 'IO_FAILED', 'CLOSED']).toContain(error.code)
    }
  }
  for (let step = 0; step < 12; step++) {
    const batch = Array.from({ length: 1 + random.integer(4) }, () =>
      toBlock(
        random.bytes(random.float() < 0.5 ? 100 + random.integer(3000) : 33_000 + random.integer(9000)),
      ),
    )
    for (const block of batch) ledger.blocks.set(block.cid.toString(), block)
    await attempt(
      () => store.put(batch),
      () => ledger.onPut(batch),
    )
    if (random.float() < 0.4) {
      const known = [...ledger.blocks.values()]
      const victims = [random.pick(known), random.pick(known)]
      ledger.beforeDelete(victims)
      await attempt(
        () => store.delete(victims.map((block) => block.cid)),
        () => ledger.onDeleted(victims),
      )
    }
    if (random.float() < 0.5) {
      await attempt(() => store.flush(), ledger.flushing())
    }
  }
}

async function check(store: BlockStore, ledger: Ledger): Promise<void> {
  const listed = new Set((await collect(store.list())).map(String))
  for (const [name, { cid, bytes }] of ledger.blocks) {
    const [held] = await store.has([cid])
    expect(listed.has(name)).toBe(held)
    if (ledger.durable.has(name) || held) assertEqual(await store.get(cid), bytes, `block ${name}`)
    else await assertCode(store.get(cid), 'BLOCK_NOT_FOUND')
    if (ledger.gone.has(name)) expect(held).toBe(false)
  }
}

/** One life of a store with a fault in it, and the life after. */
async function live(
  label: string,
  fault: { kind: Fault; at: number } | undefined,
  power: boolean,
): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'peerfold-crash-'))
  const random = createSeededRandom(`${SEED} ${label}`)
  const ledger = new Ledger()
  const databases: KeyValue[] = []
  const openIndex = async (fresh: boolean) => {
    const path = join(directory, 'index')
    if (fresh) await rm(path, { recursive: true, force: true })
    const db = new ClassicLevel<string, Uint8Array>(path, { keyEncoding: 'utf8', valueEncoding: 'view' })
    await db.open()
    databases.push(db)
    return db
  }
  const disk = new FaultyDisk(directory, fault)
  const init = { openIndex, segmentBytes: 20_000 }
  const store = await openFileBlockStore(directory, { ...init, disk }).catch((error: unknown) => {
    if (fault === undefined || !isPeerfoldError(error)) throw error
    return undefined
  })
  if (store !== undefined) {
    await work(store, createSeededRandom(SEED), ledger)
    if (power) disk.cutPower(random)
    // Without power it only lets go of its files.
    await store.close().catch(() => {})
  }
  for (const db of databases) await db.close()
  if (power) {
    if (random.float() < 0.3) await rm(join(directory, 'index'), { recursive: true, force: true })
  }
  const again = await openFileBlockStore(directory, init)
  await check(again, ledger)
  // It works on, and heals: what is put now is there.
  await again.put([...ledger.blocks.values()])
  await again.flush()
  for (const { cid, bytes } of ledger.blocks.values()) assertEqual(await again.get(cid), bytes)
  await again.close()
  await rm(directory, { recursive: true })
  return disk.calls
}

describe(`a block store (seed "${SEED}")`, () => {
  const points = (total: number, count: number) =>
    Array.from({ length: count }, (_, i) => Math.floor((i * total) / count))

  test('keeps what it acknowledged when it crashes at any call', async () => {
    const total = await live('clean', undefined, false)
    expect(total).toBeGreaterThan(100)
    for (const at of points(total, 10)) await live(`crash ${at}`, { kind: 'crash', at }, false)
  }, 120_000)

  test('keeps what it acknowledged when the power is cut at any call', async () => {
    const total = await live('clean', undefined, true)
    for (const at of points(total, 24)) await live(`power ${at}`, { kind: 'crash', at }, true)
  }, 120_000)

  test('acknowledges nothing falsely when any call fails with EIO', async () => {
    const total = await live('clean', undefined, true)
    for (const at of points(total, 12)) await live(`EIO ${at}`, { kind: 'EIO', at }, true)
  }, 120_000)

  test('shows nothing half-written when the disk is full', async () => {
    const total = await live('clean', undefined, true)
    for (const at of points(total, 12)) await live(`ENOSPC ${at}`, { kind: 'ENOSPC', at }, true)
  }, 120_000)

  test('says STORE_FULL, takes nothing of the batch, and goes on when there is space again', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'peerfold-full-'))
    const random = createSeededRandom('full')
    const batch = [toBlock(random.bytes(1000)), toBlock(random.bytes(50_000)), toBlock(random.bytes(60_000))]
    const cids = batch.map((block) => block.cid)
    const clean = new FaultyDisk(directory)
    await (await openFileBlockStore(directory, { disk: clean })).close()
    // The first call that needs space from here on is the put's.
    const disk = new FaultyDisk(directory, { kind: 'ENOSPC', at: clean.calls })
    const store = await openFileBlockStore(directory, { disk })
    await assertCode(store.put(batch), 'STORE_FULL')
    expect(await store.has(cids)).toEqual([false, false, false])
    await store.put(batch)
    await store.flush()
    for (const { cid, bytes } of batch) assertEqual(await store.get(cid), bytes)
    await store.close()
    await rm(directory, { recursive: true })
  })

  test('is read-only after a failed fsync, and never tries it again', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'peerfold-fsync-'))
    const random = createSeededRandom('fsync')
    const first = toBlock(random.bytes(500))
    const store = await openFileBlockStore(directory, { disk: new FailingSync(directory) })
    await store.put([first])
    await assertCode(store.flush(), 'IO_FAILED')
    await assertCode(store.flush(), 'IO_FAILED')
    await assertCode(store.put([toBlock(random.bytes(40_000))]), 'IO_FAILED')
    await assertCode(store.delete([first.cid]), 'IO_FAILED')
    assertEqual(await store.get(first.cid), first.bytes)
    await store.close()
    await rm(directory, { recursive: true })
  })
})

class FailingSync extends FaultyDisk {
  override async segments(path: string) {
    const files = await super.segments(path)
    let failed = false
    return {
      ...files,
      open: async (name: string, create: boolean) => {
        const file = await files.open(name, create)
        const datasync = async () => {
          if (failed) throw new Error('fsync was tried again')
          failed = true
          throw Object.assign(new Error('injected'), { code: 'EIO' })
        }
        return { ...file, datasync }
      },
    }
  }
}
