import { beforeEach, describe, expect, test } from 'vitest'
import type { ShardUpdate } from '../../src/log/types.js'
import { encode16 } from '../../src/tree/base64.js'
import { deriveItemId, shardOf } from '../../src/tree/item-id.js'
import { ROOT_ITEM } from '../../src/tree/types.js'
import { any, appended, bytes, deleted, first, text, uint } from './bytes.js'
import { contentOf, META, makeCommit, pastOf, Replica, type Sent, WORKSPACE } from './replica.js'

const VICTIM = 1001
const ATTACKER = 2002

/** Item ids of folders `name` under the root, and a placement record as an honest device writes it. */
const folder = (name: string) => deriveItemId(WORKSPACE, ROOT_ITEM, name, 'folder', 0)
const shard = (name: string) => shardOf(folder(name), 256)
const place = (name: string, stamp: number, over: number[] = [], more: unknown[] = []) =>
  JSON.stringify(['p', encode16(folder(name)), stamp, '', name, '', 0, over, ...more])

let replica: Replica
let attackerSeq: number

beforeEach(async () => {
  replica = await Replica.open({ writer: VICTIM })
  attackerSeq = 0
})

/** A commit of the attacker that lists these updates, built on everything applied so far. */
function attack(updates: ShardUpdate[], fields: { stamp?: number } = {}): Sent {
  const stamp = fields.stamp ?? replica.stamp + 1
  return makeCommit({ writer: ATTACKER, seq: attackerSeq + 1, stamp, updates }, replica.known)
}

async function rejected(sent: Sent, what: RegExp): Promise<void> {
  const before = await replica.db.keys().all()
  await expect(replica.tree.check(sent.commit, pastOf(sent.vector))).rejects.toMatchObject({
    code: 'UPDATE_INVALID',
    message: expect.stringMatching(what),
  })
  expect(await replica.db.keys().all(), 'nothing was changed').toEqual(before)
}

async function accepted(sent: Sent): Promise<void> {
  await replica.take([sent])
  attackerSeq++
}

const at = (name: string, update: Uint8Array): ShardUpdate => ({ shard: shard(name), update })

describe('hostile updates, each with a harmless twin', () => {
  test('1★ a GC struct that jumps over a victim’s clocks; the victim’s next edit is seen', async () => {
    // A dozen bytes: one client, one struct, of the victim, from clock 0; GC of 2^31; no deletions.
    const jump = bytes(1, 1, uint(VICTIM), 0, 0x00, uint(2 ** 31), 0)
    expect(jump.length).toBe(12)
    await rejected(attack([at('a', jump)]), /neither first nor appended/)
    await rejected(attack([at('a', bytes(1, 1, uint(ATTACKER), 0, 0x00, uint(2 ** 31), 0))]), /neither first/)
    await accepted(attack([at('a', first(ATTACKER, [place('a', 1)]))]))
    await replica.commit((tx) => tx.makeFolder(ROOT_ITEM, 'mine'))
    expect(await replica.list()).toEqual(['a/', 'mine/'])
  })

  test('2★ an update that only deletes; and its twin, which says what it supersedes', async () => {
    await replica.commit((tx) => tx.makeFolder(ROOT_ITEM, 'a'))
    const only = bytes(0, deleted(VICTIM, [0, 1]))
    expect(only.length).toBe(7)
    await rejected(attack([at('a', only)]), /not of exactly one writer/)
    const renamed = JSON.stringify(['p', encode16(folder('a')), 2, '', 'b', '', 0, [VICTIM, 0]])
    await rejected(attack([at('a', first(ATTACKER, [place('x', 2)], deleted(VICTIM, [0, 1])))]), /shard|name/)
    await accepted(attack([at('a', first(ATTACKER, [renamed], deleted(VICTIM, [0, 1])))]))
    expect(await replica.list()).toEqual(['b/'])
  })

  test('3★ a count of 3e7 structs, records or deletions costs no memory', async () => {
    const many = uint(30_000_000)
    const run = [1, uint(VICTIM), 1, 0, many]
    const cases: Array<[Uint8Array, RegExp]> = [
      [bytes(1, many, uint(ATTACKER), 0), /exactly one struct/],
      [bytes(1, 1, uint(ATTACKER), 0, 0x08, 1, String(ATTACKER), many), /counts more/],
      [first(ATTACKER, [place('a', 1)], run), /more deletions/],
      [first(ATTACKER, [place('a', 1)], [1, uint(VICTIM), many]), /counts more/],
    ]
    // Once to compile what runs, then what counts.
    for (const [update, what] of cases) await rejected(attack([at('a', update)]), what)
    const before = process.memoryUsage().rss
    for (const [update, what] of cases) await rejected(attack([at('a', update)]), what)
    expect(process.memoryUsage().rss - before).toBeLessThan(5e6)
    await accepted(attack([at('a', first(ATTACKER, [place('a', 1)]))]))
  })

  test('4★ records under somebody else’s client id', async () => {
    await rejected(attack([at('a', first(VICTIM, [place('a', 1)]))]), /not the feed/)
    const two = bytes(2, 1, uint(VICTIM), 0, 0x08, 1, String(VICTIM), 1, any(place('a', 1)), 0)
    await rejected(attack([at('a', two)]), /exactly one writer/)
    await accepted(attack([at('a', first(ATTACKER, [place('a', 1)]))]))
  })

  test('5 an origin in the writer’s own future, or a gap in its clocks', async () => {
    await accepted(attack([at('a', first(ATTACKER, [place('a', 1)]))]))
    const record = place('a', 2, [ATTACKER, 0])
    const head = [1, 1, uint(ATTACKER), 1, 0x88, uint(ATTACKER)]
    const gone = deleted(ATTACKER, [0, 1])
    await rejected(attack([at('a', bytes(head, 9, 1, any(record), gone))]), /not after the record before/)
    await rejected(
      attack([at('a', bytes([1, 1, uint(ATTACKER), 1, 0x88, uint(VICTIM)], 0, 1, any(record), gone))]),
      /not after/,
    )
    await rejected(attack([at('a', appended(ATTACKER, 2, [record], gone))]), /clocks that do not follow/)
    await rejected(
      attack([
        at(
          'a',
          bytes([1, 1, uint(ATTACKER), 1, 0xc8, uint(ATTACKER), 0, uint(ATTACKER), 0], 1, any(record), gone),
        ),
      ]),
      /neither first nor appended/,
    )
    await accepted(attack([at('a', appended(ATTACKER, 1, [record], gone))]))
  })

  test('6 arrays nested 100,000 deep', async () => {
    const deep = `["p",${'['.repeat(100_000)}${']'.repeat(100_000)}]`
    await rejected(attack([at('a', first(ATTACKER, [deep]))]), /canonical record/)
    // An array of one: an array of one: …
    const nested = Array.from({ length: 200_000 }, (_, i) => (i % 2 === 0 ? 117 : 1))
    const anyNested = bytes(1, 1, uint(ATTACKER), 0, 0x08, 1, String(ATTACKER), 1, nested, 0)
    await rejected(attack([at('a', anyNested)]), /no string/)
    await accepted(attack([at('a', first(ATTACKER, [place('a', 1)]))]))
  })

  test('7★ `__proto__` and `constructor` as keys, array names and item names', async () => {
    for (const key of ['__proto__', 'constructor']) {
      const object = [118, 1, text(key), 119, text('x')]
      const update = bytes(1, 1, uint(ATTACKER), 0, 0x08, 1, String(ATTACKER), 1, object, 0)
      await rejected(attack([at('a', update)]), /no string/)
      const foreign = bytes(1, 1, uint(ATTACKER), 0, 0x08, 1, key, 1, any(place('a', 1)), 0)
      await rejected(attack([at('a', foreign)]), /foreign array/)
      await rejected(attack([at('a', first(ATTACKER, [`{"${key}":1}`]))]), /canonical record/)
      const sub = bytes(1, 1, uint(ATTACKER), 0, 0x28, 1, String(ATTACKER), key, 1, any(place('a', 1)), 0)
      await rejected(attack([at('a', sub)]), /neither first/)
      // As the name of a folder it is nothing special.
      await accepted(attack([at(key, first(ATTACKER, [place(key, attackerSeq + 1)]))]))
      expect((await replica.tree.lookup([key]))!.name).toBe(key)
    }
    expect(({} as Record<string, unknown>).x).toBeUndefined()
  })

  test('8 a thousand foreign arrays', async () => {
    const structs = Array.from({ length: 1000 }, (_, i) => [0x08, 1, text(`root${i}`), 1, any(place('a', 1))])
    await rejected(
      attack([at('a', bytes(1, uint(1000), uint(ATTACKER), 0, structs, 0))]),
      /exactly one struct/,
    )
    await accepted(attack([at('a', first(ATTACKER, [place('a', 1)]))]))
  })

  test('9 deleting another writer’s record of another item, of another kind, or unseen', async () => {
    await replica.commit((tx) => tx.makeFolder(ROOT_ITEM, 'a'))
    const known = new Map(replica.known)
    const clash = Array.from({ length: 5000 }, (_, i) => `b${i}`).find((name) => shard(name) === shard('a'))!
    const other = place(clash, 2, [VICTIM, 0])
    await rejected(attack([at('a', first(ATTACKER, [other], deleted(VICTIM, [0, 1])))]), /cannot mean/)
    await rejected(
      attack([at('a', first(ATTACKER, [place('a', 2, [VICTIM, 1])], deleted(VICTIM, [1, 1])))]),
      /cannot mean/,
    )
    await rejected(attack([at('a', first(ATTACKER, [place('a', 2, [VICTIM, 0])]))]), /do not name/)
    await rejected(
      attack([at('a', first(ATTACKER, [place('a', 2)], deleted(VICTIM, [0, 1])))]),
      /do not name/,
    )
    const blind = makeCommit(
      {
        writer: ATTACKER,
        seq: 1,
        stamp: 2,
        updates: [at('a', first(ATTACKER, [place('a', 2, [VICTIM, 0])], deleted(VICTIM, [0, 1])))],
      },
      new Map(),
    )
    await rejected(blind, /cannot mean/)
    expect(known.get(VICTIM)).toBe(1)
    await accepted(attack([at('a', first(ATTACKER, [place('a', 2, [VICTIM, 0])], deleted(VICTIM, [0, 1])))]))
  })

  test('10★ an honest edit after a refused deletion does not carry it along', async () => {
    const { value: file } = await replica.commit((tx) => tx.makeFile(ROOT_ITEM, 'f', contentOf('1'), META))
    await replica.commit((tx) => tx.makeFolder(ROOT_ITEM, 'a'))
    await rejected(attack([at('a', bytes(0, deleted(VICTIM, [0, 1])))]), /exactly one writer/)
    const { sent } = await replica.commit((tx) => tx.writeFile(file.item, contentOf('2'), META))
    const fresh = await Replica.open({ writer: 3003 })
    for (const one of replica.log) await fresh.receive(one)
    expect(sent!.commit.updates).toHaveLength(1)
    expect(await fresh.list()).toEqual(['a/', 'f'])
  })

  test('12 one invalid update among valid ones: none applies', async () => {
    const [low, high] = ['a', 'zz'].sort((x, y) => shard(x) - shard(y)) as [string, string]
    const good = at(low, first(ATTACKER, [place(low, 1)]))
    await rejected(attack([good, at(high, first(ATTACKER, [place(high, 99)]))]), /stamp/)
    await rejected(attack([at(high, first(ATTACKER, [place(high, 1)])), good]), /out of order/)
    expect(await replica.list()).toEqual([])
    await accepted(attack([good, at(high, first(ATTACKER, [place(high, 1)]))]))
    expect(await replica.list()).toEqual(['a/', 'zz/'])
  })

  test('other forms than the canonical one', async () => {
    const record = place('a', 1)
    const good = first(ATTACKER, [record])
    await rejected(attack([at('a', bytes(...good, 0))]), /canonical form/)
    await rejected(attack([at('a', good.slice(0, -1))]), /cut short/)
    await rejected(attack([at('a', new Uint8Array())]), /cut short/)
    const long = bytes(1, 1, uint(ATTACKER), 0, 0x08, 1, String(ATTACKER), [0x81, 0x00], any(record), 0)
    await rejected(attack([at('a', long)]), /canonical form/)
    await rejected(
      attack([at('a', bytes(1, 1, uint(ATTACKER), 0, 0x08, 1, String(ATTACKER), 0, 0))]),
      /without records/,
    )
    await rejected(attack([at('a', first(ATTACKER, [`${record} `]))]), /canonical record/)
    await rejected(attack([at('a', first(ATTACKER, [record, record]))]), /two records/)
    const broken = [119, 2, 0xc3, 0x28]
    await rejected(
      attack([at('a', bytes(1, 1, uint(ATTACKER), 0, 0x08, 1, String(ATTACKER), 1, broken, 0))]),
      /UTF-8/,
    )
    await accepted(attack([at('a', good)]))
  })

  test('names that no system can hold, and places that are no folders', async () => {
    const item = encode16(folder('a'))
    const file = encode16(deriveItemId(WORKSPACE, ROOT_ITEM, 'a', 'file', 0))
    for (const name of ['', '.', '..', 'a/b', 'a\0', 'x'.repeat(1021), '\ud800']) {
      const record = JSON.stringify(['p', item, 1, '', name, '', 0, []])
      await rejected(attack([at('a', first(ATTACKER, [record]))]), /canonical record/)
    }
    await rejected(
      attack([at('a', first(ATTACKER, [JSON.stringify(['p', item, 1, file, 'a', '', 0, []])]))]),
      /canonical record/,
    )
    await rejected(
      attack([at('a', first(ATTACKER, [JSON.stringify(['p', item, 1, '-', 'a', '', 0, []])]))]),
      /canonical record/,
    )
    const longest = 'x'.repeat(1020)
    const target = shardOf(folder('a'), 256)
    await accepted(
      attack([
        { shard: target, update: first(ATTACKER, [JSON.stringify(['p', item, 1, '', longest, '', 0, []])]) },
      ]),
    )
    expect((await replica.tree.lookup([longest]))!.name).toBe(longest)
  })
})
