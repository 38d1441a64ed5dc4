import type { ReceiveResult, WorkspaceLog } from '../log/types.js'
import type { WorkspaceHandle } from '../ports/ids.js'
import type { Channel } from './channel.js'
import type { Debt } from './credit.js'
import { costOf } from './limits.js'
import type { Message, MessageOf } from './messages.js'
import type { Reporter } from './reporter.js'

export interface ReceiverInit {
  handle: WorkspaceHandle
  log: Pick<WorkspaceLog, 'receive'>
  channel: Channel<Message>
  debt: Debt
  reporter: Reporter
  signal: AbortSignal
  /** After commits went into the log, before they are acknowledged. */
  received: (result: ReceiveResult) => void
  /** All that a want asked for has gone into the log. */
  done: (want: number) => void
  /** Nothing waits any more. */
  idle: () => void
}

type Incoming = MessageOf<'commits'> | MessageOf<'done'>

/** Puts commits that one peer sends into the log, in the order in which they came, and acknowledges them. */
export class Receiver {
  readonly #init: ReceiverInit
  #inbox: Incoming[] = []
  #draining = false

  constructor(init: ReceiverInit) {
    this.#init = init
  }

  get busy(): boolean {
    return this.#draining
  }

  /** What waits here is bounded by the debt that the session counted. */
  take(message: Incoming): void {
    this.#inbox.push(message)
    if (!this.#draining) void this.#drain()
  }

  async #drain(): Promise<void> {
    this.#draining = true
    const { signal } = this.#init
    while (this.#inbox.length > 0) {
      const inbox = this.#inbox.splice(0)
      const batches = inbox.filter((message) => message.type === 'commits')
      if (batches.length > 0) this.#acknowledge(batches, await this.#receive(batches))
      for (const message of inbox) {
        if (message.type === 'done' && !signal.aborted) this.#init.done(message.want)
      }
    }
    this.#draining = false
    if (!signal.aborted) this.#init.idle()
  }

  /** Undefined when nothing of it can be taken now: the disk refused, or the log closes. It is asked for again. */
  async #receive(batches: Array<MessageOf<'commits'>>): Promise<ReceiveResult | undefined> {
    const { log, signal, received } = this.#init
    if (signal.aborted) return undefined
    try {
      const envelopes = batches.flatMap((batch) => batch.envelopes)
      const result = await log.receive(envelopes, { signal })
      received(result)
      return result
    } catch {
      return undefined
    }
  }

  /** Even what was not taken is acknowledged: the credit belongs to the whole session. */
  #acknowledge(batches: Array<MessageOf<'commits'>>, result: ReceiveResult | undefined): void {
    const { handle, channel, debt, reporter, signal } = this.#init
    for (const { envelopes } of batches) for (const envelope of envelopes) debt.settle(costOf(envelope))
    channel.post({
      type: 'ack',
      handle,
      batches: batches.map(({ batch }) => batch),
      held: result?.held.length ?? 0,
      rejected: result?.rejected.length ?? 0,
      report: signal.aborted ? undefined : reporter.take(),
    })
  }
}
