import { afterEach, describe, expect, test } from 'vitest'
import { toUtf8 } from '../../src/encoding/bytes.js'
import type { WorkspaceLog } from '../../src/log/types.js'
import { openWorkspaceLog } from '../../src/log/workspace-log.js'
import { createDialer, type Dialer } from '../../src/sync/dialer.js'
import { createDeterministicCrypto } from '../../src/testing/deterministic-crypto.js'
import { createManualClock } from '../../src/testing/manual-clock.js'
import { createMemoryLogStore } from '../../src/testing/memory-log-store.js'
import { createSeededRandom } from '../../src/testing/seeded-random.js'
import { FakeAuthority, memoryDb, memorySecrets, TextConsumer } from '../log/fixtures.js'
import { advanceUntil, commitsSent, createWorld, HANDLE, type TestPeer, type World } from './world.js'

/**
 * Whole devices (real log, sync, dialer) in a world that cuts, splits, delays, crashes and restores them. Whatever happens, once the world
 * is whole again all hold the same. Runs follow from their seed alone: set SYNC_SEED to replay one, and SYNC_RUNS
 * for as many from there on.
 */
const crypto = createDeterministicCrypto({ signatures: 'simulated' })
const FIRST = Number(process.env.SYNC_SEED ?? 1)
const COUNT = Number(process.env.SYNC_RUNS ?? (process.env.SYNC_SEED === undefined ? 4 : 1))
const SEEDS = Array.from({ length: COUNT }, (_, i) => FIRST + i)

/** Of the simulated clock, after the world is whole: the longest wait of a dialer and of a puller. */
const CONVERGED_MS = 1_200_000

interface Device {
  name: string
  id: string
  peer: TestPeer | undefined
  dialer: Dialer | undefined
  log: WorkspaceLog | undefined
  consumer: TextConsumer | undefined
  disk: Uint8Array[]
  backup: Uint8Array[]
  snapshot: () => Uint8Array[]
  authority: FakeAuthority
  secrets: ReturnType<typeof memorySecrets>
  addresses: Map<string, string[]>
}

let world: World | undefined
afterEach(() => world?.close())

async function simulate(seed: number) {
  const clock = createManualClock()
  const random = createSeededRandom(`sync ${seed}`)
  const latency = { least: 1, jitter: random.pick([0, 20, 200]) }
  const bandwidth = random.pick([Number.POSITIVE_INFINITY, 1_000_000, 50_000])
  world = createWorld(clock, { seed, latency, bandwidth, capacity: random.pick([1000, 256 * 1024]) })
  const here = world
  const count = 3 + random.integer(2)
  const devices: Device[] = []
  let said = 0

  const ids = Array.from({ length: count }, () => here.network().peer)
  for (const id of ids) await here.drop(id)

  const start = async (device: Device) => {
    const peer = here.peer({ as: device.id })
    const store = createMemoryLogStore(device.disk)
    device.snapshot = () => store.snapshot()
    const db = memoryDb()
    const consumer = new TextConsumer(db)
    const { authority, secrets } = device
    const log = await openWorkspaceLog({ store, db, authority, consumer, secrets, clock, random, crypto })
    const dialer = createDialer({
      network: peer.network,
      clock,
      random,
      store: {
        get: async (other) => device.addresses.get(other),
        put: async (other, addresses) => void device.addresses.set(other, addresses),
      },
      devices: () => ids.filter((id) => id !== device.id).map((id) => ({ peer: id, name: id })),
    })
    peer.sync.attach(HANDLE, log)
    await peer.sync.start()
    await dialer.start()
    for (const id of ids) dialer.learn(id, [`/memory/${id}/p2p/${id}`])
    Object.assign(device, { peer, dialer, log, consumer })
  }

  const crash = async (device: Device) => {
    device.disk = device.snapshot()
    await device.peer?.network.close()
    const closing = Promise.all([device.dialer?.close(), device.peer?.sync.close(), device.log?.close()])
    let closed = false
    const settled = closing.then(() => {
      closed = true
    })
    await advanceUntil(clock, 'the process ends', () => closed, 60_000)
    await settled
    Object.assign(device, { peer: undefined, dialer: undefined, log: undefined })
  }

  const speak = async (device: Device) => {
    if (device.log === undefined) return
    const size = random.pick([10, 1000, 30_000])
    const updates = [{ shard: 0, update: toUtf8(`${device.name} ${said++} ${'x'.repeat(size)}`) }]
    await device.log.commit(async () => ({ updates }))
  }

  const disturb = async () => {
    const device = random.pick(devices)
    const other = random.pick(devices)
    switch (random.integer(9)) {
      case 0:
        return here.hub.cut(device.id, other.id)
      case 1:
        return here.hub.partition(split(ids, random.integer(count)))
      case 2:
        return here.hub.partition(split(ids, random.integer(count)), { silent: true })
      case 3:
        return here.hub.heal()
      case 4:
        return device.peer === undefined ? start(device) : crash(device)
      case 5:
        device.backup = device.snapshot()
        return
      case 6:
        // a home restored from its backup goes on writing: its feed forks
        if (device.peer !== undefined) await crash(device)
        if (device.backup.length > 0 && random.integer(3) === 0) device.disk = device.backup
        return start(device)
      default:
        return void (await clock.advance(random.integer(60_000)))
    }
  }

  for (const id of ids) {
    const name = `device ${devices.length}`
    const parts = {
      peer: undefined,
      dialer: undefined,
      log: undefined,
      consumer: undefined,
      disk: [],
      backup: [],
    }
    const authority = new FakeAuthority(name)
    const device: Device = {
      name,
      id,
      ...parts,
      snapshot: () => [],
      authority,
      secrets: memorySecrets(),
      addresses: new Map(),
    }
    devices.push(device)
    await start(device)
  }
  for (let step = 0; step < 40; step++) {
    for (let i = random.integer(4); i > 0; i--) await speak(random.pick(devices))
    if (random.integer(2) === 0) await disturb()
    await clock.advance(random.integer(3000))
  }
  here.hub.heal()
  for (const device of devices) if (device.peer === undefined) await start(device)
  const heads = () => devices.map(({ log }) => log?.heads().sort().join() ?? '')
  await advanceUntil(clock, 'equal logs', () => new Set(heads()).size === 1, CONVERGED_MS)
  // and live again: every device hears of every other one's next commit
  for (const device of devices) await speak(device)
  await advanceUntil(clock, 'equal logs after', () => new Set(heads()).size === 1, CONVERGED_MS)
  const states = await Promise.all(
    devices.map(async ({ consumer }) => JSON.stringify(await consumer?.state())),
  )
  return { devices, said, states, heads: heads() }
}

function split(ids: readonly string[], at: number): string[][] {
  return [ids.slice(0, at), ids.slice(at)]
}

describe('any number of partitions, cuts, delays, crashes and restored backups', () => {
  for (const seed of SEEDS) {
    test(`seed ${seed}: all devices end up with everything`, async () => {
      const { states, said, devices } = await simulate(seed)
      expect(new Set(states).size).toBe(1)
      const texts = Object.values(JSON.parse(states[0] as string) as Record<string, string>)
      expect(texts.length).toBeGreaterThan(devices.length)
      expect(texts.length).toBeLessThanOrEqual(said)
      for (const { peer } of devices) expect(commitsSent(peer as TestPeer)).toBeLessThan(20 * said)
    }, 120_000)
  }

  test('the same seed gives the same run', async () => {
    const runs = []
    for (let i = 0; i < 2; i++) {
      runs.push((await simulate(1)).heads)
      await world?.close()
    }
    expect(runs[0]).toEqual(runs[1])
  }, 240_000)
})
