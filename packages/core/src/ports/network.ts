import type { Uint8ArrayList } from 'uint8arraylist'
import type { AbortOptions } from './abort.js'

/** The libp2p PeerId in its base58 text form. */
export type PeerId = string

/** How a connection runs, as status shows it. `http`: a relay that is asked, and not connected. */
export type Carrier = 'tcp' | 'http' | 'websocket' | 'webrtc' | 'circuit' | 'memory'

/** One bidirectional, ordered, reliable byte stream inside an encrypted connection. */
export interface NetworkStream {
  readonly protocol: string
  readonly peer: PeerId
  /**
   * Bytes as they arrive, cut anywhere; one reader. Ends when the peer has closed its side, throws `NOT_CONNECTED` when the stream was reset.
   * A reader that stops early lets what still comes be dropped.
   */
  readonly source: AsyncIterable<Uint8Array | Uint8ArrayList>
  /**
   * Queues `data`, all of it and without copying (do not change it afterwards), and resolves when the transport can take more: awaiting it is
   * the back pressure. An abort ends the waiting, not the sending. Rejects after a reset with `NOT_CONNECTED`, after an own `abort` with its
   * reason, after an own `close` with `CLOSED`.
   */
  send(data: Uint8Array | Uint8ArrayList, options?: AbortOptions): Promise<void>
  /** Closes this side after what was sent; the peer can still send. */
  close(options?: AbortOptions): Promise<void>
  /** Resets both sides at once. */
  abort(reason: Error): void
}

/** Which connections a protocol may use. */
export interface CarriageOptions {
  /** Not over circuits, whose bytes and time the relay limits: they are for what is small. @default false */
  bulk?: boolean
}

/** A handler that throws or rejects has its stream reset; the connection stays. */
export type StreamHandler = (stream: NetworkStream) => void | Promise<void>

export interface PeerConnection {
  peer: PeerId
  carrier: Carrier
  /** The remote multiaddr. */
  address: string
  direction: 'inbound' | 'outbound'
}

export interface NetworkEvents {
  /** The first connection to a peer is up. */
  connect: (connection: PeerConnection) => void
  /** The last connection to a peer is gone. */
  disconnect: (peer: PeerId) => void
  /** What is sent to a connected peer goes over another connection from now on, such as a direct one instead of a circuit. */
  reroute: (connection: PeerConnection) => void
  /** A peer was found (mDNS, DHT) at addresses that can be dialled. */
  discover: (peer: PeerId, addresses: string[]) => void
  /** Own listen addresses changed. */
  addresses: (addresses: string[]) => void
}

/** Authenticated, encrypted streams between peers, named by the key they prove to hold. */
export interface Network {
  readonly peer: PeerId
  /** Own multiaddrs that others can dial, each ending in `/p2p/<peer>`. */
  addresses(): string[]
  connections(): PeerConnection[]
  /** The one to that peer: with thousands of peers, listing them all to find it is not cheap. */
  connection(peer: PeerId): PeerConnection | undefined
  /** @throws {PeerfoldError} `PROTOCOL_TAKEN` when it is handled already. */
  handle(protocol: string, handler: StreamHandler, options?: CarriageOptions): void
  unhandle(protocol: string): void
  /**
   * Connects to a peer at the first of `addresses` that answers. With `peer` given, another key at the address is refused, and a peer that is
   * connected is dialled again only to find a way that is better than its circuit.
   * @throws {PeerfoldError} `DIAL_FAILED` (retryable) with a reason for each address.
   */
  dial(
    target: { peer?: PeerId; addresses: readonly string[] },
    options?: AbortOptions,
  ): Promise<PeerConnection>
  /** @throws {PeerfoldError} `NOT_CONNECTED`, `PROTOCOL_UNSUPPORTED`. */
  open(peer: PeerId, protocol: string, options?: AbortOptions & CarriageOptions): Promise<NetworkStream>
  /** Hangs up on a peer. */
  disconnect(peer: PeerId): Promise<void>
  /**
   * Lets others reach this peer by circuits through these, and no others, while it is connected with them. Their addresses are among `addresses()`
   * once they agreed. Replaces those that were given before.
   */
  useRelays(relays: readonly PeerId[]): void
  /** Announces under a 32-byte rendezvous key that this peer can be found, and looks for others under it. */
  announce(key: Uint8Array, options?: AbortOptions): Promise<void>
  find(key: Uint8Array, options?: AbortOptions): AsyncIterable<{ peer: PeerId; addresses: string[] }>
  on<E extends keyof NetworkEvents>(event: E, listener: NetworkEvents[E]): () => void
  close(): Promise<void>
}
