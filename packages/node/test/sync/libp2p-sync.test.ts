import { systemClock } from '@peerfold/core/platform'
import { createMemoryLogStore } from '@peerfold/core/testing'
import { afterEach, describe, expect, test } from 'vitest'
import { createDeviceRequest } from '../../../core/src/access/device-request.js'
import { createDeviceSecrets, devicePublicKeys } from '../../../core/src/access/device-secrets.js'
import {
  addDevice,
  createGenesis,
  emptyIdentity,
  identityBytes,
  mergeIdentity,
} from '../../../core/src/access/identity-log.js'
import { Invitations } from '../../../core/src/access/invitations.js'
import { createPhrase, rootSecrets } from '../../../core/src/access/phrase.js'
import { decodeTicket, encodeTicket } from '../../../core/src/access/ticket.js'
import { createWebCrypto } from '../../../core/src/crypto/web-crypto.js'
import { toUtf8 } from '../../../core/src/encoding/bytes.js'
import { openWorkspaceLog } from '../../../core/src/log/workspace-log.js'
import { createDialer } from '../../../core/src/sync/dialer.js'
import { acceptPairings, pair } from '../../../core/src/sync/pairing.js'
import { createSync, SYNC_PROTOCOL } from '../../../core/src/sync/sync.js'
import { FakeAuthority, memoryDb, memorySecrets, TextConsumer } from '../../../core/test/log/fixtures.js'
import { createAuthority, createRegistry, HANDLE, until } from '../../../core/test/sync/world.js'
import { createLibp2pNetwork } from '../../src/net/create-libp2p-network.js'
import { testSeed } from '../net/test-seed.js'

const LISTEN = { listen: ['/ip4/127.0.0.1/tcp/0'], mdns: false }
const crypto = createWebCrypto()
const random = { bytes: (length: number) => globalThis.crypto.getRandomValues(new Uint8Array(length)) }
const clock = systemClock

const open: Array<() => Promise<unknown>> = []
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close()
})

const registry = createRegistry()

async function device(name: string, known: Map<string, string[]>) {
  const network = await createLibp2pNetwork({ peerSeed: testSeed(), ...LISTEN })
  registry.devices.set(network.peer, 'active')
  known.set(network.peer, network.addresses())
  const db = memoryDb()
  const consumer = new TextConsumer(db)
  const authority = new FakeAuthority(name)
  const store = createMemoryLogStore()
  const secrets = memorySecrets()
  const log = await openWorkspaceLog({ store, db, authority, consumer, secrets, clock, random, crypto })
  const dialer = createDialer({
    network,
    clock,
    random,
    store: { get: async (peer) => known.get(peer), put: async () => {} },
    devices: () =>
      [...known.keys()].filter((peer) => peer !== network.peer).map((peer) => ({ peer, name: peer })),
  })
  const sync = createSync({
    network,
    authority: createAuthority(network.peer, registry),
    clock,
    random,
    wanted: (peer) => registry.devices.has(peer),
    addresses: dialer,
  })
  open.push(
    () => log.close(),
    () => network.close(),
    () => sync.close(),
    () => dialer.close(),
  )
  sync.attach(HANDLE, log)
  const say = (text: string) => log.commit(async () => ({ updates: [{ shard: 0, update: toUtf8(text) }] }))
  const start = async () => {
    await sync.start()
    await dialer.start()
  }
  return { network, log, sync, dialer, say, start }
}

type Device = Awaited<ReturnType<typeof device>>
const equal = (...devices: Device[]) =>
  new Set(devices.map(({ log }) => log.heads().sort().join())).size === 1

describe('sync over libp2p', () => {
  test('three devices catch up, hear live, and find each other again after a cut', async () => {
    const known = new Map<string, string[]>()
    const devices = [await device('a', known), await device('b', known), await device('c', known)]
    const [a, b, c] = devices as [Device, Device, Device]
    for (let i = 0; i < 200; i++) await a.say(`a${i} ${'x'.repeat(5000)}`)
    await b.say('b')
    for (const each of devices) await each.start()
    await until('sessions', () => devices.every(({ sync }) => sync.peers().length === 2), 20_000)
    await until('equal logs', () => equal(a, b, c), 20_000)
    expect(a.log.summary().size).toBe(2)
    await c.say('live')
    await until('live commit', () => equal(a, b, c), 10_000)
    await a.network.disconnect(b.network.peer)
    await a.say('after the cut')
    await until('equal logs', () => equal(a, b, c), 20_000)
    await until('sessions again', () => devices.every(({ sync }) => sync.peers().length === 2), 20_000)
    for (const each of devices) expect(each.dialer.problem).toBeUndefined()
  }, 60_000)

  test('a peer that breaks the protocol is disconnected, and the others go on', async () => {
    const known = new Map<string, string[]>()
    const [a, b] = [await device('a', known), await device('b', known)]
    await a.start()
    await b.start()
    await until('session', () => a.sync.peers().length === 1, 20_000)
    const refused: string[] = []
    a.sync.on('refused', (_, reason) => refused.push((reason as { code?: string }).code ?? reason.message))
    const hostile = await createLibp2pNetwork({ peerSeed: testSeed(), ...LISTEN })
    open.push(() => hostile.close())
    for (const bytes of [Uint8Array.of(3, 1, 2, 3), new Uint8Array(1 << 20).fill(0xff)]) {
      await hostile.dial({ peer: a.network.peer, addresses: a.network.addresses() })
      const stream = await hostile.open(a.network.peer, SYNC_PROTOCOL)
      await stream.send(bytes).catch(() => {})
      const gone = () => !a.network.connections().some(({ peer }) => peer === hostile.peer)
      await until('hung up', () => gone() && hostile.connections().length === 0, 20_000)
    }
    expect(refused).toEqual(['MESSAGE_INVALID', 'MESSAGE_INVALID'])
    await a.say('still here')
    await until('equal logs', () => equal(a, b), 10_000)
  }, 60_000)
})

describe('pairing over libp2p', () => {
  test('a ticket as text makes a new device one of the user', async () => {
    const secrets = createDeviceSecrets(random)
    const root = rootSecrets(createPhrase(random))
    const genesis = await createGenesis(crypto, root)
    let { identity } = await mergeIdentity(crypto, emptyIdentity(genesis.user), [genesis.bytes])
    const certify = async (request: Uint8Array, seed: Uint8Array) => {
      const entry = await addDevice({ crypto, identity, seed, time: 0 }, request)
      identity = (await mergeIdentity(crypto, identity, [entry])).identity
    }
    const own = { crypto, secrets, user: genesis.user, name: 'inviter', time: 0 }
    await certify(await createDeviceRequest(own), root.rootSeed)
    const network = await createLibp2pNetwork({ peerSeed: secrets.peerSeed, ...LISTEN })
    const invitations = new Invitations({ clock, random })
    const paired: string[] = []
    const pairings = acceptPairings({
      network,
      clock,
      crypto,
      invitations,
      certify: async ({ bytes }) => {
        await certify(bytes, secrets.signingSeed)
        return { entries: identityBytes(identity), grants: [Uint8Array.of(7)] }
      },
      onPaired: (certificate) => paired.push(certificate.device),
    })
    const ticket = encodeTicket(
      invitations.create({
        user: genesis.user,
        inviter: network.peer,
        addresses: network.addresses(),
        relays: [],
      }),
    )
    const fresh = createDeviceSecrets(random)
    const joiner = await createLibp2pNetwork({ peerSeed: fresh.peerSeed, ...LISTEN })
    open.push(
      () => network.close(),
      () => pairings.close(),
      () => joiner.close(),
    )
    let stored: Uint8Array[] = []
    const join = () =>
      pair({
        network: joiner,
        clock,
        crypto,
        ticket: decodeTicket(ticket),
        secrets: fresh,
        name: 'joiner',
        store: async ({ grants }) => {
          stored = grants
        },
      })
    const certificate = await join()
    expect(certificate).toMatchObject({ device: devicePublicKeys(crypto, fresh).device, peer: joiner.peer })
    expect(stored).toEqual([Uint8Array.of(7)])
    expect(paired).toEqual([certificate.device])
    await expect(join()).rejects.toMatchObject({ code: 'TICKET_USED' })
  }, 60_000)
})
