import { describe, expect, test } from 'vitest'
import type { Peerfold, WorkspaceStatus } from '../../src/api.js'
import { createTestPeers, type TestPeers } from '../../src/testing/test-peers.js'
import { collect, partition, waitUntil } from './replicas.js'

function statusOf(device: Peerfold | undefined): WorkspaceStatus {
  const [status] = device?.status.value.workspaces ?? []
  if (status === undefined) throw new Error('no workspace')
  return status
}

/** The blocks of a home vanish, as if they had not come yet. The device must be closed. */
async function loseBlocks(peers: TestPeers, index: number, workspace: string): Promise<void> {
  const { blocks } = peers.homeOf(index).stores(workspace)
  await blocks.delete(await collect(blocks.list()))
}

const copies = (peers: TestPeers, index: number) => statusOf(peers.devices[index]).copies.min

describe('what a device waits for', () => {
  test('names files that no connected device has, who wrote them and when it was seen, without a folder', async () => {
    await using peers = await createTestPeers(3)
    const [laptop] = peers.devices
    const notes = await (laptop as Peerfold).workspaces.create('notes')
    await notes.write('plans/a.txt', 'the plan')
    await notes.write('removed.txt', 'old')
    await notes.remove('removed.txt')
    await laptop?.settled()
    for (const index of [1, 2]) await peers.devices[index]?.close()
    for (const index of [1, 2]) await loseBlocks(peers, index, notes.id)
    partition(peers, [0], [1, 2])
    for (const index of [1, 2]) await peers.restart(index)
    for (const index of [1, 2]) {
      const device = peers.devices[index]
      // What the other device said before it lost its blocks counts until it has said otherwise.
      const missesBoth = ({ waitingFor, pending, checked, copies }: WorkspaceStatus) =>
        checked && waitingFor.length === 2 && pending.files === 2 && copies.min === 1
      await waitUntil('both are waited for', () => missesBoth(statusOf(device)))
      const { waitingFor, state } = statusOf(device)
      expect(waitingFor.map(({ path }) => path).sort()).toEqual(['plans/a.txt', 'removed.txt'])
      expect(state).not.toBe('synced')
      for (const { device: author, lastSeen } of waitingFor) {
        expect(author).toBe('device 1')
        expect(Date.now() - Date.parse(String(lastSeen))).toBeLessThan(600_000)
      }
    }
    peers.hub.heal()
    for (const index of [1, 2]) {
      const device = peers.devices[index]
      await waitUntil('nothing is waited for', () => statusOf(device).pending.files === 0)
      expect(statusOf(device).waitingFor).toEqual([])
      const same = await (device as Peerfold).workspaces.open(notes.id)
      expect(await same.read('plans/a.txt').text()).toBe('the plan')
    }
  })

  test('is nothing while a connected device gives it', async () => {
    await using peers = await createTestPeers(2)
    const notes = await (peers.devices[0] as Peerfold).workspaces.create('notes')
    await notes.write('a.txt', 'x'.repeat(100_000))
    await peers.devices[0]?.settled()
    await peers.devices[1]?.close()
    await loseBlocks(peers, 1, notes.id)
    const again = await peers.restart(1)
    const said: number[] = []
    again.status.subscribe(({ workspaces, peers: others }) => {
      if (others.some(({ connected }) => connected)) said.push(workspaces[0]?.waitingFor.length ?? 0)
    })
    await waitUntil('it is back', () => statusOf(again).checked && statusOf(again).pending.files === 0)
    expect(said.every((count) => count === 0)).toBe(true)
  })
})

describe('copies', () => {
  test('of devices that are away are counted after a restart, until there is something they lack', async () => {
    await using peers = await createTestPeers(2)
    const notes = await (peers.devices[0] as Peerfold).workspaces.create('notes')
    await notes.write('a.txt', 'one')
    await peers.devices[0]?.settled()
    await waitUntil('both have it', () => copies(peers, 0) === 2)
    await peers.devices[1]?.close()
    const again = await peers.restart(0)
    await waitUntil('looked through', () => statusOf(again).checked)
    expect(again.status.value.peers[0]?.connected).toBe(false)
    expect(copies(peers, 0)).toBe(2)
    const listed = (await again.devices.list()).find(({ current }) => !current)
    expect(listed?.lastSeen).toBeInstanceOf(Date)
    await (await again.workspaces.open(notes.id)).write('b.txt', 'two')
    await waitUntil('the other lacks something', () => copies(peers, 0) === 1)
  })

  test('of removed devices are not counted', async () => {
    await using peers = await createTestPeers(3)
    const [laptop, , phone] = peers.devices as [Peerfold, Peerfold, Peerfold]
    const notes = await laptop.workspaces.create('notes')
    await notes.write('a.txt', 'one')
    await laptop.settled()
    await waitUntil('three have it', () => copies(peers, 0) === 3)
    await laptop.devices.revoke(phone.device.id)
    await laptop.settled()
    await waitUntil('two count', () => copies(peers, 0) === 2)
  })
})

describe('the barrier', () => {
  test('waits for a connected device that has the workspace yet to come', async () => {
    await using peers = await createTestPeers(2)
    const [laptop, desktop] = peers.devices as [Peerfold, Peerfold]
    await waitUntil('connected', () => laptop.status.value.peers.every(({ connected }) => connected))
    for (let n = 0; n < 5; n++) {
      const made = await laptop.workspaces.create(`made ${n}`)
      await laptop.settled()
      expect((await desktop.workspaces.list()).map(({ id }) => id)).toContain(made.id)
    }
  })

  test('does not pass because the only device that could acknowledge went away', async () => {
    await using peers = await createTestPeers(2)
    const [laptop, desktop] = peers.devices as [Peerfold, Peerfold]
    const notes = await laptop.workspaces.create('notes')
    await laptop.settled()
    const { blocks } = peers.homeOf(1).stores(notes.id)
    let blocked = false
    peers.homeOf(1).onWrite = (store) => {
      if (store !== 'blocks') return
      blocked = true
      throw new Error('disk full')
    }
    const before = blocks.size
    await notes.write('a.txt', 'one')
    const barrier = laptop.settled().then(
      () => 'passed',
      (error: { code: string }) => error.code,
    )
    await waitUntil('the other tried to store it', () => blocked)
    expect(blocks.size).toBe(before)
    await desktop.close()
    expect(await barrier).toBe('NO_PEERS')
  })
})

describe('an invitation', () => {
  test('is accepted although the word that the joiner stored everything is lost', async () => {
    await using peers = await createTestPeers(1)
    const laptop = peers.devices[0] as Peerfold
    const phone = await peers.add()
    const peer = peers.hub.peers().find((each) => each !== laptop.device.peer) as string
    await using invite = await laptop.devices.invite()
    const home = peers.homeOf(1)
    home.onWrite = (store, done) => {
      if (store !== 'journal' || !done) return
      home.onWrite = undefined
      peers.hub.cut(peer, laptop.device.peer)
    }
    const accepted = invite.accepted({ signal: AbortSignal.timeout(30_000) })
    await phone.devices.join(invite.ticket)
    expect((await accepted).peer).toBe(peer)
  })
})
