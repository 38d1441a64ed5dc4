import { type CircuitRelayServerInit, circuitRelayServer } from '@libp2p/circuit-relay-v2'
import type { Network } from '@peerfold/core'
import { createLibp2pNetwork } from '@peerfold/node/platform'
import type { RelayLimits } from './limits/defaults.js'

export interface RelayNetworkInit {
  seed: Uint8Array
  listen?: readonly string[]
  announce?: readonly string[]
  limits: RelayLimits
}

const MINUTE = 60_000
/** Connections that are being established at a time. */
const PENDING = 64

/**
 * The network of a relay: TCP and WebSocket, the private DHT as a server, and circuits, every limit set on purpose. libp2p would take 300 connections,
 * five new ones a second, and 15 reservations. Devices ping their relays, so it asks rarely itself: with thousands of peers that is what it would be busy with.
 */
export function createRelayNetwork({ seed, listen, announce, limits }: RelayNetworkInit): Promise<Network> {
  return createLibp2pNetwork({
    peerSeed: seed,
    ...(listen === undefined ? {} : { listen }),
    ...(announce === undefined ? {} : { announceAddresses: announce }),
    mdns: false,
    circuits: false,
    maxConnections: limits.maxConnections,
    inboundConnectionThreshold: limits.connectionsPerSecond,
    maxIncomingPendingConnections: PENDING,
    liveness: { interval: MINUTE / 2, quietAfter: MINUTE, deadAfter: 3 * MINUTE },
    services: { circuits: circuitRelayServer(circuitLimits(limits.circuits)) },
  })
}

function circuitLimits({
  reservations,
  streams,
  bytes,
  ms,
}: RelayLimits['circuits']): CircuitRelayServerInit {
  return {
    hopTimeout: 30_000,
    maxInboundHopStreams: streams,
    maxOutboundHopStreams: streams,
    maxOutboundStopStreams: streams,
    reservations: {
      maxReservations: reservations,
      reservationClearInterval: 5 * MINUTE,
      reservationTtl: 60 * MINUTE,
      applyDefaultLimit: true,
      defaultDurationLimit: ms,
      defaultDataLimit: BigInt(bytes),
    },
  }
}
