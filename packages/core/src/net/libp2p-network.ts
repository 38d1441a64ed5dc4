import type { Connection, Libp2p, PeerUpdate, Stream } from '@libp2p/interface'
import type { KadDHT } from '@libp2p/kad-dht'
import { peerIdFromString } from '@libp2p/peer-id'
import { Emitter } from '../async/emitter.js'
import { isCircuit } from '../encoding/circuit-address.js'
import { PeerfoldError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'
import type { Clock } from '../ports/clock.js'
import type {
  CarriageOptions,
  Network,
  NetworkEvents,
  NetworkStream,
  PeerConnection,
  PeerId,
  StreamHandler,
} from '../ports/network.js'
import { addressOf, carrierOf, dialOrder, fullAddresses, ownAddresses } from './addresses.js'
import type { Circuits } from './circuits.js'
import { dialFirst } from './dial-first.js'
import { fromLibp2p, reasonOf } from './errors.js'
import { Libp2pStream } from './libp2p-stream.js'
import { Liveness, type LivenessInit } from './liveness.js'
import * as rendezvous from './rendezvous.js'

export interface Libp2pNetworkInit {
  /** A started node. The network stops it at `close`. */
  node: Libp2p<{ dht?: KadDHT }>
  clock: Clock
  /** Longest try of one address, milliseconds. @default 5_000 */
  dialTimeout?: number
  /** Longest negotiation of a stream, milliseconds. @default 10_000 */
  openTimeout?: number
  /** Of the same node. @default it cannot be reached by circuits */
  circuits?: Circuits | undefined
  liveness?: Omit<LivenessInit, 'clock' | 'connections'>
}

/** How long direct addresses are tried before circuits, milliseconds. */
const HEAD_START = 2_000
/** How long a circuit is kept beside a direct connection, milliseconds: what led to that one may still have something to say. */
const LINGER = 2_000

/** The `Network` port over a libp2p node that the platform has composed. */
export class Libp2pNetwork implements Network {
  readonly peer: PeerId
  readonly #init: Required<Omit<Libp2pNetworkInit, 'liveness' | 'circuits'>>
  readonly #circuits: Circuits | undefined
  readonly #node: Libp2pNetworkInit['node']
  readonly #events = new Emitter<NetworkEvents>()
  readonly #protocols = new Set<string>()
  readonly #streams = new Map<Libp2pStream, Connection>()
  /** Of each connected peer the connection that streams go over. */
  readonly #routes = new Map<PeerId, Connection>()
  readonly #liveness: Liveness
  #closing: Promise<void> | undefined

  constructor(init: Libp2pNetworkInit) {
    this.#init = { dialTimeout: 5_000, openTimeout: 10_000, ...init }
    this.#node = init.node
    this.#circuits = init.circuits
    this.peer = init.node.peerId.toString()
    const connections = () => this.#node.getConnections()
    this.#liveness = new Liveness({ ...init.liveness, clock: init.clock, connections })
    this.#listen()
  }

  addresses(): string[] {
    return ownAddresses(fullAddresses(this.#node.getMultiaddrs(), this.peer))
  }

  connections(): PeerConnection[] {
    return [...this.#routes.keys()].flatMap((peer) => this.connection(peer) ?? [])
  }

  connection(peer: PeerId): PeerConnection | undefined {
    const connection = this.#best(peer)
    return connection && describe(connection)
  }

  handle(protocol: string, handler: StreamHandler, { bulk = false }: CarriageOptions = {}): void {
    this.#checkOpen()
    if (this.#protocols.has(protocol)) {
      throw new PeerfoldError('PROTOCOL_TAKEN', `${protocol} is handled already`)
    }
    this.#protocols.add(protocol)
    const serve = (stream: Stream, connection: Connection) => void this.#serve(stream, connection, handler)
    // In force at once; what is awaited is only libp2p's note in its own peer store.
    this.#node.handle(protocol, serve, { runOnLimitedConnection: !bulk }).catch(() => {})
  }

  unhandle(protocol: string): void {
    if (!this.#protocols.delete(protocol)) return
    this.#node.unhandle(protocol).catch(() => {})
  }

  async dial(
    target: { peer?: PeerId; addresses: readonly string[] },
    options?: AbortOptions,
  ): Promise<PeerConnection> {
    options?.signal?.throwIfAborted()
    this.#checkOpen()
    const connected = target.peer === undefined ? undefined : this.#best(target.peer)
    if (connected === undefined) return await this.#dialAny(target, options)
    const better = target.addresses.filter((address) => !isCircuit(address))
    if (!isByCircuit(connected) || better.length === 0) return describe(connected)
    return await this.#dialAny({ ...target, addresses: better }, options).catch((error: unknown) => {
      options?.signal?.throwIfAborted()
      if (connected.status !== 'open') throw error
      return describe(connected)
    })
  }

  async open(
    peer: PeerId,
    protocol: string,
    options?: AbortOptions & CarriageOptions,
  ): Promise<NetworkStream> {
    options?.signal?.throwIfAborted()
    this.#checkOpen()
    const connection = this.#best(peer)
    if (connection === undefined) throw new PeerfoldError('NOT_CONNECTED', `not connected to ${peer}`)
    if (options?.bulk === true && isByCircuit(connection)) {
      throw new PeerfoldError('NOT_CONNECTED', `only a circuit leads to ${peer}`)
    }
    const late = AbortSignal.timeout(this.#init.openTimeout)
    const signal = options?.signal === undefined ? late : AbortSignal.any([options.signal, late])
    try {
      const stream = await connection.newStream(protocol, { signal, runOnLimitedConnection: true })
      return this.#wrap(stream, connection)
    } catch (error) {
      options?.signal?.throwIfAborted()
      this.#checkOpen()
      throw fromLibp2p(error, `opening ${protocol} to ${peer} failed`)
    }
  }

  async disconnect(peer: PeerId): Promise<void> {
    for (const [stream] of this.#streams) {
      if (stream.peer === peer) stream.abort(new PeerfoldError('NOT_CONNECTED', 'this side hung up'))
    }
    await this.#node.hangUp(peerIdFromString(peer))
  }

  useRelays(relays: readonly PeerId[]): void {
    this.#checkOpen()
    this.#circuits?.use(relays)
  }

  async announce(key: Uint8Array, options?: AbortOptions): Promise<void> {
    options?.signal?.throwIfAborted()
    this.#checkOpen()
    const { dht } = this.#node.services
    if (dht === undefined) return
    try {
      await rendezvous.announce(dht, key, options)
    } catch (error) {
      options?.signal?.throwIfAborted()
      throw fromLibp2p(error, 'announcing failed')
    }
  }

  async *find(
    key: Uint8Array,
    options?: AbortOptions,
  ): AsyncGenerator<{ peer: PeerId; addresses: string[] }> {
    options?.signal?.throwIfAborted()
    this.#checkOpen()
    const { dht } = this.#node.services
    if (dht === undefined) return
    try {
      for await (const found of rendezvous.find(dht, key, options)) if (found.peer !== this.peer) yield found
    } catch (error) {
      options?.signal?.throwIfAborted()
      throw fromLibp2p(error, 'the search failed')
    }
  }

  on<E extends keyof NetworkEvents>(event: E, listener: NetworkEvents[E]): () => void {
    return this.#events.on(event, listener)
  }

  close(): Promise<void> {
    this.#closing ??= this.#stop()
    return this.#closing
  }

  async #stop(): Promise<void> {
    this.#liveness.close()
    this.#circuits?.close()
    const reason = new PeerfoldError('CLOSED', 'the network is closed')
    for (const stream of this.#streams.keys()) stream.abort(reason)
    await this.#node.stop()
  }

  #listen(): void {
    const node = this.#node
    node.addEventListener('peer:connect', (event) => this.#onConnect(event.detail.toString()))
    node.addEventListener('peer:disconnect', (event) => this.#onDisconnect(event.detail.toString()))
    node.addEventListener('peer:update', (event) => this.#onUpdate(event.detail))
    node.addEventListener('self:peer:update', () => this.#events.emit('addresses', this.addresses()))
    node.addEventListener('connection:open', ({ detail }) => this.#onOpen(detail))
    node.addEventListener('connection:close', ({ detail }) => this.#reroute(detail.remotePeer.toString()))
    for (const connection of node.getConnections())
      this.#routes.set(connection.remotePeer.toString(), connection)
  }

  #onConnect(peer: PeerId): void {
    const connection = this.#best(peer)
    if (connection === undefined || this.#routes.has(peer)) return
    this.#routes.set(peer, connection)
    this.#events.emit('connect', describe(connection))
  }

  #onDisconnect(peer: PeerId): void {
    if (this.#routes.delete(peer)) this.#events.emit('disconnect', peer)
  }

  #onOpen(connection: Connection): void {
    const peer = connection.remotePeer.toString()
    this.#reroute(peer)
    if (!isByCircuit(connection)) void this.#leaveCircuits(peer)
  }

  #reroute(peer: PeerId): void {
    const connection = this.#best(peer)
    const before = this.#routes.get(peer)
    if (connection === undefined || before === undefined || connection === before) return
    this.#routes.set(peer, connection)
    this.#events.emit('reroute', describe(connection))
  }

  /** What still runs over a circuit starts anew on the direct connection: circuits end when they have carried their share, in mid-message. */
  async #leaveCircuits(peer: PeerId): Promise<void> {
    await this.#init.clock.sleep(LINGER)
    const connections = this.#node.getConnections(peerIdFromString(peer))
    if (connections.every(isByCircuit)) return
    const reason = new PeerfoldError('NOT_CONNECTED', 'there is a direct connection now')
    for (const circuit of connections.filter(isByCircuit)) {
      for (const [stream, over] of this.#streams) if (over === circuit) stream.abort(reason)
      await circuit.close().catch((error: Error) => circuit.abort(error))
    }
  }

  /** libp2p itself announces only peers that it has never heard of; one that restarted comes back with other addresses. */
  #onUpdate({ peer, previous }: PeerUpdate): void {
    const id = peer.id.toString()
    const now = peer.addresses.map(({ multiaddr }) => multiaddr)
    const before = new Set(previous?.addresses.map(({ multiaddr }) => multiaddr.toString()))
    if (id === this.peer || now.every((address) => before.has(address.toString()))) return
    this.#events.emit('discover', id, fullAddresses(now, id))
  }

  #dialAny(
    { peer, addresses }: { peer?: PeerId; addresses: readonly string[] },
    options?: AbortOptions,
  ): Promise<PeerConnection> {
    const order = dialOrder(addresses, this.#init.clock, HEAD_START)
    return dialFirst(order, (address) => this.#dialOne(address, peer, options), {
      ...options,
      checkOpen: () => this.#checkOpen(),
      reasonOf,
    })
  }

  async #dialOne(text: string, peer: PeerId | undefined, options?: AbortOptions): Promise<PeerConnection> {
    const late = AbortSignal.timeout(this.#init.dialTimeout)
    const signal = options?.signal === undefined ? late : AbortSignal.any([options.signal, late])
    const connection = await this.#node.dial(addressOf(text, peer), { signal })
    if (connection.remotePeer.toString() === this.peer) {
      connection.abort(new Error('that is this peer itself'))
      throw new Error('that is this peer itself')
    }
    this.#onConnect(connection.remotePeer.toString())
    return describe(connection)
  }

  async #serve(stream: Stream, connection: Connection, handler: StreamHandler): Promise<void> {
    const wrapped = this.#wrap(stream, connection)
    try {
      await handler(wrapped)
    } catch (error) {
      wrapped.abort(error instanceof Error ? error : new Error(String(error)))
    }
  }

  #wrap(stream: Stream, connection: Connection): Libp2pStream {
    const heard = () => this.#liveness.heard(connection)
    const wrapped = new Libp2pStream(stream, connection.remotePeer.toString(), heard)
    this.#streams.set(wrapped, connection)
    stream.addEventListener('close', () => this.#streams.delete(wrapped))
    return wrapped
  }

  /**
   * The connection that streams go over: an open one, direct rather than through a relay. Of several the newest: a peer that came back may have
   * left an old one that nobody has noticed to be dead.
   */
  #best(peer: PeerId): Connection | undefined {
    const id = this.#routes.get(peer)?.remotePeer ?? peerIdFromString(peer)
    // All of them at once is a list that libp2p copies anew for each peer that it knows.
    const open = this.#node.getConnections(id).filter(({ status }) => status === 'open')
    open.sort((a, b) => b.timeline.open - a.timeline.open)
    return open.find((connection) => !isByCircuit(connection)) ?? open[0]
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw new PeerfoldError('CLOSED', 'the network is closed')
  }
}

function isByCircuit({ remoteAddr }: Connection): boolean {
  return carrierOf(remoteAddr) === 'circuit'
}

function describe(connection: Connection): PeerConnection {
  return {
    peer: connection.remotePeer.toString(),
    carrier: carrierOf(connection.remoteAddr),
    address: connection.remoteAddr.toString(),
    direction: connection.direction,
  }
}
