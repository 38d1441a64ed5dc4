import { noise } from '@chainsafe/libp2p-noise'
import { type Identify, identify } from '@libp2p/identify'
import { type KadDHT, kadDHT, passthroughMapper } from '@libp2p/kad-dht'
import { type Ping, ping } from '@libp2p/ping'
import { yamux } from '@libp2p/yamux'
import type { Libp2pOptions } from 'libp2p'
import { privateKeyFromSeed } from './private-key.js'

const MIB = 1024 * 1024

/** Services of a node, as `Libp2pNetwork` uses them. */
export type PeerfoldServices = { identify: Identify; ping: Ping; dht?: KadDHT }

export interface PeerfoldLibp2pInit {
  /** Ed25519 seed of the libp2p key, 32 bytes. */
  peerSeed: Uint8Array
  /** Whether to take part in Peerfold's own DHT; a `client` asks and announces, and serves nobody. @default true */
  dht?: boolean | 'client'
  /** @default 300 */
  maxConnections?: number
  /** New connections a second from one host. @default 5 */
  inboundConnectionThreshold?: number
  /** Connections that are being established at a time. @default 10 */
  maxIncomingPendingConnections?: number
  /** Services beside identify, ping and DHT, as libp2p takes them. @default none */
  services?: NonNullable<Libp2pOptions['services']>
}

/**
 * What every Peerfold node has, whatever its platform: keys, noise, yamux, identify, the private DHT, and limits. The platform adds
 * transports and discovery. docs/decisions/0040 has the measured reasons.
 */
export async function libp2pOptions(init: PeerfoldLibp2pInit): Promise<Libp2pOptions<PeerfoldServices>> {
  return {
    privateKey: await privateKeyFromSeed(init.peerSeed),
    nodeInfo: { name: 'peerfold', userAgent: 'peerfold' },
    connectionEncrypters: [noise()],
    // A paused stream may still get a whole window: the buffer must hold it, else the stream is reset.
    streamMuxers: [yamux({ streamOptions: { maxStreamWindowSize: 8 * MIB, maxReadBufferLength: 16 * MIB } })],
    connectionManager: {
      maxConnections: init.maxConnections ?? 300,
      inboundConnectionThreshold: init.inboundConnectionThreshold ?? 5,
      maxIncomingPendingConnections: init.maxIncomingPendingConnections ?? 10,
      addressDialTimeout: 5_000,
    },
    // It hangs up on busy slow connections; `Liveness` does not.
    connectionMonitor: { enabled: false },
    // Devices are met on loopback and in private networks, which libp2p refuses to dial in browsers.
    connectionGater: { denyDialMultiaddr: () => false },
    services: {
      ...init.services,
      identify: identify(),
      ping: ping(),
      ...(init.dht === false ? undefined : { dht: privateDht(init.dht === 'client') }),
    },
  }
}

/** On private addresses the routing table stays empty and queries hang unless addresses pass unfiltered, and nodes that can be dialled serve. */
function privateDht(clientMode: boolean) {
  return kadDHT({
    protocol: '/peerfold/kad/1',
    peerInfoMapper: passthroughMapper,
    clientMode,
    logPrefix: 'peerfold:dht',
    datastorePrefix: '/peerfold-dht',
    metricsPrefix: 'peerfold_dht',
  })
}
