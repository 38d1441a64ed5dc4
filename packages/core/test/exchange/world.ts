import type { CID } from 'multiformats/cid'
import { blockCid } from '../../src/content/block-cid.js'
import { toHex } from '../../src/encoding/bytes.js'
import { sha256Now } from '../../src/encoding/derive.js'
import { createExchange, type ExchangeInit } from '../../src/exchange/exchange.js'
import type { Exchange } from '../../src/exchange/types.js'
import { systemClock } from '../../src/platform/system-clock.js'
import type { Block } from '../../src/ports/block-store.js'
import type { Network } from '../../src/ports/network.js'
import type { ManualClock } from '../../src/testing/manual-clock.js'
import { MemoryBlockStore } from '../../src/testing/memory-block-store.js'
import {
  createMemoryHub,
  createMemoryNetwork,
  type MemoryHub,
  type MemoryHubInit,
} from '../../src/testing/memory-network.js'
import { createSeededRandom } from '../../src/testing/seeded-random.js'

export const HANDLE = 'ab'.repeat(32)
export const OTHER_HANDLE = 'cd'.repeat(32)

/** Counts what passes, so that tests can tell who did what. */
export class CountingStore extends MemoryBlockStore {
  gets: string[] = []
  puts: string[] = []
  /** Awaited before each write. */
  beforePut: () => Promise<void> = async () => {}
  beforeGet: () => Promise<void> = async () => {}

  override async get(cid: CID, options?: { signal?: AbortSignal }) {
    this.gets.push(cid.toString())
    await this.beforeGet()
    return super.get(cid, options)
  }

  override async put(blocks: readonly Block[], options?: { signal?: AbortSignal }) {
    await this.beforePut()
    await super.put(blocks, options)
    this.puts.push(...blocks.map(({ cid }) => cid.toString()))
  }
}

export interface Peer {
  network: Network
  exchange: Exchange
  store: CountingStore
  faults: string[]
}

export interface World {
  hub: MemoryHub
  peers: Peer[]
  close(): Promise<void>
}

/** Peers that share `HANDLE`, all connected with each other unless told otherwise. */
export async function createWorld(
  count: number,
  init: MemoryHubInit & {
    limits?: ExchangeInit['limits']
    rates?: ExchangeInit['rates'][]
    connected?: boolean
  } = {},
): Promise<World> {
  const hub = createMemoryHub(init)
  const clock = init.clock ?? systemClock
  const peers = Array.from({ length: count }, (_, i) => createPeer(hub, clock, init.limits, init.rates?.[i]))
  if (init.connected !== false) {
    for (const a of peers) {
      for (const b of peers) if (a !== b) await driven(clock, connect(a, b))
    }
  }
  return { hub, peers, close: () => closeAll(peers) }
}

function createPeer(
  hub: MemoryHub,
  clock: ExchangeInit['clock'],
  limits: ExchangeInit['limits'],
  rates: ExchangeInit['rates'],
): Peer {
  const network = createMemoryNetwork(hub)
  const store = new CountingStore()
  const faults: string[] = []
  const onFault = (peer: string, error: Error) => void faults.push(`${peer} ${error.message}`)
  const exchange = createExchange({ network, clock, limits, rates, onFault })
  exchange.attach(HANDLE, store)
  return { network, exchange, store, faults }
}

/** One way: `a` dials `b`, and each lets the other read. */
export async function connect(a: Peer, b: Peer): Promise<void> {
  a.exchange.authorize(b.network.peer, new Set([HANDLE]))
  b.exchange.authorize(a.network.peer, new Set([HANDLE]))
  await a.network.dial({ addresses: b.network.addresses() })
}

async function closeAll(peers: readonly Peer[]): Promise<void> {
  for (const peer of peers) {
    await peer.exchange.close()
    await peer.network.close()
  }
}

/** Lets a manual clock run until a promise is settled. */
export async function driven<T>(clock: object, promise: Promise<T>): Promise<T> {
  let settled = false
  const watched = promise.finally(() => {
    settled = true
  })
  watched.catch(() => {})
  while (!settled && 'step' in clock) await (clock as ManualClock).step()
  return watched
}

export function createBlocks(count: number, size = 1000, seed: string | number = 0): Block[] {
  const random = createSeededRandom(`blocks ${seed}`)
  return Array.from({ length: count }, () => {
    const bytes = new Uint8Array(size)
    bytes.set(random.bytes(Math.min(size, 32)))
    return createBlock(bytes)
  })
}

export function createBlock(bytes: Uint8Array): Block {
  return { cid: blockCid(sha256Now(bytes)), bytes }
}

export const cidsOf = (blocks: readonly Block[]) => blocks.map(({ cid }) => cid)
export const digestOf = (block: Block) => toHex(block.cid.multihash.digest)

export async function holdsAll(store: MemoryBlockStore, blocks: readonly Block[]): Promise<boolean> {
  return (await store.has(cidsOf(blocks))).every(Boolean)
}
