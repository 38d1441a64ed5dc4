import { homedir } from 'node:os'
import { join } from 'node:path'
import * as v from 'valibot'
import { DEFAULT_RELAY_LIMITS as RELAY } from '../limits/defaults.js'
import { address, count, duration, flag, hostPort, list, size, text, url } from './values.js'

const KIB = 1024
const MIB = 1024 * KIB

/**
 * Everything that an operator sets. Sizes are in bytes (`10GiB`), durations in milliseconds (`15s`), rates a second. The protocol's own
 * limits (PROTOCOL.md §10.2) are not here: both ends must agree on them.
 */
export const configSchema = v.strictObject({
  /** Where keys, log, blocks and index lie; readable by their owner only. */
  data: v.optional(text(), () => join(homedir(), '.peerfold-relay')),
  /** Multiaddrs for devices: fixed ports, since they are written down elsewhere. Browsers need the WebSocket one. */
  listen: v.optional(list(address), () => ['/ip4/0.0.0.0/tcp/4460', '/ip4/0.0.0.0/tcp/4461/ws']),
  /** What devices are told instead: behind a router or a proxy the relay cannot know its own address. */
  announce: v.optional(list(address), () => []),
  /** Whether any peer may begin a mailbox. Otherwise only those in `<data>/allowed`: a disk is not for strangers to fill. */
  open: v.optional(flag(), false),
  limits: section({
    /** Devices at a time. Each costs a socket and about 100 KiB: 2,000 take 200 MiB. */
    sessions: v.optional(count(1, 100_000), RELAY.maxSessions),
    /** libp2p connections: sessions, and those that are still to prove themselves. */
    connections: v.optional(count(1, 100_000), RELAY.maxConnections),
    /** New connections a second from one address: each costs a key exchange, about 1 ms. */
    connectionsPerSecond: v.optional(count(1, 100_000), RELAY.connectionsPerSecond),
    /** Workspaces of all devices. Heads and keys of each stay in memory. */
    mailboxes: v.optional(count(1), RELAY.maxMailboxes),
    /** Bytes of blocks and commits of one workspace: a usual laptop's documents. */
    quota: v.optional(size(MIB), RELAY.quotaBytes),
    /** Of all recovery bundles: a thousand people with a few MiB each. */
    bundles: v.optional(size(MIB), RELAY.bundleBytes),
    /** Of commits that wait for the disk: what a disk that stalls may cost in memory. After that `BUSY` is kinder than waiting. */
    pushBytes: v.optional(size(MIB), RELAY.pushBytes),
    /** Of answers that slow devices have not taken yet. */
    answerBytes: v.optional(size(MIB), RELAY.answerBytes),
    /** How long a block is kept for a commit that is still to name it: a weekend without a connection. */
    lease: v.optional(duration(1_000), RELAY.leaseMs),
    /** How often leases are looked through. */
    collectEvery: v.optional(duration(100), RELAY.collectMs),
  }),
  /** Each is what flows in a second; twice to four times as much may come at once. */
  rates: section({
    /** Requests of one device. Syncing a large folder makes about 100. */
    requestsPerPeer: v.optional(count(1), RELAY.peerRequests.rate),
    /** Of all devices at one address: a company behind one router. */
    requestsPerAddress: v.optional(count(1), RELAY.addressRequests.rate),
    /** Bytes of commits that one device pushes: far more than people type. */
    bytesPerPeer: v.optional(size(64 * KIB), RELAY.peerBytes.rate),
    bytesPerAddress: v.optional(size(64 * KIB), RELAY.addressBytes.rate),
  }),
  /** Devices that reach each other through this relay: for signalling and small commits, never for bulk. */
  circuits: section({
    /** Devices that can be reached so. */
    reservations: v.optional(count(0, 100_000), RELAY.circuits.reservations),
    /** Circuits at a time. */
    streams: v.optional(count(0, 100_000), RELAY.circuits.streams),
    /** Bytes of one circuit, each way, and how long it lasts: files go directly or through mailboxes. */
    bytes: v.optional(size(KIB), RELAY.circuits.bytes),
    lasts: v.optional(duration(1_000), RELAY.circuits.ms),
  }),
  /** How full the disk may be, percent. Watched now and then: other programs fill it, too. */
  disk: section({
    /** No more blocks: room must stay for commits, which are small and matter more. */
    refuseBlocksAt: v.optional(count(1, 100), RELAY.refuseBlocksAt),
    /** No more commits either. Reading goes on, and stopping needs room. */
    refuseCommitsAt: v.optional(count(1, 100), RELAY.refuseCommitsAt),
  }),
  http: section({
    /** HOST:PORT, or `off`. On anything but loopback with TLS only. */
    listen: v.optional(hostPort, '127.0.0.1:8460'),
    /** PEM files of a certificate chain and its key; read again on SIGHUP. */
    tlsCert: v.optional(text()),
    tlsKey: v.optional(text()),
    /** A proxy in front of it speaks TLS and appends the client's address to `X-Forwarded-For`. */
    behindProxy: v.optional(flag(), false),
    /** Base URLs that devices are told; needed behind a proxy. */
    announce: v.optional(list(url), () => []),
    /** Whether others than this machine may read `/metrics`, which tells how much the relay is used. */
    publicMetrics: v.optional(flag(), false),
    /** Sockets at a time, about 20 KiB each: room for 5,000 long polls and who else comes. */
    sockets: v.optional(count(1, 100_000), 6_000),
    /** Long polls at a time. */
    polls: v.optional(count(1, 100_000), 5_000),
    /** Long polls of one device: two tabs and a leftover of a broken connection. */
    pollsPerPeer: v.optional(count(1), 4),
    /** Requests a second from one address, after a burst of ten times as many. Those for many blocks with a token do not count. */
    requestsPerAddress: v.optional(count(1), 100),
    /** Bytes of blocks in memory for slow readers, all together. */
    blockBytes: v.optional(size(4 * MIB), 64 * MIB),
    /** Headers of a request; tokens and mailbox names need a tenth. */
    headerBytes: v.optional(size(KIB, 64 * KIB), 8 * KIB),
    /** Until the headers of a request are there, and until all of it is: who drips bytes is cut off. */
    headersTimeout: v.optional(duration(100), 10_000),
    requestTimeout: v.optional(duration(100), 20_000),
    /** A connection that asks nothing more; below what proxies keep theirs open for. */
    keepAliveTimeout: v.optional(duration(100), 30_000),
    /** Until the reader of a block has it. */
    sendTimeout: v.optional(duration(1_000), 60_000),
  }),
  log: section({
    level: v.optional(v.picklist(['fatal', 'error', 'warn', 'info', 'debug', 'silent']), 'info'),
  }),
  /** What a stop may take before the process ends anyway; systemd's own limit should be a little longer. */
  stopTimeout: v.optional(duration(1_000), 15_000),
})

export type RelayConfig = v.InferOutput<typeof configSchema>

function section<T extends v.ObjectEntries>(entries: T) {
  return v.optional(v.strictObject(entries), {} as v.InferInput<v.StrictObjectSchema<T, undefined>>)
}

/** Paths of all settings, such as `http.listen`. */
export const SETTINGS: readonly string[] = Object.entries(configSchema.entries).flatMap(([name, entry]) =>
  entry.type === 'optional' && 'entries' in entry.wrapped
    ? Object.keys(entry.wrapped.entries as object).map((key) => `${name}.${key}`)
    : [name],
)
