import { describe, expect, test } from 'vitest'
import { createTestPeers } from '../../src/testing/test-peers.js'
import type { Workspace } from '../../src/workspace/types.js'
import { collect, expectConverged, partition, textsOf } from './replicas.js'

/**
 * A home that exists twice: a disk was cloned, or a backup restored after the original had gone on. Both write under one feed, and being one
 * device to everybody else, they meet through a third. `first` and `second` are homes of device 0, which stand in for each other.
 */
async function cloned() {
  const peers = await createTestPeers(2)
  const [laptop] = peers.devices
  const notes = (await laptop?.workspaces.create('notes')) as Workspace
  await notes.write('base.txt', 'base')
  await laptop?.settled()
  await laptop?.close()
  const first = peers.homeOf(0)
  const second = await first.clone()
  const open = async (home: typeof first) => (await peers.replace(0, home)).workspaces.open(notes.id)
  const other = (await peers.devices[1]?.workspaces.open(notes.id)) as Workspace
  return {
    peers,
    id: notes.id,
    first,
    second,
    open,
    other,
    [Symbol.asyncDispose]: async () => await peers[Symbol.asyncDispose](),
  }
}

/** Lets each clone meet the third device until both have everything. */
async function meetInTurns({ peers, first, second, open, id }: Awaited<ReturnType<typeof cloned>>) {
  peers.hub.heal()
  for (const home of [first, second, first]) {
    await open(home)
    await expectConverged(peers, id)
  }
}

describe('a home that exists twice', () => {
  for (const order of ['first', 'second'] as const) {
    test(`loses nothing of what both wrote; the ${order} meets the others first`, async () => {
      await using world = await cloned()
      const { peers, first, second, open, other, id } = world
      partition(peers, [0], [1])
      const left = await open(first)
      await left.write('left.txt', 'left')
      await left.write('base.txt', 'base of the left')
      await left.write('left.txt', 'left again')
      const right = await open(second)
      await right.write('right.txt', 'right')
      await right.move('base.txt', 'moved.txt')
      await right.write('moved.txt', 'base of the right')
      await other.write('other.txt', 'other')
      peers.hub.heal()
      const [early, late] = order === 'first' ? [first, second] : [second, first]
      for (const home of [early, late, early, late]) {
        await open(home)
        await expectConverged(peers, id)
      }
      const replica = await expectConverged(peers, id)
      expect(textsOf(replica)).toMatchObject({
        'left.txt': ['left again'],
        'right.txt': ['right'],
        'other.txt': ['other'],
      })
      expect(textsOf(replica)['moved.txt']?.sort()).toEqual(['base of the left', 'base of the right'])
      const versions = Object.values(replica.versions)
      expect(versions).toHaveLength(7)
      // Both clones know: the last one open and the one that was open before it.
      const names = (await collect((await open(early)).list(''))).map(({ name }) => name)
      expect(names).toEqual(Object.keys(replica.tree).sort())
    })
  }

  test('goes on writing, each copy on a feed of its own, and others build on what it writes', async () => {
    await using world = await cloned()
    const { peers, first, second, open, other, id } = world
    partition(peers, [0], [1])
    await (await open(first)).write('a.txt', 'left')
    await (await open(second)).write('a.txt', 'right')
    await meetInTurns(world)
    await (await open(first)).write('a.txt', 'left, later')
    await expectConverged(peers, id)
    await other.write('a.txt', 'other, later still')
    await (await open(second)).write('b.txt', 'right, later')
    await meetInTurns(world)
    const replica = await expectConverged(peers, id)
    // Two files were made under one name: each side kept its own, and what came later changed one of them.
    const texts = Object.entries(textsOf(replica)).filter(([path]) => path.startsWith('a'))
    expect(texts.flatMap(([, heads]) => heads)).toContain('other, later still')
    const written = Object.values(replica.versions).map(({ item }) => item)
    expect(written).toHaveLength(6)
    expect(textsOf(replica)['b.txt']).toEqual(['right, later'])
    const again = await open(first)
    await again.write('c.txt', 'first, once more')
    await expectConverged(peers, id)
  })

  test('is found out through commits that the third device built upon one branch', async () => {
    await using world = await cloned()
    const { peers, first, second, open, other, id } = world
    partition(peers, [0], [1])
    const right = await open(second)
    await right.write('base.txt', 'right')
    const left = await open(first)
    await left.write('base.txt', 'left')
    peers.hub.heal()
    await expectConverged(peers, id)
    await other.write('base.txt', 'upon left')
    await expectConverged(peers, id)
    await meetInTurns(world)
    const replica = await expectConverged(peers, id)
    expect(textsOf(replica)['base.txt']?.sort()).toEqual(['right', 'upon left'])
    expect(replica.conflicts).toHaveLength(1)
    const conflicted = await open(second)
    await conflicted.write('base.txt', 'merged')
    await meetInTurns(world)
    expect(textsOf(await expectConverged(peers, id))['base.txt']).toEqual(['merged'])
  })

  test('shows the same after the index is lost', async () => {
    await using world = await cloned()
    const { peers, first, second, open, id } = world
    partition(peers, [0], [1])
    for (const [name, home] of [
      ['left', first],
      ['right', second],
    ] as const) {
      const workspace = await open(home)
      for (let i = 0; i < 5; i++) await workspace.write(`${name}/${i}.txt`, `${name} ${i}`)
      await workspace.move(`${name}/0.txt`, 'contested.txt')
    }
    await meetInTurns(world)
    const before = await expectConverged(peers, id)
    await peers.devices[1]?.close()
    await peers.homeOf(1).loseIndex()
    await peers.restart(1)
    expect(await expectConverged(peers, id)).toEqual(before)
    expect(Object.keys(textsOf(before))).toHaveLength(11)
  })

  test('that was restored from an old backup takes back what it had written since', async () => {
    await using world = await cloned()
    const { peers, first, second, open, other, id } = world
    const original = await open(first)
    await original.write('since.txt', 'written after the backup')
    await original.write('base.txt', 'newer')
    await expectConverged(peers, id)
    const restored = await open(second)
    await expectConverged(peers, id)
    expect(await restored.read('since.txt').text()).toBe('written after the backup')
    await restored.write('base.txt', 'newest')
    const replica = await expectConverged(peers, id)
    expect(textsOf(replica)['base.txt']).toEqual(['newest'])
    expect(await other.read('base.txt').text()).toBe('newest')
  })
})
