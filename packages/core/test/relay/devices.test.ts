import { describe, expect, onTestFinished, test } from 'vitest'
import type { Peerfold, WorkspaceStatus } from '../../src/api.js'
import { toHex } from '../../src/encoding/bytes.js'
import { PeerfoldError } from '../../src/errors.js'
import type { RelayAnswer } from '../../src/relay/messages.js'
import { createTestPeers, type TestPeers } from '../../src/testing/test-peers.js'
import { collect, waitUntil } from '../device/replicas.js'
import { digestsAt, ScriptedRelay } from './scripted-relay.js'

let relays = 0

async function world(devices: number): Promise<{ peers: TestPeers; relay: ScriptedRelay; all: Peerfold[] }> {
  const peers = await createTestPeers(devices)
  const relay = new ScriptedRelay(peers.hub, new Uint8Array(32).fill(++relays))
  onTestFinished(async () => {
    await peers[Symbol.asyncDispose]()
    await relay.close()
  })
  for (const device of peers.devices) await device.relays.add(relay.address)
  return { peers, relay, all: peers.devices }
}

function statusOf(device: Peerfold): WorkspaceStatus {
  return device.status.value.workspaces[0] as WorkspaceStatus
}

/** Everything is at the relay, which is named as a holder. */
async function atRelay(device: Peerfold): Promise<void> {
  await waitUntil('there is something to hold', () => device.status.value.workspaces.length > 0)
  for (const { id } of await device.workspaces.list()) {
    const workspace = await device.workspaces.open(id)
    const named = async (copies: number) => {
      const holders = await workspace.durable({ copies, signal: AbortSignal.timeout(20_000) })
      return holders.some(({ kind }) => kind === 'relay')
    }
    let copies = 2
    while (!(await named(copies))) copies++
  }
}

async function textOf(device: Peerfold, workspace: string, path: string): Promise<string | undefined> {
  try {
    return await (await device.workspaces.open(workspace)).read(path).text()
  } catch {
    return undefined
  }
}

async function shows(device: Peerfold, workspace: string, path: string, text: string): Promise<void> {
  await waitUntil(`${path} is there`, async () => (await textOf(device, workspace, path)) === text)
}

describe('a relay', () => {
  test('takes what is written, blocks before the commit that names them, and says so in copies', async () => {
    const { relay, all } = await world(1)
    const [laptop] = all as [Peerfold]
    const notes = await laptop.workspaces.create('notes')
    await notes.write('big.bin', new Uint8Array(3_000_000).fill(7))
    const holders = await notes.durable({ copies: 2, signal: AbortSignal.timeout(20_000) })
    expect(holders).toEqual([{ kind: 'relay', id: relay.network.peer }])
    await waitUntil(
      'status says so',
      () => statusOf(laptop).state === 'synced' && statusOf(laptop).copies.min === 2,
    )
    const firstPush = relay.asked.lastIndexOf('push')
    expect(relay.asked.lastIndexOf('offer')).toBeLessThan(firstPush)
    expect((await digestsAt(relay)).length).toBeGreaterThan(1)
  })

  test('brings a change to a device that was away, after its author went away, too', async () => {
    const { peers, relay, all } = await world(2)
    const [laptop, desktop] = all as [Peerfold, Peerfold]
    const notes = await laptop.workspaces.create('notes')
    await notes.write('a.txt', 'one')
    await laptop.settled()
    await desktop.close()
    await notes.write('a.txt', 'two')
    await notes.write('deep/b.txt', 'new')
    await atRelay(laptop)
    await laptop.close()
    const back = await peers.restart(1)
    await shows(back, notes.id, 'a.txt', 'two')
    await shows(back, notes.id, 'deep/b.txt', 'new')
    expect(relay.mailbox().commits.length).toBe(new Set(relay.mailbox().commits.map(({ id }) => id)).size)
  })

  test('tells how full it is as it fills, whoever fills it', async () => {
    const { all } = await world(2)
    const [laptop, desktop] = all as [Peerfold, Peerfold]
    const used = (device: Peerfold) => device.relays.list()[0]?.bytes ?? 0
    const notes = await laptop.workspaces.create('notes')
    for (const device of all) await atRelay(device)
    const before = used(laptop)
    await notes.write('a.txt', 'x')
    await waitUntil('both know', () => used(laptop) > before && used(desktop) === used(laptop))
  })

  test('is told nothing twice, and asked before anything is sent', async () => {
    const { relay, all } = await world(2)
    const [laptop] = all as [Peerfold]
    const notes = await laptop.workspaces.create('notes')
    await notes.write('a.bin', new Uint8Array(500_000).fill(1))
    for (const device of all) await atRelay(device)
    const { lacking } = relay
    await notes.write('copy.bin', new Uint8Array(500_000).fill(1))
    for (const device of all) await atRelay(device)
    expect(relay.lacking).toBe(lacking)
  })

  test('holds blocks that nobody without the keys can tell a known file by (case 22)', async () => {
    const { relay, all } = await world(1)
    const [laptop] = all as [Peerfold]
    const known = new Uint8Array(5_000).fill(3)
    for (const name of ['one', 'other'])
      await (await laptop.workspaces.create(name)).write('known.bin', known)
    await atRelay(laptop)
    const held = await digestsAt(relay)
    const plain = toHex(new Uint8Array(await globalThis.crypto.subtle.digest('SHA-256', known)))
    expect(held.length).toBeGreaterThanOrEqual(2)
    expect(held).not.toContain(plain)
    // Who has the file in a workspace of his own learns nothing of another: no block is in both.
    expect(new Set(held).size).toBe(held.length)
  })

  test('that is away is no hindrance, and gets what it missed', async () => {
    const { peers, relay, all } = await world(2)
    const [laptop, desktop] = all as [Peerfold, Peerfold]
    const notes = await laptop.workspaces.create('notes')
    await atRelay(laptop)
    const devices = peers.devices.map(({ device }) => device.peer)
    peers.hub.partition([devices, [relay.network.peer]])
    await notes.write('a.txt', 'without it')
    await shows(desktop, notes.id, 'a.txt', 'without it')
    const before = relay.mailbox().commits.length
    peers.hub.heal()
    await waitUntil('it has the commit', () => relay.mailbox().commits.length === before + 1)
    await atRelay(laptop)
  })

  test('gets what only others had when it was added, older versions included', async () => {
    const peers = await createTestPeers(2)
    const relay = new ScriptedRelay(peers.hub, new Uint8Array(32).fill(++relays))
    onTestFinished(async () => {
      await peers[Symbol.asyncDispose]()
      await relay.close()
    })
    const [laptop, desktop] = peers.devices as [Peerfold, Peerfold]
    const notes = await laptop.workspaces.create('notes')
    await notes.write('a.txt', 'first')
    await notes.write('a.txt', 'second')
    await laptop.settled()
    await desktop.relays.add(relay.address)
    await atRelay(desktop)
    const blocks = await digestsAt(relay)
    expect(blocks.length).toBeGreaterThanOrEqual(2)
    await waitUntil('copies are counted', () => statusOf(desktop).copies.min === 3)
  })

  test('that refuses is named with its reason, and devices go on directly', async () => {
    const { relay, all } = await world(2)
    const [laptop, desktop] = all as [Peerfold, Peerfold]
    relay.refuse = ({ type }) => {
      if (type === 'register') throw new PeerfoldError('RELAY_REFUSED', 'not allowed')
    }
    const notes = await laptop.workspaces.create('notes')
    await notes.write('a.txt', 'x')
    await shows(desktop, notes.id, 'a.txt', 'x')
    await waitUntil('it is named', () => laptop.relays.list()[0]?.error?.code === 'RELAY_REFUSED')
    await laptop.settled({ signal: AbortSignal.timeout(20_000) })
  })

  test('that cannot be reached, where nobody else can: NO_PATH within ten seconds, with the reason', async () => {
    const { peers, relay, all } = await world(1)
    const [laptop] = all as [Peerfold]
    peers.hub.partition([[laptop.device.peer], [relay.network.peer]])
    await waitUntil('it says so', () => laptop.status.value.problem?.code === 'NO_PATH')
    expect(laptop.status.value.problem?.message).toContain(relay.address)
    peers.hub.heal()
    await waitUntil('it is over', () => laptop.status.value.problem === undefined)
  })

  test('that is full takes nothing, and everything once it has room', async () => {
    const { relay, all } = await world(1)
    const [laptop] = all as [Peerfold]
    let full = true
    relay.refuse = ({ type }) => {
      if (full && type === 'offer') throw new PeerfoldError('QUOTA_EXCEEDED', 'full')
    }
    const notes = await laptop.workspaces.create('notes')
    await notes.write('a.txt', 'x'.repeat(1000))
    await waitUntil('it is named', () => laptop.relays.list()[0]?.error?.code === 'QUOTA_EXCEEDED')
    await waitUntil('status says so', () => statusOf(laptop)?.copies.min === 1)
    full = false
    await notes.durable({ copies: 2, signal: AbortSignal.timeout(20_000) })
    expect(laptop.relays.list()[0]?.error).toBeUndefined()
  })

  test('is removed: it gets nothing more', async () => {
    const { relay, all } = await world(1)
    const [laptop] = all as [Peerfold]
    const notes = await laptop.workspaces.create('notes')
    await atRelay(laptop)
    await laptop.relays.remove(relay.network.peer)
    await notes.write('later.txt', 'x')
    expect(laptop.relays.list()).toEqual([])
    const { length } = relay.mailbox().commits
    await notes.write('later still.txt', 'x')
    await expect(notes.durable({ copies: 2, signal: AbortSignal.timeout(200) })).rejects.toThrow()
    expect(relay.mailbox().commits.length).toBe(length)
  })
})

describe('a relay that lies', () => {
  async function lied(device: Peerfold): Promise<void> {
    await waitUntil('it is exposed', () => device.relays.list()[0]?.error?.code === 'RELAY_LIED')
  }

  test('with older heads than it signed (case 36): alarm, no rollback', async () => {
    const { peers, relay, all } = await world(1)
    const [laptop] = all as [Peerfold]
    const notes = await laptop.workspaces.create('notes')
    await notes.write('a.txt', 'one')
    await notes.write('a.txt', 'two')
    await atRelay(laptop)
    await laptop.close()
    relay.forget(1)
    const back = await peers.restart(0)
    await lied(back)
    expect(await textOf(back, notes.id, 'a.txt')).toBe('two')
    await waitUntil('it has all again', () => relay.mailbox().commits.length === 3)
  })

  test('is named as long as it is used, over restarts, until it is removed or added anew', async () => {
    const { peers, relay, all } = await world(1)
    const [laptop] = all as [Peerfold]
    const notes = await laptop.workspaces.create('notes')
    await notes.write('a.txt', 'one')
    await atRelay(laptop)
    await laptop.close()
    relay.forget(1)
    const liedTo = await peers.restart(0)
    await lied(liedTo)
    await waitUntil('it has all again', () => relay.mailbox().commits.length === 2)
    await liedTo.close()
    const back = await peers.restart(0)
    await waitUntil('it is used', () => back.relays.list()[0]?.connected === true)
    expect(back.relays.list()[0]?.error?.code).toBe('RELAY_LIED')
    await back.relays.add(relay.address)
    expect(back.relays.list()).toMatchObject([{ addresses: [relay.address] }])
    expect(back.relays.list()[0]?.error).toBeUndefined()
  })

  test('of another incarnation, as after a restored backup: everything is sent again, and nothing is an alarm', async () => {
    const { peers, relay, all } = await world(1)
    const [laptop] = all as [Peerfold]
    const notes = await laptop.workspaces.create('notes')
    await notes.write('a.txt', 'one')
    await atRelay(laptop)
    await laptop.close()
    relay.forget(2)
    relay.mailbox().incarnation = 'f'.repeat(32)
    const { blocks } = relay.mailbox()
    await blocks.delete(await collect(blocks.list()))
    const back = await peers.restart(0)
    await atRelay(back)
    expect(relay.mailbox().commits.length).toBe(2)
    expect((await digestsAt(relay)).length).toBeGreaterThan(0)
    expect(back.relays.list()[0]?.error).toBeUndefined()
  })

  test('with a forged receipt: it counts as not stored', async () => {
    const { relay, all } = await world(1)
    const [laptop] = all as [Peerfold]
    relay.answer = (answer) => {
      if (answer.type === 'stored') answer.signed.signature = new Uint8Array(64).fill(1)
      return answer
    }
    const notes = await laptop.workspaces.create('notes')
    await notes.write('a.txt', 'x')
    await waitUntil('it is named', () => laptop.relays.list()[0]?.error?.code === 'MESSAGE_INVALID')
    await waitUntil('status says so', () => statusOf(laptop)?.copies.min === 1)
  })

  test('with a receipt for something else', async () => {
    const { relay, all } = await world(1)
    const [laptop] = all as [Peerfold]
    let first: RelayAnswer | undefined
    relay.answer = (answer, request) => {
      if (answer.type !== 'stored' || request?.type !== 'push') return answer
      first ??= answer
      return { ...first, n: answer.n } as RelayAnswer
    }
    const notes = await laptop.workspaces.create('notes')
    await atRelay(laptop)
    await notes.write('a.txt', 'x')
    await waitUntil('it is named', () => laptop.relays.list()[0]?.error?.code === 'MESSAGE_INVALID')
  })

  test('and shows two devices different mailboxes (case 37): direct contact heals it', async () => {
    const { peers, relay, all } = await world(2)
    const [laptop, desktop] = all as [Peerfold, Peerfold]
    const notes = await laptop.workspaces.create('notes')
    await atRelay(laptop)
    await waitUntil('both have it', async () => (await desktop.workspaces.list()).length === 1)
    peers.hub.partition([[laptop.device.peer, relay.network.peer], [desktop.device.peer]])
    await notes.write('a.txt', 'withheld')
    await atRelay(laptop)
    peers.hub.partition([[laptop.device.peer], [desktop.device.peer, relay.network.peer]])
    relay.forget(1)
    const same = await desktop.workspaces.open(notes.id)
    await same.write('b.txt', 'other')
    await waitUntil('the relay has it', () => relay.mailbox().commits.length > 1)
    peers.hub.heal()
    await shows(desktop, notes.id, 'a.txt', 'withheld')
    await shows(laptop, notes.id, 'b.txt', 'other')
    await lied(laptop)
  })
})

describe('keys that change', () => {
  test('a device that was away learns them at the relay; one that was removed is given nothing new', async () => {
    const { peers, relay, all } = await world(3)
    const [laptop, desktop, stolen] = all as [Peerfold, Peerfold, Peerfold]
    const notes = await laptop.workspaces.create('notes')
    await notes.write('a.txt', 'for all')
    await laptop.settled()
    for (const device of all) await atRelay(device)
    await desktop.close()
    await stolen.close()
    const { id } = stolen.device as { id: string }
    await laptop.devices.revoke(id)
    await notes.write('a.txt', 'for two')
    await waitUntil('the relay knows the new keys', () => relay.mailbox().epochs.length === 2)
    await atRelay(laptop)
    await laptop.close()
    const back = await peers.restart(1)
    await shows(back, notes.id, 'a.txt', 'for two')
    const thief = await peers.restart(2)
    await waitUntil('it is told', () => thief.relays.list()[0]?.error !== undefined)
    expect(await textOf(thief, notes.id, 'a.txt')).not.toBe('for two')
  })

  test('by a removed device, ahead of the others: the operator is told what to reset, and then all goes on', async () => {
    const { relay, all } = await world(1)
    const [laptop] = all as [Peerfold]
    const notes = await laptop.workspaces.create('notes')
    await atRelay(laptop)
    const { epochs } = relay.mailbox()
    epochs.push({ ...(epochs[0] as (typeof epochs)[0]), epoch: 'ee'.repeat(32), pull: new Uint8Array(32) })
    relay.drop()
    const error = () => laptop.relays.list()[0]?.error
    await waitUntil('it is shut out', () => error()?.code === 'KEY_MISSING')
    const [handle] = relay.mailboxes.keys()
    expect(error()?.hint).toContain(`peerfold-relay reset ${handle}`)
    epochs.length = 0
    await notes.write('a.txt', 'x')
    await atRelay(laptop)
    expect(error()).toBeUndefined()
  })
})

describe('recovery', () => {
  test('brings a lost device back from the phrase and the relay alone', async () => {
    const peers = await createTestPeers(0)
    const relay = new ScriptedRelay(peers.hub, new Uint8Array(32).fill(++relays))
    onTestFinished(async () => {
      await peers[Symbol.asyncDispose]()
      await relay.close()
    })
    const laptop = await peers.add()
    const { phrase } = await laptop.identity.create({ name: 'laptop' })
    await laptop.relays.add(relay.address)
    const notes = await laptop.workspaces.create('notes')
    await notes.write('a.txt', 'kept')
    await atRelay(laptop)
    await waitUntil('the bundle is kept', () => relay.bundles.size === 1)
    await laptop.close()
    const replacement = await peers.add()
    await replacement.identity.recover(phrase, { name: 'replacement', relays: [relay.address] })
    await shows(replacement, notes.id, 'a.txt', 'kept')
    expect(replacement.relays.list().map(({ peer }) => peer)).toEqual([relay.network.peer])
    const same = await replacement.workspaces.open('notes')
    await same.write('b.txt', 'new')
    await atRelay(replacement)
    const back = await peers.restart(0)
    await shows(back, notes.id, 'b.txt', 'new')
    const names = async () => (await back.devices.list()).map(({ name }) => name).sort()
    await waitUntil('it knows the new device', async () => (await names()).join() === 'laptop,replacement')
  })

  test('with a phrase that no relay knows leaves nothing behind', async () => {
    const { peers, relay } = await world(1)
    const other = await peers.add()
    const phrase = `${'abandon '.repeat(23)}art`
    await expect(other.identity.recover(phrase, { relays: [relay.address] })).rejects.toMatchObject({
      code: 'NOT_FOUND',
    })
    expect(other.hasIdentity).toBe(false)
  })
})
