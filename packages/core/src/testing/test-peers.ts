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
import { createMemoryLogStore, type MemoryLogStore } from './memory-log-store.js'
import { createMemoryHub, createMemoryNetwork, type MemoryHub } from './memory-network.js'
import { createSeededRandom } from './seeded-random.js'

/** What a device keeps: the stores whose writes can be made to fail. */
export type HomeStore = 'journal' | 'log' | 'blocks' | 'index'

interface MemoryStores {
  log: MemoryLogStore
  blocks: MemoryBlockStore
  index: KeyValue
}

/** A home that lives as long as its object: a device can be closed and opened again over it. */
export class MemoryHome implements Home {
  readonly key: Uint8Array
  /** As a browser's: set it before a device is opened. */
  lossy = false
  /**
   * Called around each write to a store, when set. What it throws before one, the write fails with; after one (`done`), the write was made
   * and its caller does not know.
   */
  onWrite: ((store: HomeStore, done: boolean) => void) | undefined
  #journal = createMemoryLogStore()
  #workspaces = new Map<string, MemoryStores>()

  constructor(random: Random) {
    this.key = random.bytes(32)
  }

  async journal(): Promise<LogStore> {
    return this.#lend('journal', this.#journal)
  }

  async workspace(id: string): Promise<WorkspaceStores> {
    const stores = this.stores(id)
    return {
      log: this.#lend('log', stores.log),
      blocks: this.#lend('blocks', stores.blocks),
      index: this.#lend('index', stores.index),
    }
  }

  /** What a workspace's stores hold, for tests that look or meddle. */
  stores(id: string): MemoryStores {
    const existing = this.#workspaces.get(id)
    if (existing !== undefined) return existing
    const made = { log: createMemoryLogStore(), blocks: new MemoryBlockStore(), index: createMemoryIndex() }
    this.#workspaces.set(id, made)
    return made
  }

  /** As a backup would copy it, of a device at rest: another home of the same device. */
  async clone(): Promise<MemoryHome> {
    const copy = new MemoryHome({ bytes: () => this.key })
    copy.#journal = createMemoryLogStore(this.#journal.snapshot())
    for (const [id, { log, blocks, index }] of this.#workspaces) {
      copy.#workspaces.set(id, {
        log: createMemoryLogStore(log.snapshot()),
        blocks: await copyBlocks(blocks),
        index: await copyIndex(index),
      })
    }
    return copy
  }

  /** What a device lost with its index. */
  async loseIndex(): Promise<void> {
    for (const { index } of this.#workspaces.values()) await index.clear()
  }

  async removeWorkspace(id: string): Promise<void> {
    this.#workspaces.delete(id)
  }

  async close(): Promise<void> {}

  /** The store without its end: closing a device must not end what its home keeps. */
  #lend<T extends { close(): Promise<void> }>(name: HomeStore, store: T): T {
    return new Proxy(store, {
      get: (target, property) => {
        if (property === 'close') return async () => {}
        const value = Reflect.get(target, property, target) as unknown
        if (typeof value !== 'function') return value
        if (!WRITES.has(property)) return value.bind(target)
        return async (...args: unknown[]) => {
          this.onWrite?.(name, false)
          const result = await value.apply(target, args)
          this.onWrite?.(name, true)
          return result
        }
      },
    })
  }
}

const WRITES: ReadonlySet<string | symbol> = new Set([
  'append',
  'truncate',
  'put',
  'delete',
  'batch',
  'del',
  'clear',
])

async function copyBlocks(from: MemoryBlockStore): Promise<MemoryBlockStore> {
  const copy = new MemoryBlockStore()
  for await (const cid of from.list()) await copy.put([{ cid, bytes: await from.get(cid) }])
  return copy
}

/** The index as it is at one moment, whoever writes to it meanwhile. */
export async function copyIndex(from: KeyValue): Promise<KeyValue> {
  const copy = createMemoryIndex()
  const entries = await from.iterator().all()
  await copy.batch(entries.map(([key, value]) => ({ type: 'put', key, value })))
  return copy
}

function createMemoryIndex(): KeyValue {
  return new MemoryLevel<string, Uint8Array>({ keyEncoding: 'utf8', valueEncoding: 'view' })
}

export interface TestPeers extends AsyncDisposable {
  readonly hub: MemoryHub
  readonly devices: Peerfold[]
  /** One more device, of no user yet. */
  add(): Promise<Peerfold>
  /** Closes a device and opens it again over what it had stored. */
  restart(index: number): Promise<Peerfold>
  /** Closes a device and opens another home in its place: a backup, a clone. */
  replace(index: number, home: MemoryHome): Promise<Peerfold>
  homeOf(index: number): MemoryHome
}

export interface TestPeersInit {
  /** @default 1 */
  seed?: number
  /** @default the system's */
  clock?: Clock
  /** Of each device that is opened. @default WebCrypto */
  crypto?: () => Crypto
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
  { seed = 1, clock = systemClock, crypto = createWebCrypto }: TestPeersInit = {},
): Promise<TestPeers> {
  const random = createSeededRandom(seed)
  const hub = createMemoryHub({ clock })
  const homes = Array.from({ length: count }, () => new MemoryHome(random))
  const open = (index: number) =>
    openTestDevice({
      hub,
      home: homes[index] as MemoryHome,
      clock,
      random,
      crypto: crypto(),
      name: `device ${index + 1}`,
    })
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
  const replace = async (index: number, home: MemoryHome): Promise<Peerfold> => {
    await devices[index]?.close()
    homes[index] = home
    const device = await open(index)
    devices[index] = device
    return device
  }
  return {
    hub,
    devices,
    add,
    homeOf: (index) => homes[index] as MemoryHome,
    restart: (index) => replace(index, homes[index] as MemoryHome),
    replace,
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
  crypto: Crypto
  name: string
}

async function openTestDevice(init: TestDeviceInit): Promise<Peerfold> {
  const { hub, home, clock, random, crypto, name } = init
  const network = async ({ peerSeed }: { peerSeed: Uint8Array }) =>
    createMemoryNetwork(hub, peerIdOfKey(crypto.publicKey(peerSeed)))
  return await createPeerfold({ home, crypto, clock, random, network }, { name })
}
