import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { PeerfoldError } from '../../src/errors.js'
import type { Network, PeerId } from '../../src/ports/network.js'
import { createDialer, type Dialer } from '../../src/sync/dialer.js'
import { rendezvousKey } from '../../src/sync/rendezvous.js'
import { createManualClock, type ManualClock } from '../../src/testing/manual-clock.js'
import {
  createMemoryHub,
  createMemoryNetwork,
  type MemoryHub,
  type MemoryHubInit,
} from '../../src/testing/memory-network.js'
import { createSeededRandom } from '../../src/testing/seeded-random.js'
import { advanceUntil } from './world.js'

let clock: ManualClock
let hub: MemoryHub
let open: Array<{ close(): Promise<void> }>
beforeEach(() => {
  clock = createManualClock()
  world()
  open = []
})
afterEach(async () => {
  await Promise.all(open.map((each) => each.close()))
})

function world(init: MemoryHubInit = {}): void {
  hub = createMemoryHub({ clock, seed: 5, ...init })
}

function network(as?: PeerId): Network {
  const created = createMemoryNetwork(hub, as)
  open.push(created)
  return created
}

interface Setup {
  dialer: Dialer
  network: Network
  stored: Map<PeerId, string[]>
  dials: number[]
  problems: Array<PeerfoldError | undefined>
  devices: Array<{ peer: PeerId; name: string }>
}

async function setUp(
  devices: Setup['devices'],
  init: { stored?: Map<PeerId, string[]>; keys?: Uint8Array[] } = {},
): Promise<Setup> {
  const own = network()
  const stored = init.stored ?? new Map()
  const dials: number[] = []
  const counted = new Proxy(own, {
    get: (target, key) => {
      const value = target[key as keyof Network] as unknown
      if (key === 'dial') dials.push(clock.monotonic())
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  const keys = init.keys
  const dialer = createDialer({
    network: counted,
    clock,
    random: createSeededRandom('dialer'),
    store: {
      get: async (peer) => stored.get(peer),
      put: async (peer, addresses) => void stored.set(peer, addresses),
    },
    devices: () => devices,
    ...(keys === undefined ? {} : { discoveryKeys: () => keys }),
  })
  open.push(dialer)
  const problems: Setup['problems'] = []
  dialer.on('problem', (problem) => problems.push(problem))
  await dialer.start()
  return { dialer, network: own, stored, dials, problems, devices }
}

const reach = (what: string, condition: () => boolean, ms = 1000) => advanceUntil(clock, what, condition, ms)
const connected = (a: Network, b: Network) => a.connections().some(({ peer }) => peer === b.peer)

describe('connections', () => {
  test('are made at the start by the addresses that worked last', async () => {
    const other = network()
    const stored = new Map([[other.peer, ['/memory/gone', ...other.addresses()]]])
    const { network: own } = await setUp([{ peer: other.peer, name: 'other' }], { stored })
    await reach('a connection', () => connected(own, other))
    await reach('the better order', () => stored.get(other.peer)?.[0] === other.addresses()[0])
  })

  test('are made anew when they are lost, ever more rarely while that fails', async () => {
    const other = network()
    const { network: own, dials, dialer } = await setUp([{ peer: other.peer, name: 'other' }])
    dialer.learn(other.peer, other.addresses())
    await reach('a connection', () => connected(own, other))
    hub.cut(own.peer, other.peer)
    await reach('another', () => connected(own, other), 2000)
    dials.length = 0
    await other.close()
    await clock.advance(3_600_000)
    expect(dials.length).toBeGreaterThan(10)
    expect(dials.length).toBeLessThan(40)
    const again = network(other.peer)
    await reach('the connection is back', () => connected(own, again), 450_000)
  })

  test('a device that shows itself (mDNS) is dialled at once', async () => {
    world({ discovery: true })
    const devices: Setup['devices'] = []
    const { network: own, dialer } = await setUp(devices)
    const [other, stranger] = [network(), network()]
    devices.push({ peer: other.peer, name: 'other' })
    dialer.changed()
    await reach('a connection', () => connected(own, other) || connected(other, own), 2000)
    expect(connected(own, stranger)).toBe(false)
  })

  test('devices find each other under the rendezvous key of a workspace', async () => {
    const discoveryKey = new Uint8Array(32).fill(9)
    const other = network()
    await other.announce(rendezvousKey(discoveryKey, clock.now()))
    const { network: own } = await setUp([{ peer: other.peer, name: 'other' }], { keys: [discoveryKey] })
    await reach('a connection', () => connected(own, other), 2000)
  })

  test('a network change or a wake-up ends the waiting', async () => {
    const other = network()
    const stored = new Map([[other.peer, other.addresses()]])
    await other.close()
    const { network: own, dials } = await setUp([{ peer: other.peer, name: 'other' }], { stored })
    await clock.advance(3_000_000)
    const back = network(other.peer)
    dials.length = 0
    clock.setNow(clock.now() + 7_200_000)
    await reach('a connection', () => connected(own, back), 11_000)
    expect(dials).toHaveLength(1)
  })

  test('a device that is removed is dialled no more', async () => {
    const other = network()
    await other.close()
    const stored = new Map([[other.peer, ['/memory/x']]])
    const { devices, dialer, dials } = await setUp([{ peer: other.peer, name: 'other' }], { stored })
    await clock.advance(10_000)
    devices.length = 0
    dialer.changed()
    await clock.advance(0)
    dials.length = 0
    await clock.advance(3_600_000)
    expect(dials).toEqual([])
    expect(dialer.ways()).toEqual([])
  })

  test('another key at a known address is not taken for the device', async () => {
    const [other, thief] = [network(), network()]
    await other.close()
    const { network: own, dialer } = await setUp([{ peer: other.peer, name: 'other' }])
    dialer.learn(other.peer, thief.addresses())
    await clock.advance(20_000)
    expect(own.connections()).toEqual([])
    expect(dialer.problem?.message).toContain('another key')
  })
})

describe('without any way', () => {
  test('it says NO_PATH within ten seconds, with a reason for each device, until there is one', async () => {
    const [a, b] = [network(), network()]
    await a.close()
    const {
      dialer,
      network: own,
      problems,
    } = await setUp([
      { peer: a.peer, name: 'laptop' },
      { peer: b.peer, name: 'phone' },
    ])
    dialer.learn(a.peer, ['/memory/gone'])
    await clock.advance(9999)
    expect(dialer.problem).toBeUndefined()
    await clock.advance(1)
    expect(dialer.problem).toMatchObject({ code: 'NO_PATH', retryable: true })
    expect(dialer.problem?.details.reasons).toMatchObject({
      laptop: expect.stringContaining('nothing listens'),
      phone: 'no address is known',
    })
    dialer.learn(b.peer, b.addresses())
    await reach('a connection', () => connected(own, b))
    expect(dialer.problem).toBeUndefined()
    expect(problems.map((problem) => problem?.code)).toEqual(['NO_PATH', undefined])
  })

  test('a device alone in the world has no problem', async () => {
    const { dialer } = await setUp([])
    await clock.advance(60_000)
    expect(dialer.problem).toBeUndefined()
  })

  test('a connection that is lost for a moment is no problem', async () => {
    const other = network()
    const stored = new Map([[other.peer, other.addresses()]])
    const { network: own, problems } = await setUp([{ peer: other.peer, name: 'other' }], { stored })
    await reach('a connection', () => connected(own, other))
    hub.cut(own.peer, other.peer)
    await clock.advance(60_000)
    expect(problems).toEqual([])
  })
})

describe('addresses', () => {
  test('that worked are passed on, those only heard of are not', async () => {
    const [a, b] = [network(), network()]
    await b.close()
    const { dialer, network: own } = await setUp([
      { peer: a.peer, name: 'a' },
      { peer: b.peer, name: 'b' },
    ])
    let changes = 0
    dialer.onChange(() => changes++)
    dialer.learn(a.peer, a.addresses())
    dialer.learn(b.peer, ['/memory/rumour'])
    await reach('a connection', () => connected(own, a))
    expect(dialer.known()).toEqual([
      { peer: own.peer, addresses: own.addresses() },
      { peer: a.peer, addresses: a.addresses() },
    ])
    expect(changes).toBe(1)
  })

  test('are bounded in number and size, and the one that works is never pushed out', async () => {
    const other = network()
    const { dialer, network: own, stored } = await setUp([{ peer: other.peer, name: 'other' }])
    dialer.learn(other.peer, other.addresses())
    await reach('a connection', () => connected(own, other))
    for (let i = 0; i < 100; i++)
      dialer.learn(other.peer, [`/memory/${i}`, `/${'x'.repeat(1000)}`, 'no address'])
    dialer.learn(own.peer, ['/memory/self'])
    await clock.advance(0)
    expect(stored.get(other.peer)).toHaveLength(16)
    expect(stored.get(other.peer)?.[0]).toBe(other.addresses()[0])
    expect([...stored.keys()]).toEqual([other.peer])
  })
})
