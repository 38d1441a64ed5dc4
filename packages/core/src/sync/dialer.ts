import { withDeadline } from '../async/deadline.js'
import { Emitter } from '../async/emitter.js'
import { isCircuit } from '../encoding/circuit-address.js'
import { PeerfoldError } from '../errors.js'
import type { Clock } from '../ports/clock.js'
import type { Network, PeerConnection, PeerId } from '../ports/network.js'
import type { Random } from '../ports/random.js'
import { Addresses, type AddressStore } from './addresses.js'
import { Backoff } from './backoff.js'
import { MAX_ADDRESSES, MAX_PEERS } from './limits.js'
import { MeetingPlaces } from './meeting-places.js'
import { Solitude } from './solitude.js'
import type { AddressBook } from './types.js'
import { watchForSleep } from './wake-up.js'

const BACKOFF = { first: 1000, most: 300_000 }
const DIAL_MS = 8000
const MAX_DIALS = 8
/** Peers that showed themselves and are no devices of ours, or not yet. */
const MAX_STRANGERS = 64
export interface DialerInit {
  network: Network
  clock: Clock
  random: Random
  store: AddressStore
  /** The devices to stay connected with, this one not among them. */
  devices: () => Array<{ peer: PeerId; name: string }>
  /** Discovery keys of the workspaces, under which devices find each other in the DHT. @default none */
  discoveryKeys?: () => Uint8Array[]
}

/** How things stand with one device. */
export interface Way {
  peer: PeerId
  name: string
  connected: boolean
  /** A way is being tried, or will be at once. */
  trying: boolean
  /** Why it is not connected, as far as known. */
  reason: string | undefined
}

export interface DialerEvents {
  /** `NO_PATH` with `details.reasons` by device name, or undefined when it is over. */
  problem: (problem: PeerfoldError | undefined) => void
}

/** Keeps this device connected to the user's other devices, by the addresses that it knows, hears of and finds. */
export interface Dialer extends AddressBook {
  start(): Promise<void>
  /** `devices` or `discoveryKeys` may give other answers now. */
  changed(): void
  /** Network changed, machine woke up, or a person is waiting: tries all at once, with fresh patience. */
  hurry(): void
  ways(): Way[]
  readonly problem: PeerfoldError | undefined
  on<E extends keyof DialerEvents>(event: E, listener: DialerEvents[E]): () => void
  close(): Promise<void>
}

/**
 * @example
 * ```ts
 * const dialer = createDialer({ network, clock, random, store, devices: () => known })
 * await dialer.start()
 * dialer.on('problem', (problem) => console.error(problem?.message))
 * ```
 */
export function createDialer(init: DialerInit): Dialer {
  return new DeviceDialer(init)
}

interface Target {
  name: string
  addresses: Addresses
  backoff: Backoff
  dialing: boolean
  waiting: AbortController | undefined
  reason: string | undefined
}

class DeviceDialer implements Dialer {
  readonly #init: DialerInit
  readonly #targets = new Map<PeerId, Target>()
  readonly #strangers = new Map<PeerId, readonly string[]>()
  readonly #events = new Emitter<DialerEvents & { change: () => void }>()
  readonly #closing = new AbortController()
  readonly #tasks = new Set<Promise<unknown>>()
  #unsubscribe: Array<() => void> = []
  #dials = 0
  readonly #solitude: Solitude
  readonly #meetingPlaces: MeetingPlaces

  constructor(init: DialerInit) {
    this.#init = init
    const { network, clock, discoveryKeys = () => [] } = init
    this.#solitude = new Solitude({
      clock,
      isAlone: () => this.#isAlone(),
      describe: () => this.#noPath(),
      onChange: (problem) => this.#events.emit('problem', problem),
    })
    this.#meetingPlaces = new MeetingPlaces({
      network,
      clock,
      discoveryKeys,
      isSearching: () => this.ways().some(({ connected }) => !connected),
      found: (peer, addresses) => this.learn(peer, addresses),
    })
  }

  async start(): Promise<void> {
    this.#closing.signal.throwIfAborted()
    const { network } = this.#init
    this.#unsubscribe = [
      network.on('connect', (connection) => this.#connected(connection)),
      network.on('reroute', (connection) => this.#connected(connection)),
      network.on('disconnect', (peer) => this.#disconnected(peer)),
      network.on('discover', (peer, addresses) => this.#discovered(peer, addresses)),
      network.on('addresses', () => this.#networkChanged()),
    ]
    await this.#update()
    const { signal } = this.#closing
    this.#track(watchForSleep(this.#init.clock, () => this.hurry(), { signal }))
    if (this.#init.discoveryKeys !== undefined) this.#track(this.#meetingPlaces.run({ signal }))
    this.#solitude.judge()
  }

  changed(): void {
    this.#track(this.#update())
    this.#meetingPlaces.nudge()
  }

  hurry(): void {
    for (const [peer, target] of this.#targets) this.#now(peer, target)
  }

  known(): Array<{ peer: PeerId; addresses: string[] }> {
    const { network } = this.#init
    const others = [...this.#targets].map(([peer, { addresses }]) => ({
      peer,
      addresses: addresses.proven(),
    }))
    const all = [{ peer: network.peer, addresses: network.addresses() }, ...others]
    return all.filter(({ addresses }) => addresses.length > 0).slice(0, MAX_PEERS)
  }

  learn(peer: PeerId, addresses: readonly string[]): void {
    const target = this.#targets.get(peer)
    if (target === undefined || !target.addresses.heard(addresses)) return
    this.#save(peer, target)
    this.#now(peer, target)
  }

  onChange(listener: () => void): () => void {
    return this.#events.on('change', listener)
  }

  ways(): Way[] {
    return [...this.#targets].map(([peer, { name, reason, dialing }]) => {
      const connected = this.#isConnected(peer)
      return { peer, name, connected, trying: dialing && !connected, reason: connected ? undefined : reason }
    })
  }

  get problem(): PeerfoldError | undefined {
    return this.#solitude.problem
  }

  on<E extends keyof DialerEvents>(event: E, listener: DialerEvents[E]): () => void {
    return this.#events.on(event as keyof DialerEvents, listener)
  }

  async close(): Promise<void> {
    if (!this.#closing.signal.aborted) {
      this.#closing.abort(new PeerfoldError('CLOSED', 'the dialer was closed'))
      for (const unsubscribe of this.#unsubscribe) unsubscribe()
      for (const { waiting } of this.#targets.values()) waiting?.abort()
      this.#solitude.stop()
    }
    await Promise.allSettled(this.#tasks)
    this.#events.clear()
  }

  /** Takes up new devices, lets go of those that left. */
  async #update(): Promise<void> {
    const devices = new Map(this.#init.devices().map(({ peer, name }) => [peer, name]))
    for (const [peer, target] of this.#targets) {
      if (devices.has(peer)) continue
      target.waiting?.abort()
      this.#targets.delete(peer)
    }
    for (const [peer, name] of devices) {
      const target = this.#targets.get(peer)
      if (target !== undefined) target.name = name
      else await this.#take(peer, name)
    }
    this.#solitude.judge()
  }

  async #take(peer: PeerId, name: string): Promise<void> {
    const { store, random } = this.#init
    const stored = await store.get(peer, { signal: this.#closing.signal })
    if (this.#targets.has(peer)) return
    const target: Target = {
      name,
      addresses: new Addresses(stored),
      backoff: new Backoff({ ...BACKOFF, random }),
      dialing: false,
      waiting: undefined,
      reason: 'no address is known',
    }
    this.#targets.set(peer, target)
    target.addresses.heard(this.#strangers.get(peer) ?? [])
    this.#strangers.delete(peer)
    const connection = this.#init.network.connections().find((each) => each.peer === peer)
    if (connection === undefined) this.#now(peer, target)
    else this.#connected(connection)
  }

  #now(peer: PeerId, target: Target): void {
    target.waiting?.abort()
    target.waiting = undefined
    target.backoff.reset()
    if (!target.dialing) this.#track(this.#dial(peer, target))
  }

  #later(peer: PeerId, target: Target): void {
    target.waiting?.abort()
    const waiting = new AbortController()
    target.waiting = waiting
    const wake = () => {
      if (target.waiting === waiting) this.#track(this.#dial(peer, target))
    }
    this.#init.clock.sleep(target.backoff.next(), { signal: waiting.signal }).then(wake, () => {})
  }

  async #dial(peer: PeerId, target: Target): Promise<void> {
    const addresses = this.#untried(peer, target)
    const useless = target.dialing || addresses.length === 0 || this.#targets.get(peer) !== target
    if (useless || this.#closing.signal.aborted) return
    if (this.#dials >= MAX_DIALS) return this.#later(peer, target)
    target.dialing = true
    target.reason = `dialling ${addresses.join(', ')}`
    this.#dials++
    try {
      await this.#dialOnce(peer, addresses)
    } catch (error) {
      target.reason = error instanceof Error ? error.message : String(error)
    } finally {
      target.dialing = false
      this.#dials--
    }
    if (!this.#isDirect(peer) && !this.#closing.signal.aborted) this.#later(peer, target)
  }

  /** Whoever is reached by a circuit only is still dialled where a direct way may be. */
  #untried(peer: PeerId, { addresses }: Target): string[] {
    if (this.#isDirect(peer)) return []
    return addresses.all().filter((address) => !this.#isConnected(peer) || !isCircuit(address))
  }

  #dialOnce(peer: PeerId, addresses: string[]): Promise<PeerConnection> {
    const { clock, network } = this.#init
    const dial = (signal: AbortSignal) => network.dial({ peer, addresses }, { signal })
    return withDeadline(clock, DIAL_MS, 'dialling', dial, { signal: this.#closing.signal })
  }

  /** A peer may show itself before it is paired, and not again. */
  #discovered(peer: PeerId, addresses: readonly string[]): void {
    if (this.#targets.has(peer)) {
      this.learn(peer, addresses)
      return
    }
    this.#strangers.delete(peer)
    this.#strangers.set(peer, addresses.slice(0, MAX_ADDRESSES))
    const [oldest] = this.#strangers.keys()
    if (this.#strangers.size > MAX_STRANGERS && oldest !== undefined) this.#strangers.delete(oldest)
  }

  #connected({ peer, address, direction, carrier }: PeerConnection): void {
    const target = this.#targets.get(peer)
    if (target === undefined) return
    target.waiting?.abort()
    target.waiting = undefined
    target.backoff.reset()
    target.reason = 'the connection was lost'
    if (carrier === 'circuit') this.#later(peer, target)
    this.#solitude.judge()
    // the address of one who called us is where it called from, not where it listens
    if (direction === 'inbound' || !target.addresses.worked(address)) return
    this.#save(peer, target)
    this.#events.emit('change')
  }

  #disconnected(peer: PeerId): void {
    const target = this.#targets.get(peer)
    if (target === undefined) return
    this.#later(peer, target)
    this.#solitude.judge()
  }

  #networkChanged(): void {
    this.hurry()
    this.#meetingPlaces.nudge()
    this.#events.emit('change')
  }

  #isConnected(peer: PeerId): boolean {
    return this.#init.network.connections().some((connection) => connection.peer === peer)
  }

  #isDirect(peer: PeerId): boolean {
    const connection = this.#init.network.connection(peer)
    return connection !== undefined && connection.carrier !== 'circuit'
  }

  #save(peer: PeerId, target: Target): void {
    const { signal } = this.#closing
    this.#track(this.#init.store.put(peer, target.addresses.all(), { signal }))
  }

  #isAlone(): boolean {
    if (this.#closing.signal.aborted) return false
    return this.#targets.size > 0 && ![...this.#targets.keys()].some((peer) => this.#isConnected(peer))
  }

  #noPath(): PeerfoldError {
    const reasons = Object.fromEntries(this.ways().map(({ name, reason }) => [name, reason ?? '']))
    const shown = Object.entries(reasons).map(([name, reason]) => `${name}: ${reason}`)
    return new PeerfoldError('NO_PATH', `no way to any of ${shown.length} device(s): ${shown.join('; ')}`, {
      details: { reasons },
    })
  }

  #track(task: Promise<unknown>): void {
    const settled = task.catch(() => {}).finally(() => this.#tasks.delete(settled))
    this.#tasks.add(settled)
  }
}
