import {
  type PeerId as Libp2pPeerId,
  type Listener,
  type ListenerEvents,
  type Transport,
  TypedEventEmitter,
} from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import type { Libp2pOptions } from 'libp2p'
import { PeerfoldError } from '../errors.js'
import type { Clock } from '../ports/clock.js'
import type { PeerId } from '../ports/network.js'

export type TransportFactory = NonNullable<Libp2pOptions['transports']>[number]
type Components = Parameters<TransportFactory>[0]

/** What libp2p's circuit transport has beside what its type says. */
interface CircuitTransport extends Transport {
  readonly reservationStore: ReservationStore
}

interface ReservationStore {
  addRelay(relay: Libp2pPeerId, type: 'configured'): Promise<unknown>
  hasReservation(relay: Libp2pPeerId): boolean
  /** Peers that once failed, which it would not ask again for as long as the process runs. */
  readonly relayFilter: { remove?(relay: Uint8Array): boolean }
  addEventListener(
    type: 'relay:created-reservation' | 'relay:removed',
    listener: (event: CustomEvent<ReservationEvent>) => void,
  ): void
}

interface ReservationEvent {
  relay: Libp2pPeerId
  details: { reservation: { addrs: Uint8Array[] } }
}

const CIRCUIT = '/p2p-circuit'
/** Until a relay that gave no slot is asked again, milliseconds: it may be full now, and others go. */
const RETRY_MS = 60_000

/**
 * How a device is reached through its relays: a slot at each that it is connected with (circuit relay v2), asked for again whenever the
 * connection or the slot is lost. libp2p itself would take a slot at any peer that offers one, and walk the DHT to find more.
 */
export class Circuits {
  readonly #create: TransportFactory
  readonly #clock: Clock
  readonly #listener = new CircuitListener()
  readonly #reservations = new Map<PeerId, Multiaddr[]>()
  readonly #asking = new Set<PeerId>()
  readonly #stop = new AbortController()
  #relays: ReadonlySet<PeerId> = new Set()
  #components: Components | undefined
  #store: ReservationStore | undefined

  /** @param create libp2p's circuit transport */
  constructor(create: TransportFactory, clock: Clock) {
    this.#create = create
    this.#clock = clock
  }

  /** To be given to libp2p. */
  readonly transport: TransportFactory = (components) => {
    const transport = this.#create(withoutListen(components)) as CircuitTransport
    this.#components = components
    this.#store = transport.reservationStore
    this.#store.addEventListener('relay:created-reservation', ({ detail }) => {
      this.#show(detail.relay.toString(), detail.details.reservation.addrs)
    })
    this.#store.addEventListener('relay:removed', ({ detail }) => this.#onRemoved(detail.relay.toString()))
    components.events.addEventListener('peer:connect', ({ detail }) => this.#reserve(detail.toString()))
    transport.createListener = () => this.#listener
    return transport
  }

  /** The node has started. Not among the addresses that it listens on, since those it refuses only where none of them works. */
  async start(): Promise<void> {
    await this.#components?.transportManager.listen([multiaddr(CIRCUIT)])
  }

  /** Whether circuits through this peer are taken. */
  uses(relay: PeerId): boolean {
    return this.#relays.has(relay)
  }

  /** Through these from now on, and no others. */
  use(relays: readonly PeerId[]): void {
    this.#relays = new Set(relays)
    this.#announce()
    for (const relay of this.#relays) this.#reserve(relay)
  }

  close(): void {
    this.#stop.abort()
  }

  #reserve(relay: PeerId): void {
    if (!this.#lacks(relay) || this.#asking.has(relay)) return
    this.#asking.add(relay)
    void this.#ask(relay).finally(() => this.#asking.delete(relay))
  }

  /** Until there is a slot, or no connection to ask over. */
  async #ask(relay: PeerId): Promise<void> {
    const { signal } = this.#stop
    const id = peerIdFromString(relay)
    while (this.#lacks(relay)) {
      this.#store?.relayFilter.remove?.(id.toMultihash().bytes)
      await this.#store?.addRelay(id, 'configured').catch(() => {})
      if (this.#lacks(relay)) await this.#clock.sleep(RETRY_MS, { signal }).catch(() => {})
    }
  }

  #lacks(relay: PeerId): boolean {
    if (this.#stop.signal.aborted || this.#components === undefined || !this.#relays.has(relay)) return false
    const id = peerIdFromString(relay)
    const connected = this.#components.connectionManager.getConnections(id).length > 0
    return connected && this.#store?.hasReservation(id) === false
  }

  #onRemoved(relay: PeerId): void {
    this.#reservations.delete(relay)
    this.#announce()
    this.#reserve(relay)
  }

  #show(relay: PeerId, addresses: readonly Uint8Array[]): void {
    this.#reservations.set(relay, chosen(addresses.map((bytes) => multiaddr(bytes))))
    this.#announce()
  }

  #announce(): void {
    const used = [...this.#reservations].filter(([relay]) => this.#relays.has(relay))
    const addresses = used.flatMap(([, shown]) => shown.map((address) => address.encapsulate(CIRCUIT)))
    const { addressManager } = this.#components ?? {}
    for (const address of this.#listener.getAddrs()) addressManager?.removeObservedAddr(address)
    // Otherwise those of public relays count as unproven, and are not told.
    for (const address of addresses) addressManager?.confirmObservedAddr(address, { type: 'transport' })
    this.#listener.show(addresses)
  }
}

/** The way by which this device reached its relay, which comes first, and one that browsers can take. */
function chosen(addresses: readonly Multiaddr[]): Multiaddr[] {
  const [reached] = addresses
  if (reached === undefined || isWeb(reached)) return reached === undefined ? [] : [reached]
  const web = addresses.filter(isWeb)
  const near = web.find((address) => hostOf(address) === hostOf(reached)) ?? web[0]
  return near === undefined ? [reached] : [reached, near]
}

function isWeb(address: Multiaddr): boolean {
  return address.getComponents().some(({ name }) => name === 'ws' || name === 'wss')
}

function hostOf(address: Multiaddr): string | undefined {
  return address.getComponents()[0]?.value
}

/** libp2p would listen through whatever peer brings a circuit: any could have itself announced as a way to this device. */
function withoutListen(components: Components): Components {
  const transportManager = {
    listen: async () => {
      throw new PeerfoldError('UNAUTHORIZED', 'circuits come through relays of this device only')
    },
  }
  return Object.create(components, { transportManager: { value: transportManager } }) as Components
}

/** The addresses of all reservations, as libp2p asks for them. */
class CircuitListener extends TypedEventEmitter<ListenerEvents> implements Listener {
  #addresses: Multiaddr[] = []

  async listen(): Promise<void> {}

  getAddrs(): Multiaddr[] {
    return this.#addresses
  }

  updateAnnounceAddrs(): void {}

  show(addresses: Multiaddr[]): void {
    const before = this.#addresses.join(' ')
    this.#addresses = addresses
    if (addresses.join(' ') !== before) this.safeDispatchEvent('listening')
  }

  async close(): Promise<void> {
    this.#addresses = []
    this.safeDispatchEvent('close')
  }
}
