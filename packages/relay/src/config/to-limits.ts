import { DEFAULT_RELAY_LIMITS, type RelayLimits } from '../limits/defaults.js'
import type { RelayConfig } from './schema.js'

type Bucket = RelayLimits['peerRequests']

/** The relay's limits as the operator set them. */
export function toLimits({ limits, rates, circuits, disk }: RelayConfig): RelayLimits {
  const usual = DEFAULT_RELAY_LIMITS
  return {
    ...usual,
    maxConnections: limits.connections,
    connectionsPerSecond: limits.connectionsPerSecond,
    maxSessions: limits.sessions,
    maxMailboxes: limits.mailboxes,
    quotaBytes: limits.quota,
    bundleBytes: limits.bundles,
    pushBytes: limits.pushBytes,
    answerBytes: limits.answerBytes,
    leaseMs: limits.lease,
    collectMs: limits.collectEvery,
    refuseBlocksAt: disk.refuseBlocksAt,
    refuseCommitsAt: disk.refuseCommitsAt,
    peerRequests: bucket(usual.peerRequests, rates.requestsPerPeer),
    addressRequests: bucket(usual.addressRequests, rates.requestsPerAddress),
    peerBytes: bucket(usual.peerBytes, rates.bytesPerPeer),
    addressBytes: bucket(usual.addressBytes, rates.bytesPerAddress),
    circuits: {
      reservations: circuits.reservations,
      streams: circuits.streams,
      bytes: circuits.bytes,
      ms: circuits.lasts,
    },
  }
}

/** What may come at once stays in proportion to what flows in. */
function bucket(usual: Bucket, rate: number): Bucket {
  return { rate, burst: Math.ceil((usual.burst / usual.rate) * rate) }
}
