import type { Clock, PeerId } from '@peerfold/core'
import type { RelayLimits } from './limits/defaults.js'
import type { HttpSide, RelayService } from './service.js'

export interface RelayInit {
  /** Data directory (PROTOCOL.md §10.9); made, 0700, when it is missing. */
  directory: string
  /** Multiaddrs to listen on. @default any free TCP port and any free WebSocket port, on all IPv4 addresses */
  listen?: readonly string[]
  /** Multiaddrs to tell others instead of those that it listens on. @default the latter */
  announce?: readonly string[]
  /** Whether anyone may begin a mailbox; else only peers in the file `allowed`. @default false */
  open?: boolean
  /** @default DEFAULT_RELAY_LIMITS */
  limits?: Partial<RelayLimits>
  /**
   * The disk was restored from a backup: every mailbox begins another incarnation, so that devices compare everything instead of calling the relay
   * a liar. @default false
   */
  restored?: boolean
  /** Starts the HTTP side when everything else is up; closed first. @default none */
  http?: (service: RelayService) => Promise<HttpSide>
  /** @default silent */
  log?: RelayLog
  /** @default the system's */
  clock?: Clock
}

/** A part of pino's interface. Fields never hold secrets, tokens, proofs or contents. */
export interface RelayLog {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** A relay at work: see `createRelay`. */
export interface Relay extends AsyncDisposable {
  readonly peer: PeerId
  /** Multiaddrs that devices dial, each ending in `/p2p/<peer>`. */
  addresses(): string[]
  /** Base URLs of the HTTP side; empty when it is off. */
  urls(): string[]
  status(): Promise<RelayStatus>
  /** Goes away in order: takes nothing new, ends sessions, makes durable what it acknowledged, within 15 s. Idempotent. */
  close(): Promise<void>
}

export interface RelayStatus {
  peer: PeerId
  addresses: string[]
  urls: string[]
  /** `read-only`: the disk failed or is full; what is there is served. */
  state: 'ready' | 'read-only' | 'closing'
  /** Why it is read-only. */
  reason?: string
  sessions: number
  mailboxes: number
  commits: number
  blocks: number
  /** Of blocks and commits. */
  bytes: number
}
