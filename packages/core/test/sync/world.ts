import type { DeviceCertificate } from '../../src/access/types.js'
import { toHex } from '../../src/encoding/bytes.js'
import { sha256Now } from '../../src/encoding/derive.js'
import { PeerfoldError } from '../../src/errors.js'
import type { Clock } from '../../src/ports/clock.js'
import type { Network, PeerId } from '../../src/ports/network.js'
import type { Message } from '../../src/sync/messages.js'
import { createSync, type SyncInit } from '../../src/sync/sync.js'
import type { Sync, SyncAuthority } from '../../src/sync/types.js'
import {
  createMemoryHub,
  createMemoryNetwork,
  type MemoryHub,
  type MemoryHubInit,
} from '../../src/testing/memory-network.js'
import { createSeededRandom } from '../../src/testing/seeded-random.js'
import { tap } from './tap.js'

export const USER = 'aa'.repeat(32)
export const HANDLE = '11'.repeat(32)

/** Who is admitted, by PeerId: what all devices of the test agree on. */
export interface Registry {
  devices: Map<PeerId, 'active' | 'revoked'>
  handles: Set<string>
  listeners: Set<() => void>
  change(): void
}

export function createRegistry(handles: string[] = [HANDLE]): Registry {
  const listeners = new Set<() => void>()
  return {
    devices: new Map(),
    handles: new Set(handles),
    listeners,
    change: () => {
      for (const listener of [...listeners]) listener()
    },
  }
}

export interface TestAuthority extends SyncAuthority {
  accepted: string[]
  entries: Uint8Array[]
  ownGrants: Uint8Array[]
  presented: Map<PeerId, Uint8Array[]>
}

export function createAuthority(peer: PeerId, registry: Registry): TestAuthority {
  const authority: TestAuthority = {
    accepted: [],
    entries: [new TextEncoder().encode(`entry of ${peer}`)],
    ownGrants: [],
    presented: new Map(),
    identity: async () => ({ user: USER, entries: authority.entries }),
    admit: async (other, presented) => {
      authority.presented.set(other, presented.entries)
      const state = registry.devices.get(other)
      if (state === undefined || presented.user !== USER)
        throw new PeerfoldError('UNAUTHORIZED', 'who are you')
      if (state === 'revoked') throw new PeerfoldError('DEVICE_REVOKED', 'removed')
      return certificateOf(other)
    },
    handles: async () => registry.handles,
    grants: async () => authority.ownGrants,
    accept: async (_from, grants) => {
      authority.accepted.push(...grants.map(toHex))
    },
    onChange: (listener) => {
      registry.listeners.add(listener)
      return () => registry.listeners.delete(listener)
    },
  }
  return authority
}

export function deviceOf(peer: PeerId): string {
  return toHex(sha256Now(new TextEncoder().encode(peer)))
}

function certificateOf(peer: PeerId): DeviceCertificate {
  const none = new Uint8Array(32)
  return {
    user: USER,
    device: deviceOf(peer),
    signingKey: none,
    boxKey: none,
    peer,
    name: peer.slice(-6),
    time: 0,
    bytes: none,
  }
}

export interface TestPeer {
  network: Network
  /** Sync messages that this peer sent. */
  sent: Array<{ to: PeerId; message: Message; bytes: number }>
  authority: TestAuthority
  sync: Sync
  authorized: Map<PeerId, ReadonlySet<string>>
}

export interface World {
  hub: MemoryHub
  registry: Registry
  peer(init?: Partial<SyncInit> & { as?: PeerId }): TestPeer
  /** A peer that speaks raw bytes. */
  network(admitted?: boolean): Network
  /** Ends a peer's network; its id may come back. */
  drop(peer: PeerId): Promise<void>
  close(): Promise<void>
}

export function createWorld(
  clock: Clock,
  init: MemoryHubInit = {},
  registry: Registry = createRegistry(),
): World {
  const hub = createMemoryHub({ clock, ...init })
  const random = createSeededRandom(`world ${init.seed ?? 0}`)
  const networks: Network[] = []
  const syncs: Sync[] = []
  const network = (admitted = true, as?: PeerId) => {
    const created = createMemoryNetwork(hub, as)
    networks.push(created)
    if (admitted) registry.devices.set(created.peer, 'active')
    return created
  }
  return {
    hub,
    registry,
    network,
    drop: async (peer) => networks.find((each) => each.peer === peer)?.close(),
    peer: ({ as, ...init } = {}) => {
      const own = network(true, as)
      const authority = createAuthority(own.peer, registry)
      const authorized = new Map<PeerId, ReadonlySet<string>>()
      const sent: TestPeer['sent'] = []
      const sync = createSync({
        network: tap(own, sent),
        authority,
        clock,
        random: random.fork(own.peer),
        wanted: (peer) => registry.devices.has(peer),
        onAuthorized: (peer, handles) => authorized.set(peer, handles),
        ...init,
      })
      syncs.push(sync)
      return { network: own, authority, sync, authorized, sent }
    },
    close: async () => {
      for (const each of networks) await each.close()
      await Promise.all(syncs.map((sync) => sync.close()))
    },
  }
}

export async function connect(a: { network: Network }, b: { network: Network }): Promise<void> {
  await a.network.dial({ peer: b.network.peer, addresses: b.network.addresses() })
}

/** Waits for a condition in real time: a deadline, no fixed pause. */
export async function until(what: string, condition: () => boolean, ms = 10_000): Promise<void> {
  const deadline = performance.now() + ms
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`waited ${ms} ms for: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}

/** Moves a manual clock until a condition holds. */
export async function advanceUntil(
  clock: { step(): Promise<boolean>; monotonic(): number; advance(ms: number): Promise<void> },
  what: string,
  condition: () => boolean,
  ms = 3_600_000,
): Promise<void> {
  const limit = clock.monotonic() + ms
  await clock.advance(0)
  while (!condition()) {
    if (clock.monotonic() > limit || !(await clock.step()))
      throw new Error(`in ${ms} ms of the clock not reached: ${what}`)
  }
}

/** Names of the messages that a peer sent, with how often. */
export function tally(peer: TestPeer): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { message } of peer.sent) counts[message.type] = (counts[message.type] ?? 0) + 1
  return counts
}

/** Commits that a peer sent, repeated ones included. */
export function commitsSent(peer: TestPeer): number {
  return peer.sent.reduce(
    (sum, { message }) => sum + (message.type === 'commits' ? message.envelopes.length : 0),
    0,
  )
}
