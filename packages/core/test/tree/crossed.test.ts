import { describe, expect, test } from 'vitest'
import type { ItemId } from '../../src/ports/ids.js'
import { ROOT_ITEM } from '../../src/tree/types.js'
import { decodeUpdate } from '../../src/tree/update.js'
import { dump, expectSame, Records, refold } from './dump.js'
import { contentOf, META, Replica, type Sent } from './replica.js'

const SHARDS = 4
const open = (writer: number) => Replica.open({ writer, tree: { shards: SHARDS } })

/** Each hears all that the others did; what they show is the fold's outcome, and the same. */
async function exchange(...replicas: Replica[]): Promise<string[]> {
  for (const to of replicas) for (const from of replicas) if (to !== from) await to.pull(from)
  const [first] = replicas as [Replica]
  for (const replica of replicas) {
    expect(await replica.list()).toEqual(await first.list())
    const records = new Records()
    for (const sent of replica.log) records.add(sent)
    expectSame(await dump(replica.tree), await refold(replica.tree, SHARDS, records), 'incremental = full')
  }
  return first.list()
}

/** Items that a commit says are gone. */
function deletedBy(sent: Sent | undefined): ItemId[] {
  const records = (sent?.commit.updates ?? []).flatMap(({ update }) => decodeUpdate(update).records)
  return records
    .map((text) => JSON.parse(text) as unknown[])
    .filter(([type, , , parent]) => type === 'p' && parent === '-')
    .map(([, item]) => Buffer.from(String(item), 'base64').toString('hex'))
    .sort()
}

/** Three devices that share `old/x/` with a file, and `y/`. Of equal stamps those of `a` are the highest. */
async function shared() {
  const [a, b, c] = [await open(3), await open(2), await open(1)]
  const { value } = await a.commit(async (tx) => {
    const old = await tx.makeFolder(ROOT_ITEM, 'old')
    const x = await tx.makeFolder(old.item, 'x')
    const f = await tx.makeFile(x.item, 'f', contentOf('1'), META)
    const y = await tx.makeFolder(ROOT_ITEM, 'y')
    return { old: old.item, x: x.item, f: f.item, y: y.item }
  })
  await exchange(a, b, c)
  return { a, b, c, ...value }
}

describe('a folder that crossing moves displaced (rule 3)', () => {
  test('lives where it fell back to, although that was removed by who had seen it elsewhere', async () => {
    const { a, b, old, x, y } = await shared()
    await a.commit((tx) => tx.move(x, y, 'x'))
    // Nothing lies in it any more, as far as its remover knows.
    await a.commit((tx) => tx.remove(old))
    await b.commit((tx) => tx.move(y, x, 'y'))
    expect(await exchange(a, b)).toEqual(['old/', 'old/x/', 'old/x/f', 'old/x/y/'])
    expect((await b.tree.entry(old))!.ghost).toBe(true)
    expect((await b.tree.entry(x))!.ghost).toBe(false)
  })

  test('is ended by its own deletion all the same', async () => {
    const { a, b, c, x, y } = await shared()
    await a.commit((tx) => tx.move(x, y, 'x'))
    await b.commit((tx) => tx.move(y, x, 'y'))
    await c.pull(a)
    await c.commit((tx) => tx.remove(x))
    // Who moved `y` into it did so without knowing: `y` lives, and what holds it stays as a ghost, where nothing is in its way.
    expect(await exchange(a, b, c)).toEqual(['old/', 'x/', 'x/y/'])
    expect((await a.tree.entry(x))!.ghost).toBe(true)
  })
})

describe('whoever removes a folder means all that it shows (rule 7)', () => {
  test('what is displaced into it too: no deletion from above would reach that', async () => {
    const { a, b, old, x, y } = await shared()
    await a.commit((tx) => tx.move(x, y, 'x'))
    await b.commit((tx) => tx.move(y, x, 'y'))
    expect(await exchange(a, b)).toEqual(['old/', 'old/x/', 'old/x/f', 'old/x/y/'])
    const { sent } = await b.commit((tx) => tx.remove(old))
    expect(await b.list()).toEqual([])
    expect(deletedBy(sent)).toEqual([old, x].sort())
    expect(await exchange(a, b)).toEqual([])
  })

  test('what other places claim too: it does not come back in one of them', async () => {
    const { a, b, c, x, y } = await shared()
    const { value: z } = await a.commit((tx) => tx.makeFolder(ROOT_ITEM, 'z'))
    await exchange(a, b, c)
    await b.commit((tx) => tx.move(x, z.item, 'x'))
    await a.commit((tx) => tx.move(x, y, 'x'))
    await c.pull(a)
    // Has heard of one of the two places, and removes the item there.
    await c.commit((tx) => tx.remove(x))
    await a.pull(b)
    expect(await a.list()).toEqual(['old/', 'y/', 'y/x/', 'y/x/f', 'z/'])
    const { sent } = await a.commit((tx) => tx.remove(y))
    expect(deletedBy(sent)).toEqual([x, y].sort())
    expect(await exchange(a, b, c)).toEqual(['old/', 'z/'])
  })

  for (const act of ['remove', 'reassert'] as const)
    test(`and leaves what is above it in place (${act}): what crossing moves displaced there does not go on yielding`, async () => {
      const { a, b, c, old, x, y } = await shared()
      // `y` lies in `x`, so `old` above both cannot lie in `y`: the later move yields, and `old` stays at the root.
      await b.commit((tx) => tx.move(y, x, 'y'))
      await c.commit((tx) => tx.move(old, y, 'old'))
      await a.pull(c)
      await a.commit((tx) => tx.move(old, y, 'again'))
      expect(await exchange(a, b, c)).toEqual(['again/', 'again/x/', 'again/x/f', 'again/x/y/'])
      const { sent } = await c.commit((tx) => tx[act](x))
      expect(deletedBy(sent)).toEqual(act === 'remove' ? [x] : [])
      const rest = act === 'remove' ? [] : ['again/x/', 'again/x/f', 'again/x/y/']
      expect(await exchange(a, b, c)).toEqual(['again/', ...rest])
    })

  test('and says no more than it must: what only its own deletion has to reach is not named', async () => {
    const { a, b, old } = await shared()
    const { sent } = await a.commit((tx) => tx.remove(old))
    expect(deletedBy(sent)).toEqual([old])
    expect(await exchange(a, b)).toEqual(['y/'])
  })
})
