import { PeerfoldError } from '../errors.js'
import type { LogSummary, ReceiveResult, WorkspaceLog } from '../log/types.js'
import type { Clock } from '../ports/clock.js'
import type { DeviceId, WorkspaceHandle } from '../ports/ids.js'
import type { PeerId } from '../ports/network.js'
import type { Channel } from './channel.js'
import type { Credit, Debt } from './credit.js'
import { costOf, MAX_BATCH_COST, MAX_FEEDS } from './limits.js'
import type { Message, MessageOf, Report } from './messages.js'
import type { Puller, Source } from './puller.js'
import { Receiver } from './receiver.js'
import { Reporter } from './reporter.js'
import { Sender } from './sender.js'
import type { PeerProgress } from './types.js'

/** What a session lends to the replicas in it. */
export interface Link {
  peer: PeerId
  device: DeviceId
  /** What it keeps may be gone at any time. */
  lossy: boolean
  channel: Channel<Message>
  credit: Credit
  debt: Debt
  clock: Clock
  /** Commits that the peer should not have forwarded. */
  blame(commits: number): void
}

export interface ReplicaInit {
  handle: WorkspaceHandle
  log: WorkspaceLog
  link: Link
  puller: Puller
  /** What the peer told in an earlier session, shown until it reports anew. */
  before: PeerProgress | undefined
  /** Whether this device holds all blocks of what it applied. */
  complete: () => boolean
  /** Commits from the peer went into the log. */
  received: () => void
  /** The peer told something. */
  progressed: () => void
}

export type ReplicaMessage = MessageOf<'have' | 'want' | 'commits' | 'done' | 'ack'>

/** One workspace as seen from here at one connected peer: what it has, what it is sent, what it sends. */
export class Replica implements Source {
  readonly progress: PeerProgress
  readonly #init: ReplicaInit
  readonly #ended = new AbortController()
  readonly #sender: Sender
  readonly #receiver: Receiver
  #reported = false

  constructor(init: ReplicaInit) {
    this.#init = init
    const { handle, log, link, puller } = init
    const { channel, credit, debt, device, lossy, clock } = link
    const { signal } = this.#ended
    const reporter = new Reporter(log, init.complete)
    this.progress = {
      device,
      lossy,
      summary: new Map(init.before?.summary),
      lastSeen: clock.now(),
      blocksComplete: init.before?.blocksComplete ?? false,
      held: 0,
      rejected: 0,
    }
    this.#sender = new Sender({ handle, log, channel, credit, reporter, signal })
    this.#receiver = new Receiver({
      handle,
      log,
      channel,
      debt,
      reporter,
      signal,
      received: (result) => this.#received(result),
      done: (want) => puller.done(this, want),
      idle: () => puller.consider(),
    })
  }

  get peer(): PeerId {
    return this.#init.link.peer
  }

  theirs(): LogSummary | undefined {
    return this.#reported ? this.progress.summary : undefined
  }

  busy(): boolean {
    return this.#receiver.busy
  }

  push(commit: string): void {
    this.#sender.push(commit)
  }

  report(): void {
    this.#sender.report()
  }

  sendWant(want: number, heads: LogSummary): void {
    this.#init.link.channel.post({ type: 'want', handle: this.#init.handle, want, heads })
  }

  /** @throws {PeerfoldError} `MESSAGE_INVALID` */
  take(message: ReplicaMessage): void {
    this.progress.lastSeen = this.#init.link.clock.now()
    switch (message.type) {
      case 'want':
        void this.#sender.serve(message)
        break
      case 'done':
        this.#receiver.take(message)
        break
      case 'commits':
        this.#takeCommits(message)
        break
      case 'ack':
        this.#takeAck(message)
        break
      case 'have':
        this.#takeReport(message.report)
        this.#init.puller.considerSoon()
    }
    this.#init.progressed()
  }

  end(): void {
    this.#ended.abort(new PeerfoldError('NOT_CONNECTED', 'the session ended'))
    this.#init.puller.remove(this)
  }

  #takeCommits(message: MessageOf<'commits'>): void {
    if (message.report !== undefined) this.#takeReport(message.report)
    if (message.want !== undefined) this.#init.puller.progressed(this, message.want)
    this.#receiver.take(message)
  }

  #takeAck({ held, rejected, report }: MessageOf<'ack'>): void {
    this.progress.held = held
    this.progress.rejected += rejected
    if (report !== undefined) this.#takeReport(report)
  }

  #takeReport({ reset, heads, complete }: Report): void {
    const { summary } = this.progress
    if (reset) summary.clear()
    for (const [feed, at] of heads) summary.set(feed, at)
    if (summary.size > MAX_FEEDS)
      throw new PeerfoldError('MESSAGE_INVALID', 'too many feeds in one workspace')
    this.progress.blocksComplete = complete
    this.#reported = true
  }

  #received(result: ReceiveResult): void {
    const blamed = result.rejected.filter(
      ({ blame, error }) => blame === 'forwarder' && !error.retryable,
    ).length
    if (blamed > 0) this.#init.link.blame(blamed)
    this.#init.received()
  }
}

/** What a batch costs the receiver. @throws {PeerfoldError} `MESSAGE_INVALID` when it is larger than allowed */
export function batchCost(envelopes: readonly Uint8Array[]): number {
  const cost = envelopes.reduce((sum, envelope) => sum + costOf(envelope), 0)
  if (envelopes.length > 1 && cost > MAX_BATCH_COST) {
    throw new PeerfoldError('MESSAGE_INVALID', `a batch that costs ${cost}, at most ${MAX_BATCH_COST}`)
  }
  return cost
}
