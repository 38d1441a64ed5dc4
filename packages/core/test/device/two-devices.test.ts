import { describe, expect, test } from 'vitest'
import { createTestPeers } from '../../src/testing/test-peers.js'
import type { Workspace } from '../../src/workspace/types.js'

async function pathsOf(workspace: Workspace): Promise<string[]> {
  const paths: string[] = []
  for await (const { path } of workspace.list('', { recursive: true })) paths.push(path)
  return paths
}

describe('two devices of one user', () => {
  test('share workspaces made before and after they were paired', async () => {
    await using peers = await createTestPeers(2)
    const [laptop, desktop] = peers.devices as [(typeof peers.devices)[0], (typeof peers.devices)[0]]
    const notes = await laptop.workspaces.create('notes')
    await notes.write('today/a.txt', 'hello')
    await laptop.settled()
    const same = await desktop.workspaces.open('notes')
    expect(await same.read('today/a.txt').text()).toBe('hello')
    await same.write('today/a.txt', 'hello again')
    await desktop.settled()
    expect(await notes.read('today/a.txt').text()).toBe('hello again')
    await laptop.settled()
    expect(laptop.status.value.workspaces[0]).toMatchObject({ state: 'synced', copies: { min: 2 }, files: 1 })
  })

  test('do not count on one that may lose what it keeps at any time, and it does not count on itself', async () => {
    await using peers = await createTestPeers(2)
    const [laptop] = peers.devices as [(typeof peers.devices)[0]]
    const notes = await laptop.workspaces.create('notes')
    await laptop.settled()
    const home = peers.homeOf(1)
    home.lossy = true
    const browser = await peers.replace(1, home)
    await notes.write('a.txt', 'hello')
    const copiesOf = (device: typeof laptop) => device.status.value.workspaces[0]?.copies
    await expect.poll(() => [copiesOf(laptop), copiesOf(browser)]).toEqual([{ min: 1 }, { min: 1 }])
    const same = await browser.workspaces.open('notes')
    expect(await same.read('a.txt').text()).toBe('hello')
    await laptop.settled()
    expect(copiesOf(laptop)).toEqual({ min: 1 })
    expect(await same.durable({ copies: 1 })).toEqual([{ kind: 'device', id: laptop.device.id }])
    await laptop.close()
    await same.write('b.txt', 'only here')
    await expect.poll(() => copiesOf(browser)).toEqual({ min: 0 })
  })

  test('merge what was changed while they were apart', async () => {
    await using peers = await createTestPeers(2)
    const [laptop, desktop] = peers.devices as [(typeof peers.devices)[0], (typeof peers.devices)[0]]
    const notes = await laptop.workspaces.create('notes')
    await notes.write('plan.md', 'base')
    await laptop.settled()
    const same = await desktop.workspaces.open('notes')
    peers.hub.partition([[laptop.device.peer], [desktop.device.peer]])
    await notes.write('plan.md', 'laptop')
    await same.write('plan.md', 'desktop')
    await same.write('new.md', 'new')
    peers.hub.heal()
    await laptop.settled()
    await desktop.settled()
    await laptop.settled()
    expect(await pathsOf(notes)).toEqual(await pathsOf(same))
    const conflicts = []
    for await (const conflict of notes.conflicts()) conflicts.push(conflict)
    expect(conflicts).toHaveLength(1)
    const texts = await Promise.all(
      (conflicts[0]?.versions ?? []).map(({ id }) => notes.read('plan.md', { version: id }).text()),
    )
    expect(texts.sort()).toEqual(['desktop', 'laptop'])
    await notes.resolve('plan.md', { version: conflicts[0]?.versions[1]?.id as string })
    await laptop.settled()
    expect((await same.stat('plan.md')).conflict).toBe(false)
  })

  test('a device that restarts goes on where it was, and rebuilds an index that it lost', async () => {
    await using peers = await createTestPeers(2)
    const [laptop, desktop] = peers.devices as [(typeof peers.devices)[0], (typeof peers.devices)[0]]
    const notes = await laptop.workspaces.create('notes')
    for (let i = 0; i < 20; i++) await notes.write(`${i}.txt`, `file ${i}`)
    await laptop.settled()
    await desktop.close()
    await peers.homeOf(1).loseIndex()
    const again = await peers.restart(1)
    const same = await again.workspaces.open('notes')
    expect(await pathsOf(same)).toEqual(await pathsOf(notes))
    await same.write('after.txt', 'after')
    await again.settled()
    expect(await notes.read('after.txt').text()).toBe('after')
  })

  test('a removed device gets nothing new and is refused', async () => {
    await using peers = await createTestPeers(3)
    const [laptop, desktop, phone] = peers.devices as Array<(typeof peers.devices)[0]>
    if (!laptop || !desktop || !phone) throw new Error('three devices')
    const notes = await laptop.workspaces.create('notes')
    await notes.write('a.txt', 'before')
    await laptop.settled()
    await laptop.devices.revoke(phone.device.id)
    await notes.write('b.txt', 'after')
    await laptop.settled()
    expect(await (await desktop.workspaces.open('notes')).read('b.txt').text()).toBe('after')
    const theirs = await phone.workspaces.open('notes')
    await expect(theirs.stat('b.txt')).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect((await laptop.devices.list()).find(({ id }) => id === phone.device.id)?.state).toBe('revoked')
  })
})
