import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { Network, Peerfold } from '@peerfold/core'
import { openPeerfold } from '@peerfold/node'
import { describe, expect, test } from 'vitest'
import { createLibp2pNetwork } from '../../node/src/net/create-libp2p-network.js'
import { relayFixture, type TestRelay } from './fixture.js'

const fixture = relayFixture()
const TCP = '/ip4/127.0.0.1/tcp/0'
const DEADLINE = 30_000
const BULK = '/peerfold/test/bulk'
const SMALL = '/peerfold/test/small'

async function eventually(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const until = performance.now() + DEADLINE
  while (!(await holds())) {
    if (performance.now() > until) throw new Error(`waited in vain: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

const circuitsOf = (network: Network) => network.addresses().filter((each) => each.includes('/p2p-circuit'))

/** A peer that is connected with the relay and cannot be dialled, unless it listens. */
async function peerAt(at: TestRelay, listen: string[] = []): Promise<Network> {
  const network = await createLibp2pNetwork({ peerSeed: randomBytes(32), listen, mdns: false, dht: false })
  fixture.cleanUp(() => network.close())
  await network.dial({ addresses: at.relay.addresses() })
  return network
}

/** Such a peer that others reach through the relay. */
async function reachableAt(at: TestRelay, listen?: string[]): Promise<Network> {
  const network = await peerAt(at, listen)
  network.useRelays([at.relay.peer])
  await eventually('the relay gives it a slot', () => circuitsOf(network).length > 0)
  return network
}

describe('circuits of a network', () => {
  test('lead to a peer that listens nowhere, while it uses the relay', async () => {
    const at = await fixture.start()
    const [a, b] = [await peerAt(at), await reachableAt(at)]
    const addresses = circuitsOf(b)
    expect(addresses[0]).toBe(`${at.relay.addresses()[0]}/p2p-circuit/p2p/${b.peer}`)
    b.handle(SMALL, async (stream) => stream.close())
    expect(await a.dial({ peer: b.peer, addresses })).toMatchObject({ peer: b.peer, carrier: 'circuit' })
    await (await a.open(b.peer, SMALL)).close()
    await a.disconnect(b.peer)
    b.useRelays([])
    expect(circuitsOf(b)).toEqual([])
    await expect(a.dial({ peer: b.peer, addresses })).rejects.toMatchObject({ code: 'DIAL_FAILED' })
  })

  test('are asked for at relays in use only, and at none else that offers them', async () => {
    const [mine, other] = [await fixture.start(), await fixture.start()]
    const [a, b] = [await peerAt(other), await reachableAt(mine)]
    await b.dial({ addresses: other.relay.addresses() })
    const through = `${other.relay.addresses()[0]}/p2p-circuit/p2p/${b.peer}`
    await expect(a.dial({ addresses: [through] })).rejects.toMatchObject({ code: 'DIAL_FAILED' })
    expect(circuitsOf(b).every((address) => address.includes(mine.relay.peer))).toBe(true)
  })

  test('carry nothing in bulk, whoever asks', async () => {
    const at = await fixture.start()
    const [a, b] = [await peerAt(at), await reachableAt(at)]
    b.handle(BULK, async (stream) => stream.close(), { bulk: true })
    await a.dial({ peer: b.peer, addresses: circuitsOf(b) })
    await expect(a.open(b.peer, BULK, { bulk: true })).rejects.toMatchObject({ code: 'NOT_CONNECTED' })
    const insist = async () => drain((await a.open(b.peer, BULK)).source)
    await expect(insist()).rejects.toMatchObject({ name: 'PeerfoldError' })
  })

  test('give way to a direct connection as soon as there is one', async () => {
    const at = await fixture.start()
    const [a, b] = [await peerAt(at), await reachableAt(at, [TCP])]
    const rerouted: string[] = []
    a.on('reroute', ({ carrier }) => rerouted.push(`a ${carrier}`))
    b.on('reroute', ({ carrier }) => rerouted.push(`b ${carrier}`))
    b.handle(SMALL, async (stream) => drain(stream.source))
    await a.dial({ peer: b.peer, addresses: circuitsOf(b) })
    const old = await a.open(b.peer, SMALL)
    const gone = await a.dial({ peer: b.peer, addresses: ['/ip4/127.0.0.1/tcp/1'] })
    expect(gone.carrier).toBe('circuit')
    expect((await a.dial({ peer: b.peer, addresses: b.addresses() })).carrier).toBe('tcp')
    await eventually('both know', () => rerouted.length === 2)
    expect(rerouted.sort()).toEqual(['a tcp', 'b tcp'])
    await expect(drain(old.source)).rejects.toMatchObject({ code: 'NOT_CONNECTED' })
    expect(a.connections().find(({ peer }) => peer === b.peer)?.carrier).toBe('tcp')
  })

  test('come back with the relay', async () => {
    const at = await fixture.start()
    const b = await reachableAt(at)
    const [, port] = /tcp\/(\d+)/.exec(at.relay.addresses()[0] as string) as unknown as [string, string]
    await at.relay.close()
    await eventually('the address is told no more', () => circuitsOf(b).length === 0)
    const again = await fixture.start({
      directory: at.directory,
      listen: [`/ip4/127.0.0.1/tcp/${port}`],
    })
    await b.dial({ addresses: again.relay.addresses() })
    await eventually('the relay gives a slot again', () => circuitsOf(b).length > 0)
    expect((await (await peerAt(again)).dial({ addresses: circuitsOf(b) })).carrier).toBe('circuit')
  })
})

async function drain(source: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of source);
}

/** Two devices of one user that cannot dial each other: one invites, with the relay in its book, and the other joins by the ticket alone. */
async function twoDevices(at: TestRelay): Promise<[Peerfold, Peerfold]> {
  const directory = await fixture.directory()
  const open = async (name: string) => {
    const device = await openPeerfold({ home: join(directory, name), name, listen: [], mdns: false })
    fixture.cleanUp(() => device.close())
    return device
  }
  const [laptop, desktop] = [await open('laptop'), await open('desktop')]
  await laptop.identity.create()
  await laptop.relays.add(at.relay.addresses()[0] as string)
  await eventually('the laptop can be reached', () => laptop.status.value.addresses.length > 0)
  await using invite = await laptop.devices.invite()
  await desktop.devices.join(invite.ticket)
  return [laptop, desktop]
}

const viaOf = (device: Peerfold) => device.status.value.peers.find(({ kind }) => kind === 'device')?.via

describe('devices that cannot dial each other', () => {
  test('pair, meet and sync through a circuit, and their blocks lie at the relay', async () => {
    const at = await fixture.start()
    const [laptop, desktop] = await twoDevices(at)
    await eventually('they meet', () => viaOf(laptop) === 'circuit' && viaOf(desktop) === 'circuit')
    const notes = await laptop.workspaces.create('notes')
    await notes.write('a.txt', 'through the relay')
    await eventually('the file is there', async () => {
      const there = (await desktop.workspaces.list()).some(({ id }) => id === notes.id)
      if (!there) return false
      const same = await desktop.workspaces.open(notes.id)
      return (
        (await same
          .read('a.txt')
          .text()
          .catch(() => '')) === 'through the relay'
      )
    })
    expect((await at.relay.status()).blocks).toBeGreaterThan(0)
  }, 120_000)

  test('have each other’s changes, and say whose content they lack, where the relay keeps nothing for them', async () => {
    const at = await fixture.start({ open: false })
    const [laptop, desktop] = await twoDevices(at)
    await eventually('they meet', () => viaOf(laptop) === 'circuit' && viaOf(desktop) === 'circuit')
    const notes = await laptop.workspaces.create('notes')
    await notes.write('a.txt', 'only here')
    const waiting = () => desktop.status.value.workspaces[0]?.waitingFor ?? []
    await eventually('the change is known', () => waiting().length > 0)
    expect(waiting()[0]).toMatchObject({ path: 'a.txt', device: 'laptop' })
    const same = await desktop.workspaces.open(notes.id)
    const signal = AbortSignal.timeout(1_000)
    await expect(same.read('a.txt', { signal }).text()).rejects.toThrow()
  }, 120_000)
})
