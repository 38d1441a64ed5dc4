import type { PeerId } from '@peerfold/core'

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
