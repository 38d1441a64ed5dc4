import { base58btc } from 'multiformats/bases/base58'
import { raceSignal } from '../async/deadline.js'
import { Emitter } from '../async/emitter.js'
import { Wakeup } from '../async/wakeup.js'
import { concatBytes, toHex } from '../encoding/bytes.js'
import { PeerfoldError } from '../errors.js'
import { dialFirst } from '../net/dial-first.js'
import type { AbortOptions } from '../ports/abort.js'
import type { Clock } from '../ports/clock.js'
import type {
  Network,
  NetworkEvents,
  NetworkStream,
  PeerConnection,
  PeerId,
  StreamHandler,
} from '../ports/network.js'
import { MemoryPipe, MemoryStream, type PipeInit } from './memory-stream.js'
import { createSeededRandom, type SeededRandom } from './seeded-random.js'

export interface MemoryHubInit {
  /** Decides peer ids, the sizes of pieces and how streams overtake each other. @default 0 */
  seed?: number | string
  /** Needed for `latency` and `bandwidth`. */
  clock?: Clock
  /** One way, milliseconds: the least, and how much more at most. @default none */
  latency?: { least: number; jitter: number }
  /** Bytes per second of each direction of a stream. @default unlimited */
  bandwidth?: number
  /** Bytes under way or unread before `send` waits. @default 256 KiB */
  capacity?: number
  /** Largest piece that arrives at once; sizes are random up to it. @default 64 KiB */
  pieceSize?: number
  /** Whether every peer hears of every other one at once, as with mDNS. @default false */
  discovery?: boolean
}

/** A world of peers in one process. Everything that happens in it follows from its seed and from its clock. */
export interface MemoryHub {
  /** Peers that are up. */
  peers(): PeerId[]
  /**
   * Splits the world: peers of different groups do not reach each other (a peer in no group is alone). Connections across are lost at
   * once or, when `silent`, hang with all that is under way until `heal`, as when a cable is pulled.
   */
  partition(groups: readonly (readonly PeerId[])[], options?: { silent?: boolean }): void
  /** One world again. Each peer notices that its network changed. */
  heal(): void
  /** Loses the connection between two peers, who may dial again. */
  cut(a: PeerId, b: PeerId): void
}

interface Link {
  ends: [MemoryNetwork, MemoryNetwork]
  streams: Set<MemoryStream>
  lost: boolean
}

class Hub implements MemoryHub {
  readonly random: SeededRandom
  readonly init: MemoryHubInit
  readonly nodes = new Map<PeerId, MemoryNetwork>()
  readonly rendezvous = new Map<string, Set<PeerId>>()
  readonly #healed = new Wakeup()
  #groups: Map<PeerId, number> | undefined
  #silent = false

  constructor(init: MemoryHubInit) {
    this.init = init
    this.random = createSeededRandom(`network ${init.seed ?? 0}`)
  }

  peers(): PeerId[] {
    return [...this.nodes.keys()]
  }

  partition(groups: readonly (readonly PeerId[])[], options: { silent?: boolean } = {}): void {
    this.#groups = new Map(groups.flatMap((peers, group) => peers.map((peer) => [peer, group] as const)))
    this.#silent = options.silent ?? false
    if (this.#silent) return
    for (const node of this.nodes.values()) {
      for (const peer of node.links.keys()) if (!this.reachable(node.peer, peer)) this.cut(node.peer, peer)
    }
  }

  heal(): void {
    this.#groups = undefined
    this.#healed.wake()
    for (const node of [...this.nodes.values()]) node.noticeNetwork()
  }

  cut(a: PeerId, b: PeerId): void {
    const link = this.nodes.get(a)?.links.get(b)
    if (link === undefined || link.lost) return
    link.lost = true
    for (const stream of link.streams) stream.lose()
    link.ends[0].forget(link.ends[1].peer)
    link.ends[1].forget(link.ends[0].peer)
  }

  reachable(a: PeerId, b: PeerId): boolean {
    const group = this.#groups?.get(a)
    return this.#groups === undefined || (group !== undefined && group === this.#groups.get(b))
  }

  /** Resolves when nothing silent stands between the two; throws when they cannot reach each other at all. */
  async passage(a: PeerId, b: PeerId, options?: AbortOptions): Promise<void> {
    while (this.#silent && !this.reachable(a, b)) await this.#healed.wait(options)
    if (!this.reachable(a, b)) throw new Error('unreachable')
  }

  pipe(from: PeerId, to: PeerId): PipeInit {
    let free = 0
    let last = 0
    return {
      capacity: this.init.capacity ?? 256 * 1024,
      pieceSize: () => 1 + this.random.integer(this.init.pieceSize ?? 64 * 1024),
      travel: (bytes) => {
        const now = this.init.clock?.monotonic() ?? 0
        free = Math.max(free, now) + (1000 * bytes) / (this.init.bandwidth ?? Number.POSITIVE_INFINITY)
        last = Math.max(last, free + this.#delay())
        const at = last
        return () => this.#arrive(at, from, to)
      },
    }
  }

  /** One way through the world, for what is not a stream: dials and lookups. */
  async travel(from: PeerId, to: PeerId, options?: AbortOptions): Promise<void> {
    const now = this.init.clock?.monotonic() ?? 0
    await raceSignal(this.#arrive(now + this.#delay(), from, to), options?.signal)
    await this.passage(from, to, options)
  }

  #delay(): number {
    const { least, jitter } = this.init.latency ?? { least: 0, jitter: 0 }
    return least + this.random.float() * jitter
  }

  async #arrive(at: number, from: PeerId, to: PeerId): Promise<void> {
    const { clock } = this.init
    const wait = clock === undefined ? 0 : at - clock.monotonic()
    if (wait > 0) await clock?.sleep(wait)
    else for (let turns = this.random.integer(4); turns > 0; turns--) await null
    while (this.#silent && !this.reachable(from, to)) await this.#healed.wait()
  }
}

class MemoryNetwork implements Network {
  readonly peer: PeerId
  readonly links = new Map<PeerId, Link>()
  readonly #hub: Hub
  readonly #handlers = new Map<string, StreamHandler>()
  readonly #events = new Emitter<NetworkEvents>()
  readonly #directions = new Map<PeerId, PeerConnection['direction']>()
  #closed = false

  constructor(hub: Hub, peer: PeerId) {
    this.#hub = hub
    this.peer = peer
    hub.nodes.set(peer, this)
    if (hub.init.discovery === true) queueMicrotask(() => this.#meetAll())
  }

  addresses(): string[] {
    return this.#closed ? [] : [`/memory/${this.peer}/p2p/${this.peer}`]
  }

  connections(): PeerConnection[] {
    return [...this.links.keys()].map((peer) => this.#connection(peer))
  }

  connection(peer: PeerId): PeerConnection | undefined {
    return this.links.has(peer) ? this.#connection(peer) : undefined
  }

  handle(protocol: string, handler: StreamHandler): void {
    this.#checkOpen()
    if (this.#handlers.has(protocol)) {
      throw new PeerfoldError('PROTOCOL_TAKEN', `${protocol} is handled already`)
    }
    this.#handlers.set(protocol, handler)
  }

  unhandle(protocol: string): void {
    this.#handlers.delete(protocol)
  }

  async dial(
    target: { peer?: PeerId; addresses: readonly string[] },
    options?: AbortOptions,
  ): Promise<PeerConnection> {
    options?.signal?.throwIfAborted()
    this.#checkOpen()
    if (target.peer !== undefined && this.links.has(target.peer)) return this.#connection(target.peer)
    return await dialFirst(target.addresses, (address) => this.#dialOne(address, target.peer, options), {
      ...options,
      checkOpen: () => this.#checkOpen(),
      reasonOf: (error) => (error instanceof Error ? error.message : String(error)),
    })
  }

  async open(peer: PeerId, protocol: string, options?: AbortOptions): Promise<NetworkStream> {
    options?.signal?.throwIfAborted()
    this.#checkOpen()
    const link = this.links.get(peer)
    if (link === undefined) throw new PeerfoldError('NOT_CONNECTED', `not connected to ${peer}`)
    await this.#hub.travel(this.peer, peer, options)
    if (link.lost) throw new PeerfoldError('NOT_CONNECTED', `the connection to ${peer} was lost`)
    const remote = link.ends[0] === this ? link.ends[1] : link.ends[0]
    const handler = remote.#handlers.get(protocol)
    if (handler === undefined) {
      throw new PeerfoldError('PROTOCOL_UNSUPPORTED', `${peer} does not speak ${protocol}`)
    }
    for (const stream of link.streams) if (stream.finished) link.streams.delete(stream)
    const there = new MemoryPipe(this.#hub.pipe(this.peer, peer))
    const back = new MemoryPipe(this.#hub.pipe(peer, this.peer))
    const ours = new MemoryStream(protocol, peer, there, back)
    const theirs = new MemoryStream(protocol, this.peer, back, there)
    link.streams.add(ours).add(theirs)
    void remote.#serve(theirs, handler)
    return ours
  }

  async disconnect(peer: PeerId): Promise<void> {
    this.#hub.cut(this.peer, peer)
  }

  /** Everybody is reached directly here. */
  useRelays(): void {}

  async announce(key: Uint8Array, options?: AbortOptions): Promise<void> {
    options?.signal?.throwIfAborted()
    this.#checkOpen()
    const name = toHex(key)
    const peers = this.#hub.rendezvous.get(name) ?? new Set()
    this.#hub.rendezvous.set(name, peers.add(this.peer))
  }

  async *find(
    key: Uint8Array,
    options?: AbortOptions,
  ): AsyncGenerator<{ peer: PeerId; addresses: string[] }> {
    options?.signal?.throwIfAborted()
    this.#checkOpen()
    for (const peer of this.#hub.rendezvous.get(toHex(key)) ?? []) {
      const node = this.#hub.nodes.get(peer)
      if (node === undefined || node === this || !this.#hub.reachable(this.peer, peer)) continue
      await this.#hub.travel(this.peer, peer, options)
      yield { peer, addresses: node.addresses() }
    }
  }

  on<E extends keyof NetworkEvents>(event: E, listener: NetworkEvents[E]): () => void {
    return this.#events.on(event, listener)
  }

  async close(): Promise<void> {
    if (this.#closed) return
    for (const peer of [...this.links.keys()]) this.#hub.cut(this.peer, peer)
    this.#closed = true
    this.#handlers.clear()
    if (this.#hub.nodes.get(this.peer) === this) this.#hub.nodes.delete(this.peer)
  }

  /** The link to `peer` is gone. */
  forget(peer: PeerId): void {
    if (this.links.delete(peer)) this.#events.emit('disconnect', peer)
  }

  /** As when a cable is plugged in. */
  noticeNetwork(): void {
    this.#events.emit('addresses', this.addresses())
  }

  async #dialOne(address: string, expected: PeerId | undefined, options?: AbortOptions) {
    const remote = [...this.#hub.nodes.values()].find((node) => node.addresses()[0]?.startsWith(address))
    if (remote === undefined || !address.startsWith('/memory/')) throw new Error('nothing listens there')
    if (remote === this) throw new Error('that is this peer itself')
    if (expected !== undefined && expected !== remote.peer) {
      throw new Error(`another key answered: ${remote.peer}`)
    }
    await this.#hub.travel(this.peer, remote.peer, options)
    this.#checkOpen()
    if (remote.#closed) throw new Error('nothing listens there')
    if (!this.links.has(remote.peer)) this.#connect(remote)
    return this.#connection(remote.peer)
  }

  #connect(remote: MemoryNetwork): void {
    const link: Link = { ends: [this, remote], streams: new Set(), lost: false }
    this.links.set(remote.peer, link)
    remote.links.set(this.peer, link)
    this.#directions.set(remote.peer, 'outbound')
    remote.#directions.set(this.peer, 'inbound')
    this.#events.emit('connect', this.#connection(remote.peer))
    if (!link.lost) remote.#events.emit('connect', remote.#connection(this.peer))
  }

  #connection(peer: PeerId): PeerConnection {
    const direction = this.#directions.get(peer) ?? 'outbound'
    return { peer, carrier: 'memory', address: `/memory/${peer}/p2p/${peer}`, direction }
  }

  async #serve(stream: MemoryStream, handler: StreamHandler): Promise<void> {
    try {
      await handler(stream)
    } catch (error) {
      stream.abort(error instanceof Error ? error : new Error(String(error)))
    }
  }

  #meetAll(): void {
    for (const node of this.#hub.nodes.values()) {
      if (node === this || this.#closed || !this.#hub.reachable(this.peer, node.peer)) continue
      this.#events.emit('discover', node.peer, node.addresses())
      node.#events.emit('discover', this.peer, this.addresses())
    }
  }

  #checkOpen(): void {
    if (this.#closed) throw new PeerfoldError('CLOSED', 'the network is closed')
  }
}

export function createMemoryHub(init: MemoryHubInit = {}): MemoryHub {
  if (init.clock === undefined && (init.latency !== undefined || init.bandwidth !== undefined)) {
    throw new PeerfoldError('INVALID_ARGUMENT', 'latency and bandwidth need a clock')
  }
  return new Hub(init)
}

/**
 * A peer in a hub's world, with ordered reliable streams, bounded buffers and real back pressure. Its address is
 * `/memory/<peer>/p2p/<peer>`.
 *
 * @param peer its id. @default a well-formed one from the hub's seed
 *
 * @example
 * ```ts
 * const hub = createMemoryHub({ seed: 1 })
 * const [a, b] = [createMemoryNetwork(hub), createMemoryNetwork(hub)]
 * await a.dial({ peer: b.peer, addresses: b.addresses() })
 * ```
 */
export function createMemoryNetwork(hub: MemoryHub, peer?: PeerId): Network {
  const world = hub as Hub
  const name = peer ?? randomPeerId(world.random)
  if (world.nodes.has(name)) throw new PeerfoldError('INVALID_ARGUMENT', `peer ${name} exists in this hub`)
  return new MemoryNetwork(world, name)
}

/** The base58 form that libp2p gives Ed25519 keys: an identity multihash of the key's protobuf. */
function randomPeerId(random: SeededRandom): PeerId {
  const prefix = Uint8Array.of(0x00, 0x24, 0x08, 0x01, 0x12, 0x20)
  return base58btc.encode(concatBytes(prefix, random.bytes(32))).slice(1)
}
