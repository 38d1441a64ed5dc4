import { createLibp2p, type Libp2pOptions } from 'libp2p'
import { PeerfoldError } from '../errors.js'
import type { Clock } from '../ports/clock.js'
import type { Network } from '../ports/network.js'
import { isAddress } from './addresses.js'
import { Circuits, type TransportFactory } from './circuits.js'
import { reasonOf } from './errors.js'
import { Libp2pNetwork, type Libp2pNetworkInit } from './libp2p-network.js'
import { libp2pOptions, type PeerfoldLibp2pInit, type PeerfoldServices } from './libp2p-options.js'
import { installPolyfills } from './polyfill.js'

/** What a platform brings to a node. */
export interface NetworkPlatform {
  clock: Clock
  transports: NonNullable<Libp2pOptions['transports']>
  /** libp2p's circuit transport. @default no circuits */
  circuits?: TransportFactory
  /** @default none */
  discovery?: NonNullable<Libp2pOptions['peerDiscovery']>
}

export interface CreateNetworkInit extends PeerfoldLibp2pInit, Pick<Libp2pNetworkInit, 'liveness'> {
  /** Multiaddrs to listen on. @default none */
  listen?: readonly string[]
  /** Multiaddrs to tell others instead of those that it listens on. @default the latter */
  announceAddresses?: readonly string[]
}

/**
 * Composes and starts a libp2p node and gives it as a `Network`, which stops it at `close`.
 *
 * @throws {PeerfoldError} `INVALID_ARGUMENT` for an address that is none or that cannot be listened on
 */
export async function createNetwork(platform: NetworkPlatform, init: CreateNetworkInit): Promise<Network> {
  installPolyfills()
  const listen = checked(init.listen ?? [])
  const circuits = platform.circuits && new Circuits(platform.circuits, platform.clock)
  const common = await libp2pOptions(init)
  try {
    const node = await createLibp2p<PeerfoldServices>({
      ...common,
      addresses: { listen, announce: checked(init.announceAddresses ?? []) },
      transports: circuits === undefined ? platform.transports : [...platform.transports, circuits.transport],
      connectionGater: {
        ...common.connectionGater,
        denyInboundRelayedConnection: (relay) => circuits?.uses(relay.toString()) !== true,
      },
      peerDiscovery: platform.discovery ?? [],
    })
    await circuits?.start()
    return new Libp2pNetwork({ node, clock: platform.clock, liveness: init.liveness, circuits })
  } catch (cause) {
    throw new PeerfoldError(
      'INVALID_ARGUMENT',
      `cannot listen on ${listen.join(', ')}: ${listenFailure(cause)}`,
      {
        cause,
      },
    )
  }
}

/** libp2p tells of each address in a text with stack traces. */
function listenFailure(cause: unknown): string {
  const text = reasonOf(cause)
  const reasons = [...text.matchAll(/Error: listen ([^\n]+)/g)].map(([, reason]) => reason)
  if (reasons.length > 0) return [...new Set(reasons)].join(', ')
  const [first = ''] = text.split('\n')
  return first.startsWith('Some configured addresses') ? 'no transport for such an address' : first
}

function checked(addresses: readonly string[]): string[] {
  const wrong = addresses.find((address) => !isAddress(address))
  if (wrong === undefined) return [...addresses]
  throw new PeerfoldError('INVALID_ARGUMENT', `not a multiaddr: ${wrong}`, {
    hint: 'Addresses look like /ip4/192.168.1.5/tcp/4001.',
  })
}
