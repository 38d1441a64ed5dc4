const KIB = 1024
const MIB = 1024 * KIB
const GIB = 1024 * MIB

/** What the operator sets (PROTOCOL.md §10.2). Whatever peers do, memory and disk stay within these. */
export interface RelayLimits {
  /** Connections of libp2p. @default 2048 */
  maxConnections: number
  /** New connections a second from one address; more are cut off. @default 50 */
  connectionsPerSecond: number
  /** Devices with a session. @default 2000 */
  maxSessions: number
  /** Workspaces. @default 10_000 */
  maxMailboxes: number
  /** Of blocks and commits of one workspace; each counts 256 bytes more than it has. @default 16 GiB */
  quotaBytes: number
  /** Requests of one device: at once, and a second. @default 500, 250 */
  peerRequests: { burst: number; rate: number }
  /** Of all devices at one address. @default 10_000, 5_000 */
  addressRequests: { burst: number; rate: number }
  /** Bytes of commits that one device pushes: at once, and a second. @default 64 MiB, 16 MiB */
  peerBytes: { burst: number; rate: number }
  /** Of all devices at one address. @default 256 MiB, 64 MiB */
  addressBytes: { burst: number; rate: number }
  /** Of commits that are checked or wait to be written, for all devices together. @default 64 MiB */
  pushBytes: number
  /** Blocks in offers that are being fetched, for all devices together. @default 262_144 */
  offeredBlocks: number
  /** Of answers that devices have not taken yet, for all together. @default 128 MiB */
  answerBytes: number
  /** Of all recovery bundles. @default 4 GiB */
  bundleBytes: number
  /** Percent of the disk in use from which blocks are refused; what is there is served. @default 92 */
  refuseBlocksAt: number
  /** Percent of the disk in use from which commits are refused, too. @default 95 */
  refuseCommitsAt: number
  /** How long a block is kept for a commit that is to name it, milliseconds. @default 72 h */
  leaseMs: number
  /** How often leases are looked through, milliseconds. @default 10 min */
  collectMs: number
  /** Circuits (libp2p's circuit relay v2): for signalling and small commits between devices. */
  circuits: {
    /** Devices that can be reached through this relay. @default 1024 */
    reservations: number
    /** Circuits at a time. @default 512 */
    streams: number
    /** Bytes of one circuit, each way. @default 16 MiB */
    bytes: number
    /** Milliseconds of one circuit. @default 30 min */
    ms: number
  }
}

export const DEFAULT_RELAY_LIMITS: RelayLimits = {
  maxConnections: 2048,
  connectionsPerSecond: 50,
  maxSessions: 2000,
  maxMailboxes: 10_000,
  quotaBytes: 16 * GIB,
  peerRequests: { burst: 500, rate: 250 },
  addressRequests: { burst: 10_000, rate: 5_000 },
  peerBytes: { burst: 64 * MIB, rate: 16 * MIB },
  addressBytes: { burst: 256 * MIB, rate: 64 * MIB },
  pushBytes: 64 * MIB,
  offeredBlocks: 262_144,
  answerBytes: 128 * MIB,
  bundleBytes: 4 * GIB,
  refuseBlocksAt: 92,
  refuseCommitsAt: 95,
  leaseMs: 72 * 60 * 60 * 1000,
  collectMs: 10 * 60 * 1000,
  circuits: { reservations: 1024, streams: 512, bytes: 16 * MIB, ms: 30 * 60 * 1000 },
}
