import { describe, expect, onTestFinished, test } from 'vitest'
import { peerIdOfKey } from '../../src/access/peer-key.js'
import type { Peerfold } from '../../src/api.js'
import { createWebCrypto } from '../../src/crypto/web-crypto.js'
import { createPeerfold } from '../../src/device/peerfold.js'
import type { MailboxPlace, PollRelay } from '../../src/device/relays/rest.js'
import { PeerfoldError } from '../../src/errors.js'
import { systemClock } from '../../src/platform/system-clock.js'
import { systemRandom } from '../../src/platform/system-random.js'
import { createMemoryHub, createMemoryNetwork } from '../../src/testing/memory-network.js'
import { MemoryHome } from '../../src/testing/test-peers.js'
import { waitUntil } from '../device/replicas.js'
import { ScriptedRelay } from './scripted-relay.js'

/** A relay's HTTP side as the devices see it. */
class Poll {
  asked: MailboxPlace[][] = []
  failure: PeerfoldError | undefined
  constructor(readonly relay: ScriptedRelay) {}

  readonly poll: PollRelay = async ({ mailboxes }, { signal }) => {
    this.asked.push([...mailboxes])
    for (;;) {
      signal?.throwIfAborted()
      if (this.failure !== undefined) throw this.failure
      for (const { handle, next } of mailboxes)
        if ((this.relay.mailboxes.get(handle)?.commits.length ?? 0) + 1 !== next) return 'changed'
      await systemClock.sleep(5, { signal })
    }
  }
}

async function world() {
  const hub = createMemoryHub({ clock: systemClock })
  const relay = new ScriptedRelay(hub, new Uint8Array(32).fill(200))
  relay.urls = ['https://relay.test']
  const poll = new Poll(relay)
  const open = async (name: string): Promise<Peerfold> => {
    const crypto = createWebCrypto()
    const device = await createPeerfold(
      {
        home: new MemoryHome(systemRandom),
        crypto,
        clock: systemClock,
        random: systemRandom,
        network: async ({ peerSeed }) => createMemoryNetwork(hub, peerIdOfKey(crypto.publicKey(peerSeed))),
        poll: poll.poll,
      },
      { name },
    )
    onTestFinished(() => device.close())
    return device
  }
  onTestFinished(() => relay.close())
  const [laptop, desktop] = [await open('laptop'), await open('desktop')]
  await laptop.identity.create()
  await laptop.relays.add(relay.address)
  await using invite = await laptop.devices.invite()
  await desktop.devices.join(invite.ticket)
  return { hub, relay, poll, laptop, desktop }
}

const via = (device: Peerfold) => device.status.value.peers.find(({ kind }) => kind === 'relay')?.via

describe('a device that polls its relay', () => {
  test('holds no session while there is nothing to do, and has every change', async () => {
    const { hub, relay, poll, laptop, desktop } = await world()
    const notes = await laptop.workspaces.create('notes')
    await notes.write('a.txt', 'one')
    await waitUntil('both rest', () => via(laptop) === 'http' && via(desktop) === 'http')
    expect(laptop.relays.list()[0]).toMatchObject({ connected: true })
    // They reach the relay, and not each other.
    const apart = [[laptop.device.peer, relay.network.peer], [desktop.device.peer]]
    hub.partition(apart)
    await notes.write('a.txt', 'two')
    await notes.durable({ copies: 3, signal: AbortSignal.timeout(200) }).catch(() => {})
    await waitUntil('it is at the relay', () => relay.mailbox().commits.length === 3)
    hub.partition([[laptop.device.peer], [desktop.device.peer, relay.network.peer]])
    const same = await desktop.workspaces.open(notes.id)
    await waitUntil('it arrives', async () => (await same.read('a.txt').text()) === 'two')
    await waitUntil('the desktop rests again', () => via(desktop) === 'http')
    expect(poll.asked.length).toBeGreaterThan(1)
  })

  test('counts the relay as a copy while it rests', async () => {
    const { laptop } = await world()
    const notes = await laptop.workspaces.create('notes')
    await notes.write('a.txt', 'one')
    await waitUntil('it rests', () => via(laptop) === 'http')
    const holders = await notes.durable({ copies: 2, signal: AbortSignal.timeout(20_000) })
    expect(holders.map(({ kind }) => kind)).toContain('relay')
  })

  test('makes a session when its token has run out, and asks again when the relay does not answer', async () => {
    const { relay, poll, laptop } = await world()
    await laptop.workspaces.create('notes')
    await waitUntil('it rests', () => via(laptop) === 'http')
    const sessions = relay.asked.filter((type) => type === 'token').length
    poll.failure = new PeerfoldError('UNAUTHORIZED', 'ran out')
    await waitUntil(
      'it asks for another',
      () => relay.asked.filter((type) => type === 'token').length > sessions,
    )
    poll.failure = new PeerfoldError('DIAL_FAILED', 'no answer')
    const { length } = poll.asked
    await waitUntil('it asks again', () => poll.asked.length > length + 1)
  })
})
