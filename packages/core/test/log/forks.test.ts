import { describe, expect, test } from 'vitest'
import { branchIdOf, feedIdOf, writerIdOf } from '../../src/log/feed-names.js'
import { createMemoryLogStore } from '../../src/testing/memory-log-store.js'
import { createSeededRandom } from '../../src/testing/seeded-random.js'
import { crypto, exchange, memoryDb, memorySecrets, openPeer, type Peer, WORKSPACE } from './fixtures.js'

/** The same home twice: a clone, or a backup restored while the original went on. */
async function clone(peer: Peer, name: string): Promise<Peer> {
  return openPeer(peer.authority.device === name ? name : 'a', {
    store: createMemoryLogStore(peer.store.snapshot()),
    db: memoryDb(),
    secrets: memorySecrets(peer.secrets.seed),
    seed: name,
  })
}

async function texts(peer: Peer): Promise<string[]> {
  return Object.values(await peer.state()).sort()
}

async function expectConverged(...peers: Peer[]): Promise<void> {
  const [first, ...rest] = peers as [Peer, ...Peer[]]
  for (const other of rest) {
    expect(await other.state()).toEqual(await first.state())
    expect(other.log.heads()).toEqual(first.log.heads())
    expect([...other.log.summary()].sort()).toEqual([...first.log.summary()].sort())
  }
}

describe('a feed that forked (19: cloned state writes twice)', () => {
  test('loses nothing, and all replicas agree on the names of its branches', async () => {
    const a = await openPeer('a')
    const base = await a.say('before')
    const b = await clone(a, 'b')
    const witness = await openPeer('witness')
    const left = await a.say('left')
    const right = await b.say('right')
    expect([left.feed, left.seq]).toEqual([right.feed, right.seq])
    await a.say('left again')
    await b.say('right again')
    await exchange(a, witness)
    await exchange(b, witness, a)
    await expectConverged(a, b, witness)
    expect(await texts(a)).toEqual(['before', 'left', 'left again', 'right', 'right again'])
    const [kept, moved] = [left.id, right.id].sort() as [string, string]
    expect((await a.log.get(kept)).feed).toBe(base.feed)
    const branch = await a.log.get(moved)
    expect(branch.feed).toBe(branchIdOf(base.feed, moved))
    expect(branch.writer).toBe(writerIdOf(WORKSPACE, branch.feed))
    expect([branch.signedFeed, branch.signedWriter]).toEqual([base.feed, base.writer])
  })

  test('takes no new commits: each side opens a feed of its own that says what it replaces', async () => {
    const a = await openPeer('a')
    await a.say('before')
    const b = await clone(a, 'b')
    const left = await a.say('left')
    await b.say('right')
    await exchange(a, b)
    const writerBefore = a.log.writer
    const after = await a.say('after')
    expect(after.signedFeed).not.toBe(left.signedFeed)
    expect(after.seq).toBe(1)
    expect(a.log.writer).not.toBe(writerBefore)
    await b.say('after, too')
    await exchange(a, b)
    await expectConverged(a, b)
    expect((await a.restart()).log.writer).toBe(a.log.writer)
  })

  test('can fork from its very first commit on, and again within a branch', async () => {
    const a = await openPeer('a')
    const clones = [a, await clone(a, 'b'), await clone(a, 'c')]
    for (const [i, peer] of clones.entries()) await peer.say(`first ${i}`)
    const twins = [clones[1] as Peer, await clone(clones[1] as Peer, 'd')]
    for (const [i, peer] of twins.entries()) await peer.say(`second ${i}`)
    const all = [...clones, twins[1] as Peer]
    await exchange(...all)
    await expectConverged(...all)
    expect(await texts(a)).toEqual(['first 0', 'first 1', 'first 2', 'second 0', 'second 1'])
  })

  test('has the same names after the index is lost', async () => {
    const a = await openPeer('a')
    const b = await clone(a, 'b')
    for (const peer of [a, b]) for (const text of ['1', '2', '3']) await peer.say(`${text} of ${peer === a}`)
    await exchange(a, b)
    const again = await a.restart({ db: memoryDb() })
    await expectConverged(again, b)
  })

  test('may be built upon by those who knew one branch only, and names resolve in their past', async () => {
    const a = await openPeer('a')
    const before = await a.say('before')
    const b = await clone(a, 'b')
    const left = await a.say('left')
    const right = await b.say('right')
    const [kept, moved] = left.id < right.id ? [a, b] : [b, a]
    const other = await openPeer('other')
    await exchange(moved as Peer, other)
    const upon = await other.say('upon the branch that moves')
    await exchange(kept as Peer, other, moved as Peer)
    await expectConverged(kept as Peer, moved as Peer, other)
    const branch = await other.log.get(left.id < right.id ? right.id : left.id)
    const past = await other.log.pastOf(upon.id)
    expect(new Set(past.aliases(before.writer))).toEqual(new Set([before.writer, branch.writer]))
    expect(past.covers(branch.writer, 2)).toBe(true)
    expect(past.covers(before.writer, 1)).toBe(true)
    expect(past.covers(before.writer, 2)).toBe(false)
    expect(other.log.past().aliases(before.writer)).toEqual([before.writer])
    expect(other.log.past().aliases(branch.writer)).toEqual([branch.writer])
  })

  test('is told by receive, and sent whole to those who lack a branch', async () => {
    const a = await openPeer('a')
    await a.say('before')
    const b = await clone(a, 'b')
    await a.say('left')
    await b.say('right')
    const sent = []
    for await (const { envelope } of b.log.missing(a.log.summary())) sent.push(envelope)
    const result = await a.log.receive(sent)
    expect(result.forked).toBe(true)
    expect(result.applied).toHaveLength(1)
  })
})

describe('two feeds with one writer id', () => {
  test('are told apart: the higher feed moves, on every replica', async () => {
    const names = ['p0', 'p1', 'p2', 'p3']
    const seeds = names.map((name) => createSeededRandom(name).bytes(32))
    const unlucky = new Set(seeds.slice(0, 3).map((seed) => feedIdOf(crypto.publicKey(seed))))
    const writerOf = (feed: string) => (unlucky.has(feed) ? 7 : writerIdOf(WORKSPACE, feed))
    const peers = await Promise.all(names.map((name) => openPeer(name, { writerOf })))
    for (const [i, peer] of peers.entries()) await peer.say(`one of ${i}`, `more of ${i}`)
    await exchange(...peers)
    await expectConverged(...peers)
    expect(await texts(peers[0] as Peer)).toHaveLength(8)
    const writers = await Promise.all(
      [...(peers[0] as Peer).log.summary().values()].map(async ({ id }) => (peers[0] as Peer).log.get(id)),
    )
    expect(new Set(writers.map(({ writer }) => writer)).size).toBe(4)
    const [lowest] = [...unlucky].sort()
    expect(writers.find(({ writer }) => writer === 7)?.feed).toBe(lowest)
  })
})
