import { circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import { mdns } from '@libp2p/mdns'
import { tcp } from '@libp2p/tcp'
import { webSockets } from '@libp2p/websockets'
import type { Network } from '@peerfold/core'
import { type CreateNetworkInit, createNetwork } from '@peerfold/core/net'
import { systemClock } from '@peerfold/core/platform'
import { keepConnected } from './bootstrap.js'
import { installWebSocket } from './web-socket.js'

export interface Libp2pNetworkInit extends CreateNetworkInit {
  /** @default any free TCP port and any free WebSocket port, on all IPv4 addresses */
  listen?: readonly string[]
  /** Whether to look for peers on the local network, and to be found there. @default true */
  mdns?: boolean
  /** Whether it dials through relays, and lets others reach it so. @default true */
  circuits?: boolean
  /** Multiaddrs with `/p2p/` of peers to stay connected to, by which others are found in the DHT. @default none */
  bootstrap?: readonly string[]
}

const ANY_FREE_PORT = ['/ip4/0.0.0.0/tcp/0', '/ip4/0.0.0.0/tcp/0/ws']
/** Peerfold's own service, so that other libp2p programs on the network are not bothered. */
const SERVICE_TAG = '_peerfold._udp.local'

/**
 * The network of a device on Node: TCP and WebSocket, circuits through its relays, mDNS, and the DHT.
 *
 * @throws {PeerfoldError} `INVALID_ARGUMENT` for an address that is none or that cannot be listened on
 * @example
 * ```ts
 * const network = await createLibp2pNetwork({ peerSeed: crypto.getRandomValues(new Uint8Array(32)) })
 * console.log(network.addresses())
 * await network.close()
 * ```
 */
export async function createLibp2pNetwork(init: Libp2pNetworkInit): Promise<Network> {
  installWebSocket()
  const { bootstrap = [], listen = ANY_FREE_PORT } = init
  const network = await createNetwork(
    {
      clock: systemClock,
      transports: [tcp(), webSockets({ maxBufferedAmount: 1024 * 1024, bufferedAmountPollInterval: 5 })],
      ...(init.circuits === false ? undefined : { circuits: circuitRelayTransport() }),
      discovery: init.mdns === false ? [] : [mdns({ serviceTag: SERVICE_TAG })],
    },
    { ...init, listen },
  )
  return bootstrap.length === 0 ? network : keepConnected(network, bootstrap, systemClock)
}
