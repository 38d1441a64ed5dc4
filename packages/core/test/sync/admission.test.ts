import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { encodeCbor } from '../../src/encoding/cbor.js'
import type { ErrorCode } from '../../src/errors.js'
import { MAX_ENVELOPE_BYTES } from '../../src/log/limits.js'
import type { Network } from '../../src/ports/network.js'
import { CREDIT } from '../../src/sync/limits.js'
import { encodeMessage, type Message } from '../../src/sync/messages.js'
import { createManualClock, type ManualClock } from '../../src/testing/manual-clock.js'
import { asLog, createFakeLog, type FakeLog } from './fake-log.js'
import { hello, type RawPeer, rawPeer, rawSession } from './raw-peer.js'
import { advanceUntil, connect, createWorld, HANDLE, type TestPeer, type World } from './world.js'

let clock: ManualClock
let world: World
let device: TestPeer & { log: FakeLog; refused: string[]; closed: Array<string | undefined> }
beforeEach(async () => {
  clock = createManualClock()
  world = createWorld(clock, { seed: 11 })
  const log = createFakeLog('device')
  for (let i = 0; i < 5; i++) await log.commit(`${i}`)
  device = { ...world.peer(), log, refused: [], closed: [] }
  device.sync.on('refused', (_, reason) => device.refused.push((reason as { code?: string }).code ?? ''))
  device.sync.on('closed', (_, reason) => device.closed.push((reason as { code?: string } | undefined)?.code))
  device.sync.attach(HANDLE, asLog(log))
  await device.sync.start()
})
afterEach(() => world.close())

const reach = (what: string, condition: () => boolean, ms = 200) => advanceUntil(clock, what, condition, ms)
const said = (raw: RawPeer) => raw.heard.map(({ type }) => type)
const byes = (raw: RawPeer) => raw.heard.flatMap((message) => (message.type === 'bye' ? [message.code] : []))

async function dial(network: Network): Promise<Network> {
  await network.dial({ addresses: device.network.addresses() })
  return network
}

/** A stranger's network, connected. */
const stranger = () => dial(world.network(false))

/** A device that is admitted but that the test itself speaks for: the other side does not call it. */
async function insider(): Promise<{ network: Network; raw: RawPeer }> {
  const network = world.network(false)
  world.registry.devices.set(network.peer, 'active')
  await dial(network)
  await clock.advance(0)
  const raw = await rawSession(network, device.network.peer, (raw) =>
    reach('hello', () => said(raw).includes('hello')),
  )
  await reach('session', () => device.sync.peers().some(({ peer }) => peer === network.peer))
  return { network, raw }
}

describe('who is not admitted', () => {
  test('learns a refusal code and nothing else', async () => {
    const raw = await rawPeer(await stranger(), device.network.peer)
    await raw.send(hello())
    await reach('the end', () => raw.ended !== undefined, 2000)
    expect(raw.heard).toEqual([{ type: 'bye', code: 'UNAUTHORIZED', retryAfter: undefined }])
    expect(device.refused).toEqual(['UNAUTHORIZED'])
    expect(device.authorized.get(raw.stream.peer)?.size ?? 0).toBe(0)
  })

  test('hears nothing before it has said who it is, and not for long', async () => {
    const raw = await rawPeer(await stranger(), device.network.peer)
    await reach('the end', () => raw.ended !== undefined, 12_000)
    expect(byes(raw)).toEqual(['TIMEOUT'])
    expect(said(raw)).toEqual(['bye'])
  })

  test('cannot skip the handshake', async () => {
    for (const message of [
      { type: 'ready' },
      { type: 'offer', handles: [HANDLE] },
      { type: 'want', handle: HANDLE, want: 1, heads: new Map() },
    ] satisfies Message[]) {
      const raw = await rawPeer(await stranger(), device.network.peer)
      await raw.send(message)
      await reach('the end', () => raw.ended !== undefined, 2000)
      expect(said(raw)).toEqual(['bye'])
    }
    expect(device.refused).toEqual(['MESSAGE_INVALID', 'MESSAGE_INVALID', 'MESSAGE_INVALID'])
  })

  test('of another protocol version is told so', async () => {
    const raw = await rawPeer(await stranger(), device.network.peer)
    await raw.send(hello({ versions: [2, 3] }))
    await reach('the end', () => raw.ended !== undefined, 2000)
    expect(byes(raw)).toEqual(['PROTOCOL_UNSUPPORTED'])
  })

  test('cannot make the device hold a large frame', async () => {
    const raw = await rawPeer(await stranger(), device.network.peer)
    // says that 1 MiB follows: refused at the length, before the bytes
    await raw.stream.send(Uint8Array.of(0x80, 0x80, 0x40))
    await reach('the end', () => raw.ended !== undefined, 2000)
    expect(byes(raw)).toEqual(['MESSAGE_INVALID'])
  })

  test('is slowed down when it tries over and over', async () => {
    const network = await stranger()
    const codes: ErrorCode[] = []
    for (let i = 0; i < 25; i++) {
      const raw = await rawPeer(network, device.network.peer)
      await raw.send(hello())
      await reach('the end', () => raw.ended !== undefined, 2000)
      codes.push(...byes(raw))
    }
    expect(codes.slice(0, 20)).toEqual(Array(20).fill('UNAUTHORIZED'))
    expect(codes.slice(22)).toEqual(['BUSY', 'BUSY', 'BUSY'])
  })

  test('cannot open more than a few handshakes at a time', async () => {
    const network = await stranger()
    const raws: RawPeer[] = []
    for (let i = 0; i < 100; i++) raws.push(await rawPeer(network, device.network.peer))
    await clock.advance(0)
    const other = await rawPeer(await stranger(), device.network.peer)
    await reach('most are cut off', () => raws.filter(({ ended }) => ended !== undefined).length > 60, 0)
    await other.send(hello()).catch(() => {})
    await reach('all are cut off', () => raws.every(({ ended }) => ended !== undefined), 30_000)
  })
})

describe('a device that is removed', () => {
  test('loses its session at once and is refused from then on; the others stay', async () => {
    const [gone, stays] = [world.peer(), world.peer()]
    const reasons: string[] = []
    gone.sync.on('refused', (_, reason) => reasons.push((reason as { code?: string }).code ?? ''))
    for (const peer of [gone, stays]) {
      await peer.sync.start()
      await connect(peer, device)
    }
    await reach('sessions', () => device.sync.peers().length === 2)
    expect(device.authorized.get(gone.network.peer)).toEqual(new Set([HANDLE]))
    world.registry.devices.set(gone.network.peer, 'revoked')
    world.registry.change()
    await reach('the end', () => device.sync.peers().length === 1, 0)
    expect(device.sync.peers()[0]?.peer).toBe(stays.network.peer)
    expect(device.authorized.get(gone.network.peer)).toEqual(new Set())
    await clock.advance(120_000)
    expect(device.sync.peers()).toHaveLength(1)
    expect(new Set(reasons)).toEqual(new Set(['DEVICE_REVOKED']))
    expect(reasons.length).toBeGreaterThan(1)
  })
})

describe('identity and grants', () => {
  test('go to admitted devices at the start and whenever they change, each once', async () => {
    const other = world.peer()
    other.authority.ownGrants = [Uint8Array.of(7)]
    await other.sync.start()
    await connect(other, device)
    await reach('the first grant', () => device.authority.accepted.length === 1)
    other.authority.ownGrants = [Uint8Array.of(7), Uint8Array.of(8)]
    other.authority.entries = [...other.authority.entries, Uint8Array.of(9)]
    world.registry.change()
    await reach('the second', () => device.authority.accepted.length === 2)
    expect(device.authority.accepted).toEqual(['07', '08'])
    expect(device.authority.presented.get(other.network.peer)).toEqual(other.authority.entries)
    other.sent.length = 0
    world.registry.change()
    await clock.advance(1000)
    expect(other.sent).toEqual([])
  })

  test('a device that is admitted later gets its session without a new connection', async () => {
    const network = world.network(false)
    const late = world.peer({ as: undefined })
    world.registry.devices.delete(late.network.peer)
    await late.sync.start()
    await connect(late, device)
    await clock.advance(1000)
    expect(device.sync.peers()).toHaveLength(0)
    world.registry.devices.set(late.network.peer, 'active')
    world.registry.change()
    await reach('the session', () => device.sync.peers().length === 1)
    await network.close()
  })

  test('a workspace that is taken away is exchanged no more', async () => {
    const other = world.peer()
    const log = createFakeLog('other')
    other.sync.attach(HANDLE, asLog(log))
    await other.sync.start()
    await connect(other, device)
    await reach('equal', () => log.disk.size === 5)
    world.registry.handles.clear()
    world.registry.change()
    await clock.advance(100)
    await device.log.commit('secret')
    await clock.advance(1000)
    expect(log.disk.size).toBe(5)
    expect(device.sync.peers()).toHaveLength(1)
  })
})

describe('an admitted peer that breaks the protocol', () => {
  const envelope = (size: number) => new Uint8Array(size)
  const offer: Message = { type: 'offer', handles: [HANDLE] }
  const commits = (batch: number, envelopes: Uint8Array[]): Message => ({
    type: 'commits',
    handle: HANDLE,
    batch,
    want: undefined,
    report: undefined,
    envelopes,
  })
  const violations: Record<string, (raw: RawPeer) => Promise<void>> = {
    'sends garbage': (raw) => raw.frame(Uint8Array.of(1, 2, 3)),
    'sends an empty frame': (raw) => raw.frame(new Uint8Array()),
    'sends an unknown message': (raw) => raw.frame(encodeCbor(['nonsense', {}])),
    'sends another map': (raw) => raw.frame(encodeCbor(['ping', { n: 1, more: 2 }])),
    'sends a map that is not canonical': (raw) =>
      raw.frame(Uint8Array.from([0x82, 0x64, 0x70, 0x69, 0x6e, 0x67, 0xa1, 0x61, 0x6e, 0x18, 0x01])),
    'sends bytes after the message': (raw) =>
      raw.frame(Uint8Array.from([...encodeMessage({ type: 'ping', n: 1 }), 0])),
    'says hello again': (raw) => raw.send(hello()),
    'acknowledges what was never sent': (raw) =>
      raw.send({ type: 'ack', handle: HANDLE, batches: [9], held: 0, rejected: 0, report: undefined }),
    'repeats a batch number': async (raw) => {
      await raw.send(commits(1, [envelope(1)]))
      await raw.send(commits(1, [envelope(1)]))
    },
    'sends more than its credit': async (raw) => {
      device.log.state.gate = new Promise(() => {})
      await raw.send(offer)
      const count = CREDIT / MAX_ENVELOPE_BYTES + 2
      for (let batch = 1; batch <= count; batch++) {
        await raw.send(commits(batch, [envelope(MAX_ENVELOPE_BYTES)])).catch(() => {})
      }
    },
    'sends a batch beyond the limit': (raw) => raw.send(commits(1, [envelope(262_000), envelope(262_144)])),
    'reports feeds out of order': (raw) => {
      const body = {
        handle: new Uint8Array(32),
        report: {
          reset: true,
          complete: false,
          heads: [
            [new Uint8Array(32).fill(2), 1, new Uint8Array(32)],
            [new Uint8Array(32).fill(1), 1, new Uint8Array(32)],
          ],
        },
      }
      return raw.frame(encodeCbor(['have', body]))
    },
    'says that a frame of 4 GiB follows': (raw) =>
      raw.stream.send(Uint8Array.of(0x80, 0x80, 0x80, 0x80, 0x10)),
    'never ends a length': (raw) => raw.stream.send(new Uint8Array(64).fill(0xff)),
    'nests a hundred thousand lists': (raw) =>
      raw.frame(
        Uint8Array.from([0x82, 0x64, 0x68, 0x61, 0x76, 0x65, ...new Uint8Array(100_000).fill(0x81), 0]),
      ),
  }
  for (const [name, violate] of Object.entries(violations)) {
    test(`${name}: is disconnected`, async () => {
      const { network, raw } = await insider()
      await violate(raw).catch(() => {})
      await reach('the end', () => network.connections().length === 0, 5000)
      expect(device.sync.peers()).toHaveLength(0)
      expect(device.closed).toEqual(['MESSAGE_INVALID'])
      expect(device.log.disk.size).toBe(5)
    })
  }

  test('forwards commits that it should have refused: a few cost it nothing, many its session', async () => {
    const { network, raw } = await insider()
    await raw.send(offer)
    for (let batch = 1; batch <= 4; batch++) await raw.send(commits(batch, [Uint8Array.of(0xff)]))
    await reach('acks', () => said(raw).filter((type) => type === 'ack').length === 4)
    expect(device.sync.peers()).toHaveLength(1)
    await raw.send(commits(5, [Uint8Array.of(0xff)]))
    await reach('the end', () => network.connections().length === 0, 5000)
    await dial(network)
    const again = await rawPeer(network, device.network.peer)
    await reach('the end', () => again.ended !== undefined, 2000)
    expect(byes(again)).toEqual(['BUSY'])
    expect(again.heard[0]).toMatchObject({ retryAfter: expect.any(Number) })
  })

  test('floods it with pings: it is read more slowly, and answers are bounded', async () => {
    const { raw } = await insider()
    let sent = 0
    const flood = async () => {
      for (; sent < 50_000; sent++) await raw.send({ type: 'ping', n: 1 })
    }
    const flooding = flood().catch(() => {})
    await clock.advance(1000)
    expect(said(raw).filter((type) => type === 'pong').length).toBeLessThan(2000 + 500 + 100)
    await world.close()
    await flooding
    expect(sent).toBeLessThan(50_000)
  })

  test('asks for workspaces that are not shared: hears nothing of them', async () => {
    const { raw } = await insider()
    const secret = '77'.repeat(32)
    world.registry.handles.add(secret)
    const log = createFakeLog('secret')
    await log.commit('x')
    world.registry.handles.delete(secret)
    device.sync.attach(secret, asLog(log))
    await raw.send({ type: 'offer', handles: [secret] })
    await raw.send({ type: 'want', handle: secret, want: 1, heads: new Map() })
    await raw.send({ ...commits(1, [envelope(10)]), handle: secret } as Message)
    await reach('the ack', () => said(raw).includes('ack'))
    await clock.advance(1000)
    const about = raw.heard.filter((message) => 'handle' in message && message.handle === secret)
    expect(about).toEqual([
      { type: 'ack', handle: secret, batches: [1], held: 0, rejected: 0, report: undefined },
    ])
    expect(log.disk.size).toBe(1)
  })
})

describe('sessions', () => {
  test('a peer that restarted takes the place of its former session', async () => {
    const { network } = await insider()
    const again = await rawPeer(network, device.network.peer)
    await again.send(hello({ boot: '01'.repeat(16) }))
    await reach('hello', () => said(again).includes('hello'))
    await again.send({ type: 'ready' })
    await reach('the new one', () => said(again).includes('offer'))
    expect(device.sync.peers()).toHaveLength(1)
    expect(device.closed).toEqual([undefined])
  })

  test('two that call each other at once end up with one session', async () => {
    for (let i = 0; i < 20; i++) {
      const [a, b] = [world.peer(), world.peer()]
      await a.sync.start()
      await b.sync.start()
      await connect(a, b)
      const one = () => a.sync.peers().length === 1 && b.sync.peers().length === 1
      await reach('a session', one, 200)
      await clock.advance(5000)
      expect(one()).toBe(true)
      await Promise.all([a.sync.close(), b.sync.close()])
    }
  })

  test('a peer that is silent is pinged, then given up', async () => {
    const { raw } = await insider()
    await reach('a ping', () => said(raw).includes('ping'), 20_000)
    expect(device.sync.peers()).toHaveLength(1)
    await reach('the end', () => device.sync.peers().length === 0, 60_000)
    expect(device.closed).toEqual(['TIMEOUT'])
  })

  test('a peer that answers pings is kept, however long nothing happens', async () => {
    const other = world.peer()
    await other.sync.start()
    await connect(other, device)
    await reach('the session', () => device.sync.peers().length === 1)
    await clock.advance(3_600_000)
    expect(device.sync.peers()).toHaveLength(1)
    expect(device.closed).toEqual([])
  })

  test('a cable that is pulled is noticed within a minute; the session comes back with the cable', async () => {
    const other = world.peer()
    await other.sync.start()
    await connect(other, device)
    await reach('the session', () => device.sync.peers().length === 1)
    world.hub.partition([[device.network.peer], [other.network.peer]], { silent: true })
    await reach('notice', () => device.sync.peers().length === 0, 61_000)
    world.hub.heal()
    await clock.advance(1000)
    await connect(other, device)
    await reach('the session again', () => device.sync.peers().length === 1, 5000)
  })

  test('a wrong clock on the other side shows', async () => {
    const network = world.network(false)
    world.registry.devices.set(network.peer, 'active')
    await dial(network)
    const raw = await rawPeer(network, device.network.peer)
    await raw.send(hello({ time: clock.now() + 86_400_000 }))
    await raw.send({ type: 'ready' })
    await reach('the session', () => device.sync.peers().length === 1)
    expect(device.sync.peers()[0]?.clockOffset).toBe(86_400_000)
  })

  test('close says goodbye, ends every session and leaves nothing behind', async () => {
    const other = world.peer()
    const closed: unknown[] = []
    other.sync.on('closed', (_, reason) => closed.push(reason))
    await other.sync.start()
    await connect(other, device)
    await reach('the session', () => device.sync.peers().length === 1)
    await other.sync.close()
    await reach('the end', () => device.sync.peers().length === 0, 0)
    expect(closed).toEqual([undefined])
    await other.sync.close()
    await expect(other.sync.start()).rejects.toMatchObject({ code: 'CLOSED' })
    expect(other.authorized.get(device.network.peer)).toEqual(new Set())
  })
})
