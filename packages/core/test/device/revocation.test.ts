import { describe, expect, test } from 'vitest'
import { readEnvelope } from '../../src/log/record.js'
import { createTestPeers, type MemoryHome, type TestPeers } from '../../src/testing/test-peers.js'
import type { Workspace } from '../../src/workspace/types.js'
import { collect, expectConverged, partition, readReplica, textsOf, waitUntil } from './replicas.js'

const [LAPTOP, DESKTOP, PHONE] = [0, 1, 2]

async function threeDevices(): Promise<{
  peers: TestPeers
  id: string
  workspaces: [Workspace, Workspace, Workspace]
  revoke(by: number, whom: number): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}> {
  const peers = await createTestPeers(3)
  const [laptop, ...others] = peers.devices
  const notes = (await laptop?.workspaces.create('notes')) as Workspace
  await notes.write('base.txt', 'base')
  await laptop?.settled()
  const opened = await Promise.all(others.map((device) => device.workspaces.open(notes.id)))
  await expectConverged(peers, notes.id)
  return {
    peers,
    id: notes.id,
    workspaces: [notes, ...opened] as [Workspace, Workspace, Workspace],
    revoke: async (by, whom) =>
      await peers.devices[by]?.devices.revoke(peers.devices[whom]?.device.id as string),
    [Symbol.asyncDispose]: async () => await peers[Symbol.asyncDispose](),
  }
}

async function recordsOf(home: MemoryHome, id: string): Promise<Uint8Array[]> {
  return (await collect(home.stores(id).log.read())).map(({ bytes }) => bytes)
}

describe('a removed device', () => {
  test('keeps what it said before, and what others built on it; what it says later reaches nobody', async () => {
    await using world = await threeDevices()
    const { peers, id, revoke } = world
    const [laptop, desktop, phone] = world.workspaces
    await phone.write('from-phone.txt', 'before')
    await expectConverged(peers, id)
    await desktop.write('from-phone.txt', 'desktop, upon the phone')
    await expectConverged(peers, id)
    partition(peers, [LAPTOP, DESKTOP], [PHONE])
    await revoke(LAPTOP, PHONE)
    await phone.write('late.txt', 'after the removal')
    await phone.write('base.txt', 'changed after the removal')
    await laptop.write('base.txt', 'laptop')
    peers.hub.heal()
    const replica = await expectConverged(peers, id, [LAPTOP, DESKTOP])
    expect(textsOf(replica)).toEqual({
      'base.txt': ['laptop'],
      'from-phone.txt': ['desktop, upon the phone'],
    })
    expect(Object.values(replica.versions)).toHaveLength(4)
  })

  test('does not have its concurrent work applied, even where another device heard of it first', async () => {
    await using world = await threeDevices()
    const { peers, id, revoke } = world
    const [laptop, desktop, phone] = world.workspaces
    partition(peers, [LAPTOP], [DESKTOP, PHONE])
    await phone.write('base.txt', 'phone, which the laptop never saw')
    await phone.write('new.txt', 'phone, too')
    await expectConverged(peers, id, [DESKTOP, PHONE])
    await revoke(LAPTOP, PHONE)
    await laptop.write('laptop.txt', 'laptop')
    await peers.devices[PHONE]?.close()
    peers.hub.heal()
    const replica = await expectConverged(peers, id, [LAPTOP, DESKTOP])
    expect(textsOf(replica)).toEqual({ 'base.txt': ['base'], 'laptop.txt': ['laptop'] })
    await desktop.write('base.txt', 'the desktop goes on')
    await expectConverged(peers, id, [LAPTOP, DESKTOP])
    await peers.devices[DESKTOP]?.close()
    await peers.homeOf(DESKTOP).loseIndex()
    await peers.restart(DESKTOP)
    expect(textsOf(await expectConverged(peers, id, [LAPTOP, DESKTOP]))).toEqual({
      'base.txt': ['the desktop goes on'],
      'laptop.txt': ['laptop'],
    })
  })

  test('never opens what was written afterwards, even when it is handed the commits and the blocks', async () => {
    await using world = await threeDevices()
    const { peers, id, revoke } = world
    const [laptop] = world.workspaces
    await revoke(LAPTOP, PHONE)
    await laptop.write('secret.txt', 'not for the phone')
    await expectConverged(peers, id, [LAPTOP, DESKTOP])
    const [home, theirs] = [peers.homeOf(LAPTOP), peers.homeOf(PHONE)]
    const stores = home.stores(id)
    await peers.devices[PHONE]?.close()
    const known = new Set((await recordsOf(theirs, id)).map(String))
    expect(known.size).toBeGreaterThan(0)
    for (const { position } of await collect(stores.log.read())) {
      await readEnvelope(stores.log, position)
      const { bytes } = await stores.log.get(position)
      if (!known.has(String(bytes))) await theirs.stores(id).log.append([bytes])
    }
    for await (const cid of stores.blocks.list())
      await theirs.stores(id).blocks.put([{ cid, bytes: await stores.blocks.get(cid) }])
    const phone = await (await peers.restart(PHONE)).workspaces.open(id)
    await expect(phone.stat('secret.txt')).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect(textsOf(await readReplica(theirs, id))).toEqual({ 'base.txt': ['base'] })
    await expect(peers.devices[PHONE]?.settled()).rejects.toMatchObject({ code: 'NO_PEERS' })
  })

  test('is out for a device that was off meanwhile, before it takes anything from it', async () => {
    await using world = await threeDevices()
    const { peers, id, revoke } = world
    const [laptop, , phone] = world.workspaces
    partition(peers, [LAPTOP], [DESKTOP], [PHONE])
    await revoke(LAPTOP, PHONE)
    await laptop.write('after.txt', 'after')
    await phone.write('phone.txt', 'not seen by the laptop')
    peers.hub.heal()
    const replica = await expectConverged(peers, id, [LAPTOP, DESKTOP])
    expect(textsOf(replica)).toEqual({ 'after.txt': ['after'], 'base.txt': ['base'] })
  })
})

describe('two devices that remove each other', () => {
  for (const order of [
    [LAPTOP, PHONE],
    [PHONE, LAPTOP],
  ] as const) {
    test(`are judged the same by the third, which meets device ${order[0] + 1} first`, async () => {
      await using world = await threeDevices()
      const { peers, id, revoke } = world
      const [laptop, desktop, phone] = world.workspaces
      partition(peers, [LAPTOP], [DESKTOP], [PHONE])
      await revoke(LAPTOP, PHONE)
      await revoke(PHONE, LAPTOP)
      await laptop.write('laptop.txt', 'laptop')
      await phone.write('phone.txt', 'phone')
      for (const other of order) {
        partition(peers, [DESKTOP, other], [LAPTOP + PHONE - other])
        await waitUntil('the third device has heard of it', async () => {
          const listing = (await peers.devices[DESKTOP]?.devices.list()) ?? []
          return listing.some(({ state }) => state !== 'active')
        })
      }
      peers.hub.heal()
      await desktop.write('desktop.txt', 'the third goes on')
      await waitUntil('the third shows its own file', async () => {
        const texts = textsOf(await readReplica(peers.homeOf(DESKTOP), id))
        return 'desktop.txt' in texts && 'base.txt' in texts
      })
      // Neither of the two can be trusted more than the other, in whichever order one hears of it.
      await waitUntil('neither is active', async () => {
        const listing = (await peers.devices[DESKTOP]?.devices.list()) ?? []
        return listing.filter(({ state }) => state === 'active').length === 1
      })
    })
  }
})
