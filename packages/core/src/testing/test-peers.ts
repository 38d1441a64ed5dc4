import { MemoryLevel } from 'memory-level'
import { peerIdOfKey } from '../access/peer-key.js'
import type { Peerfold } from '../api.js'
import { createWebCrypto } from '../crypto/web-crypto.js'
import type { Home, WorkspaceStores } from '../device/components.js'
import { createPeerfold } from '../device/peerfold.js'
import { systemClock } from '../platform/system-clock.js'
import type { Clock } from '../ports/clock.js'
import type { Crypto } from '../ports/crypto.js'
import type { KeyValue } from '../ports/key-value.js'
import type { LogStore } from '../ports/log-store.js'
import type { Random } from '../ports/random.js'
import { MemoryBlockStore } from './memory-block-store.js'
import { createMemoryLogStore } from './memory-log-store.js'
import { createMemoryHub, createMemoryNetwork, type MemoryHub } from './memory-network.js'
import { createSeededRandom } from './seeded-random.js'

/** A home that lives as long as its object: a device can be closed and opened again over it. */
export class MemoryHome implements Home {
  readonly key: Uint8Array
  #journal: LogStore | undefined
  readonly #workspaces = new Map<string, WorkspaceStores>()

  constructor(random: Random) {
    this.key = random.bytes(32)
  }

  async journal(): Promise<LogStore> {
    this.#journal ??= createMemoryLogStore()
    return staysOpen(this.#journal)
  }

  async workspace(id: string): Promise<WorkspaceStores> {
    const existing = this.#workspaces.get(id)
    if (existing !== undefined) return keepOpen(existing)
    const index: KeyValue = new MemoryLevel<string, Uint8Array>({
      keyEncoding: 'utf8',
      valueEncoding: 'view',
    })
    const made = { log: createMemoryLogStore(), blocks: new MemoryBlockStore(), index }
    this.#workspaces.set(id, made)
    return keepOpen(made)
  }

  /** What a device lost with its index. */
  async loseIndex(): Promise<void> {
    for (const { index } of this.#workspaces.values()) await index.clear()
  }

  async removeWorkspace(id: string): Promise<void> {
    this.#workspaces.delete(id)
  }

  async close(): Promise<void> {}
}

export interface TestPeers extends AsyncDisposable {
  readonly hub: MemoryHub
  readonly devices: Peerfold[]
  /** One more device, of no user yet. */
  add(): Promise<Peerfold>
  /** Closes a device and opens it again over what it had stored. */
  restart(index: number): Promise<Peerfold>
  homeOf(index: number): MemoryHome
}

export interface TestPeersInit {
  /** @default 1 */
  seed?: number
  /** @default the system's */
  clock?: Clock
}

/**
 * Devices of one user in one process, paired and connected by an in-memory network: for tests of apps and of Peerfold itself.
 *
 * @example
 * ```ts
 * await using peers = await createTestPeers(2)
 * const [laptop, desktop] = peers.devices
 * const notes = await laptop.workspaces.create('notes')
 * await notes.write('a.txt', 'hello')
 * await laptop.settled()
 * console.log(await (await desktop.workspaces.open('notes')).read('a.txt').text())
 * ```
 */
export async function createTestPeers(
  count: number,
  { seed = 1, clock = systemClock }: TestPeersInit = {},
): Promise<TestPeers> {
  const random = createSeededRandom(seed)
  const hub = createMemoryHub({ clock })
  const homes = Array.from({ length: count }, () => new MemoryHome(random))
  const open = (index: number) =>
    openTestDevice({ hub, home: homes[index] as MemoryHome, clock, random, name: `device ${index + 1}` })
  const devices: Peerfold[] = []
  const add = async (): Promise<Peerfold> => {
    if (homes.length === devices.length) homes.push(new MemoryHome(random))
    const device = await open(devices.length)
    devices.push(device)
    return device
  }
  for (let index = 0; index < count; index++) await add()
  const [first, ...others] = devices
  if (first !== undefined) await first.identity.create()
  for (const other of others) {
    await using invite = await (first as Peerfold).devices.invite()
    await other.devices.join(invite.ticket)
  }
  return {
    hub,
    devices,
    add,
    homeOf: (index) => homes[index] as MemoryHome,
    restart: async (index) => {
      await devices[index]?.close()
      const device = await open(index)
      devices[index] = device
      return device
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all(devices.map((device) => device.close()))
    },
  }
}

interface TestDeviceInit {
  hub: MemoryHub
  home: MemoryHome
  clock: Clock
  random: Random
  name: string
}

async function openTestDevice({ hub, home, clock, random, name }: TestDeviceInit): Promise<Peerfold> {
  const crypto: Crypto = createWebCrypto()
  const network = async ({ peerSeed }: { peerSeed: Uint8Array }) =>
    createMemoryNetwork(hub, peerIdOfKey(crypto.publicKey(peerSeed)))
  return await createPeerfold({ home, crypto, clock, random, network }, { name })
}

/** Closing a device must not end what its home keeps. */
function keepOpen({ log, blocks, index }: WorkspaceStores): WorkspaceStores {
  return { log: staysOpen(log), blocks: staysOpen(blocks), index: staysOpen(index) }
}

function staysOpen<T extends { close(): Promise<void> }>(store: T): T {
  return new Proxy(store, {
    get: (target, name) => {
      if (name === 'close') return async () => {}
      const value = Reflect.get(target, name, target) as unknown
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}
