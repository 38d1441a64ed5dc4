import type { Clock, Crypto, EpochId, PeerId, WorkspaceHandle } from '@peerfold/core'
import type { Exchange, RelayAnswer, RelayChannel } from '@peerfold/core/relay'
import type { Admission } from '../admission.js'
import type { Authority } from '../blocks/authority.js'
import type { SharedBlocks } from '../blocks/shared-blocks.js'
import type { Bundles } from '../bundles.js'
import type { Health } from '../health.js'
import type { Buckets, Sender } from '../limits/buckets.js'
import type { Budget } from '../limits/budget.js'
import type { RelayLimits } from '../limits/defaults.js'
import type { Mailboxes } from '../mailbox/mailboxes.js'
import type { Writer } from '../mailbox/writer.js'
import type { RelayCounters } from '../service.js'
import type { MemoryTokens } from '../tokens.js'
import type { RelayLog } from '../types.js'

/** What requests are answered with: the parts of a relay. */
export interface Parts {
  peer: PeerId
  /** Of the relay's libp2p key, which signs statements. */
  seed: Uint8Array
  crypto: Crypto
  clock: Clock
  log: RelayLog
  limits: RelayLimits
  health: Health
  counters: RelayCounters
  writer: Writer
  mailboxes: Mailboxes
  blocks: SharedBlocks
  exchange: Exchange
  authority: Authority
  admission: Admission
  bundles: Bundles
  tokens: MemoryTokens
  requestRate: Buckets
  pushRate: Buckets
  pushBytes: Budget
  answerBytes: Budget
  offeredBlocks: Budget
  /** Base URLs of the HTTP side. */
  urls: () => string[]
  /** A push is about to be acknowledged, so long after it came. */
  onStored: (seconds: number) => void
}

export type Role = 'pull' | 'push' | 'rotation'

/** A mailbox that is open in a session. */
export interface Opened {
  /** With whose key it was opened. */
  epoch: EpochId
  role: Role
}

/** One device's session, as the answers to its requests see it. */
export interface Context {
  parts: Parts
  sender: Sender
  channel: RelayChannel
  /** Ends with the session. */
  signal: AbortSignal
  opened: ReadonlyMap<WorkspaceHandle, Opened>
  open(handle: WorkspaceHandle, opened: Opened): void
  /** For what comes before the answer proper. */
  post(answer: RelayAnswer): void
  /** Resolves when the device has taken it: one large answer at a time. */
  deliver(answer: RelayAnswer): Promise<void>
  /** Runs what begins in the order in which requests came. */
  inOrder<T>(task: () => Promise<T>): Promise<T>
  /** Tells the sessions that have it open that its keys have changed. */
  epochChanged(handle: WorkspaceHandle, epoch: EpochId): void
}
