import { describe, expect, test } from 'vitest'
import { isPeerfoldError } from '../../src/errors.js'
import type { ItemId } from '../../src/ports/ids.js'
import { deriveItemId, parseRecordId, RECOVERED, shardOf } from '../../src/tree/item-id.js'
import { encodeRecord, type TreeRecord } from '../../src/tree/record.js'
import { ROOT_ITEM } from '../../src/tree/types.js'
import { encodeUpdate } from '../../src/tree/update.js'
import { dump, expectSame, Records, refold } from './dump.js'
import { contentOf, META, memoryDb, pastOf, Replica, type Sent, WORKSPACE } from './replica.js'

const SHARDS = 4
const open = (writer: number) => Replica.open({ writer, tree: { shards: SHARDS } })

/** A commit written by hand, about one item. */
function say(replica: Replica, record: Exclude<TreeRecord, { type: 'v' }>, clock: number): Sent {
  const shard = shardOf(record.item, SHARDS)
  const bytes = encodeUpdate({
    writer: replica.writer,
    clock,
    records: [encodeRecord(record)],
    deletions: record.over,
  })
  return replica.sign({ updates: [{ shard, update: bytes }] })
}

async function expectFold(replica: Replica): Promise<void> {
  const records = new Records()
  for (const sent of replica.log) records.add(sent)
  expectSame(await dump(replica.tree), await refold(replica.tree, SHARDS, records), 'incremental = full')
}

describe('purge', () => {
  test('ends an item for good; an edit that it did not see shows under Recovered', async () => {
    const [a, b] = [await open(1), await open(2)]
    const { value: f } = await a.commit((tx) => tx.makeFile(ROOT_ITEM, 'f', contentOf('1'), META))
    await b.pull(a)
    // Clock 0 is the placement, 1 the content.
    const over = [
      { writer: 1, clock: 0 },
      { writer: 1, clock: 1 },
    ]
    await b.commit((tx) => tx.writeFile(f.item, contentOf('2'), META))
    await a.take([say(a, { type: 'x', item: f.item, stamp: a.stamp + 1, over }, 2)])
    expect(await a.list()).toEqual([])
    await expectFold(a)
    const { value: again } = await a.commit((tx) => tx.makeFile(ROOT_ITEM, 'f', contentOf('3'), META))
    expect(again.item).not.toBe(f.item)
    await a.pull(b)
    await b.pull(a)
    for (const replica of [a, b]) {
      expect(await replica.list()).toEqual(['Recovered/', 'Recovered/f', 'f'])
      await expectFold(replica)
    }
    expect((await a.tree.entry(RECOVERED))!.ghost).toBe(true)
    await b.commit((tx) => tx.move(f.item, ROOT_ITEM, 'saved'))
    expect(await b.list()).toEqual(['f', 'saved'])
    await expectFold(b)
  })

  test('of a folder leaves what lives below at the root', async () => {
    const a = await open(1)
    const { value } = await a.commit(async (tx) => {
      const d = await tx.makeFolder(ROOT_ITEM, 'd')
      const e = await tx.makeFolder(d.item, 'e')
      return { d: d.item, f: (await tx.makeFile(e.item, 'f', contentOf('1'), META)).item, e: e.item }
    })
    const place = (await a.tree.documents.records(shardOf(value.d, SHARDS))).find(
      ({ record }) => record.type === 'p' && record.item === value.d,
    )!
    const clock = (await a.tree.documents.records(shardOf(value.d, SHARDS))).length
    const over = [{ writer: place.writer, clock: place.clock }]
    await a.take([say(a, { type: 'x', item: value.d, stamp: a.stamp + 1, over }, clock)])
    expect(await a.list()).toEqual(['e/', 'e/f'])
    await expectFold(a)
  })
})

describe('placements under items that nobody has placed', () => {
  const folder = (name: string, parent: ItemId = ROOT_ITEM) =>
    deriveItemId(WORKSPACE, parent, name, 'folder', 0)
  const place = (item: ItemId, parent: ItemId, name: string, stamp: number): TreeRecord & { type: 'p' } => ({
    type: 'p',
    item,
    stamp,
    parent,
    name,
    previous: ROOT_ITEM,
    named: undefined,
    over: [],
    removed: undefined,
  })

  test('show at the root, and move below when their parent comes', async () => {
    const a = await open(1)
    const late = folder('late')
    const clocks = new Map<number, number>()
    const next = (item: ItemId) => {
      const clock = clocks.get(shardOf(item, SHARDS)) ?? 0
      clocks.set(shardOf(item, SHARDS), clock + 1)
      return clock
    }
    for (const name of ['x', 'y']) {
      const child = folder(name, late)
      await a.take([say(a, place(child, late, name, a.stamp + 1), next(child))])
      await expectFold(a)
    }
    expect(await a.list()).toEqual(['x/', 'y/'])
    await a.take([say(a, place(late, ROOT_ITEM, 'late', a.stamp + 1), next(late))])
    expect(await a.list()).toEqual(['late/', 'late/x/', 'late/y/'])
    await expectFold(a)
  })

  test('and one that is its own ancestor is broken out', async () => {
    const a = await open(1)
    const [x, y] = [folder('x'), folder('y')]
    const updates = new Map<number, string[]>()
    for (const record of [place(x, y, 'x', 1), place(y, x, 'y', 1)]) {
      const shard = shardOf(record.item, SHARDS)
      updates.set(shard, [...(updates.get(shard) ?? []), encodeRecord(record)])
    }
    const drafted = [...updates]
      .sort(([p], [q]) => p - q)
      .map(([shard, records]) => ({
        shard,
        update: encodeUpdate({ writer: 1, clock: 0, records, deletions: [] }),
      }))
    await a.take([a.sign({ updates: drafted })])
    expect(await a.list()).toHaveLength(2)
    await expectFold(a)
  })
})

describe('a forked feed', () => {
  const [FEED, BRANCH, OTHER] = [1, 70_001, 2]

  test('has its branch filed under another writer, references of others included', async () => {
    const a = await open(FEED)
    const { value: f } = await a.commit((tx) => tx.makeFile(ROOT_ITEM, 'f', contentOf('1'), META))
    // The same home, restored from a backup, goes on from here: clone writes what the feed writes too.
    const clone = await open(FEED)
    await clone.pull(a)
    const { sent: kept } = await a.commit((tx) => tx.writeFile(f.item, contentOf('2'), META))
    const { sent: moved, value: edited } = await clone.commit((tx) =>
      tx.writeFile(f.item, contentOf('3'), META),
    )
    const { sent: follow } = await clone.commit((tx) => tx.makeFolder(ROOT_ITEM, 'd'))
    // Someone who knows only the branch builds on it, by the name that it had then.
    const other = await open(OTHER)
    await other.pull(clone)
    const { sent: built } = await other.commit((tx) => tx.writeFile(f.item, contentOf('4'), META))
    expect(built).toBeDefined()
    const replicas = []
    for (const order of [
      [kept!, moved!, follow!, built!],
      [moved!, follow!, built!, kept!],
    ]) {
      const c = await open(3)
      await c.pull({ log: a.log.slice(0, 1) } as Replica)
      for (const { commit, vector } of order) {
        const rekeyed = commit === moved!.commit || commit === follow!.commit
        const writer = rekeyed ? BRANCH : commit.writer
        const seen = new Map(vector)
        if (commit !== kept!.commit && commit !== moved!.commit) {
          seen.set(FEED, 1)
          seen.set(BRANCH, commit === follow!.commit ? 2 : 3)
        }
        const past = { ...pastOf(seen), aliases: (name: number) => (name === FEED ? [FEED, BRANCH] : [name]) }
        const renamed = { ...commit, writer }
        const batch: Parameters<typeof c.tree.apply>[2] = []
        await c.tree.check(renamed, past)
        await c.tree.apply(renamed, past, batch)
        await c.write(batch)
        c.tree.applied(renamed)
      }
      replicas.push(c)
    }
    for (const c of replicas) {
      expect(await c.list()).toEqual(['d/', 'f'])
      const { heads } = (await c.tree.entry(f.item))!
      expect(new Set(heads.map(({ content }) => content))).toEqual(new Set([contentOf('2'), contentOf('4')]))
      const { shard, clock } = parseRecordId(edited.heads[0]!.id)!
      expect((await c.tree.version(`${shard}.${BRANCH}.${clock}`))!.version.content).toEqual(contentOf('3'))
      for (let i = 0; i < SHARDS; i++) {
        expect(await c.tree.documents.state(i)).toEqual(await replicas[0]!.tree.documents.state(i))
      }
    }
  })
})

describe('the index', () => {
  test('folds shards after about a hundred updates, and reads the same after a restart', async () => {
    const db = memoryDb()
    const a = await Replica.open({ writer: 1, db, tree: { shards: 1 } })
    const { value: f } = await a.commit((tx) => tx.makeFile(ROOT_ITEM, 'f', contentOf('0'), META))
    for (let i = 1; i < 150; i++) await a.commit((tx) => tx.writeFile(f.item, contentOf(`${i}`), META))
    await a.tree.documents.settled()
    const waiting = await db.keys({ gt: 'tree/u/', lt: 'tree/u0' }).all()
    expect(waiting).toHaveLength(50)
    const state = await a.tree.documents.state(0)
    await a.reopen()
    await a.tree.documents.fold()
    expect(await db.keys({ gt: 'tree/u/', lt: 'tree/u0' }).all()).toHaveLength(0)
    expect(await a.tree.documents.state(0)).toEqual(state)
    expect(await a.tree.documents.records(0)).toHaveLength(2)
    let versions = 0
    for await (const { stamp } of a.tree.versions(f.item)) expect(stamp).toBe(150 - versions++)
    expect(versions).toBe(150)
    let all = 0
    for await (const version of a.tree.allVersions()) all += version.item === f.item ? 1 : 0
    expect(all).toBe(150)
  })

  test('is built again from the log after a reset', async () => {
    const a = await open(1)
    for (const name of ['a', 'b']) await a.commit((tx) => tx.makeFile(ROOT_ITEM, name, contentOf(name), META))
    const before = await a.db.iterator().all()
    const log = a.log.splice(0)
    a.known.clear()
    await a.tree.reset()
    expect(await a.db.keys().all()).toEqual([])
    expect(await a.list()).toEqual([])
    for (const sent of log) await a.take([sent])
    a.tree.restored()
    expect(await a.db.iterator().all()).toEqual(before)
    expect(await a.tree.position()).toBe(2)
  })

  test('says which row is damaged', async () => {
    const a = await open(1)
    const { value: f } = await a.commit((tx) => tx.makeFile(ROOT_ITEM, 'f', contentOf('1'), META))
    await a.db.put(`tree/i/${f.item}`, Uint8Array.of(255, 255))
    await a.reopen()
    const error: unknown = await a.tree.entry(f.item).catch((reason) => reason)
    expect(isPeerfoldError(error, 'INDEX_CORRUPT')).toBe(true)
  })

  test('shows one state to a reader while commits arrive', async () => {
    const a = await open(1)
    const { value: d } = await a.commit(async (tx) => {
      const folder = await tx.makeFolder(ROOT_ITEM, 'd')
      for (let i = 0; i < 700; i++) await tx.makeFile(folder.item, `f${1000 + i}`, contentOf(`${i}`), META)
      return folder
    })
    const seen: string[] = []
    let changed = false
    for await (const entry of a.tree.children(d.item)) {
      seen.push(entry.name)
      if (changed) continue
      changed = true
      await a.commit(async (tx) => {
        for await (const child of tx.children(d.item)) {
          const n = Number(child.name.slice(1))
          if (n % 2 === 0) await tx.remove(child.item)
          else if (n % 3 === 0) await tx.move(child.item, d.item, `z${n}`)
        }
        await tx.makeFile(d.item, 'f1500a', contentOf('new'), META)
      })
    }
    expect(seen).toEqual(Array.from({ length: 700 }, (_, i) => `f${1000 + i}`))
    expect(await a.list(d.item)).toHaveLength(351)
  })

  test('refuses to open with a number of shards that is no power of two', async () => {
    await expect(Replica.open({ writer: 1, tree: { shards: 100 } })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    })
  })
})
