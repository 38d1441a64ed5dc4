import { isPeerfoldError } from '../errors.js'
import type { WorkspaceLog } from '../log/types.js'
import type { CommitId, WorkspaceHandle } from '../ports/ids.js'
import type { Channel } from './channel.js'
import type { Credit } from './credit.js'
import { costOf, MAX_BATCH_COST } from './limits.js'
import type { Message, MessageOf } from './messages.js'
import type { Reporter } from './reporter.js'

/** Local commits that wait to be pushed; a peer further behind is told of the heads and fetches the rest itself. */
const MAX_PUSH_QUEUE = 256

export interface SenderInit {
  handle: WorkspaceHandle
  log: Pick<WorkspaceLog, 'envelope' | 'missing'>
  channel: Channel<Message>
  credit: Credit
  reporter: Reporter
  /** Aborts when the replica ends. */
  signal: AbortSignal
}

/** Sends commits of one workspace to one peer: new ones at once, old ones when it asks. */
export class Sender {
  readonly #init: SenderInit
  #queue: CommitId[] = []
  #pushing = false
  #serving: AbortController | undefined

  constructor(init: SenderInit) {
    this.#init = init
  }

  /** A new local commit. While the peer is being served it learns of it by the report that follows. */
  push(commit: CommitId): void {
    if (this.#serving !== undefined) return
    this.#queue.push(commit)
    if (this.#queue.length > MAX_PUSH_QUEUE) this.#queue = []
    if (!this.#pushing) void this.#push()
  }

  /** Tells what changed here since the last report. */
  report(): void {
    const { handle, reporter, channel, signal } = this.#init
    if (signal.aborted) return
    for (let report = reporter.take(); report !== undefined; report = reporter.take()) {
      channel.post({ type: 'have', handle, report })
    }
  }

  /** Sends what the peer lacks. A newer want replaces the one being served. */
  async serve({ want, heads }: MessageOf<'want'>): Promise<void> {
    this.#serving?.abort()
    const serving = new AbortController()
    this.#serving = serving
    this.#queue = []
    const signal = AbortSignal.any([serving.signal, this.#init.signal])
    try {
      await this.#serve(heads, want, signal)
    } catch {
      // what could not be read or sent is asked for again
    }
    if (this.#serving !== serving || signal.aborted) return
    this.#serving = undefined
    this.#init.channel.post({ type: 'done', handle: this.#init.handle, want })
    this.report()
  }

  async #serve(heads: MessageOf<'want'>['heads'], want: number, signal: AbortSignal): Promise<void> {
    let batch: Uint8Array[] = []
    let cost = 0
    for await (const { envelope } of this.#init.log.missing(heads, { signal })) {
      if (batch.length > 0 && cost + costOf(envelope) > MAX_BATCH_COST) {
        await this.#send(batch, cost, signal, want)
        batch = []
        cost = 0
      }
      batch.push(envelope)
      cost += costOf(envelope)
    }
    if (batch.length > 0) await this.#send(batch, cost, signal, want)
  }

  async #push(): Promise<void> {
    this.#pushing = true
    const { signal } = this.#init
    try {
      while (this.#queue.length > 0 && !signal.aborted) {
        const { batch, cost } = await this.#nextBatch()
        if (batch.length > 0) await this.#send(batch, cost, signal)
      }
    } catch {
      // the session ends, or the peer fetches what it did not get
    } finally {
      this.#pushing = false
    }
    this.report()
  }

  async #nextBatch(): Promise<{ batch: Uint8Array[]; cost: number }> {
    const batch: Uint8Array[] = []
    let cost = 0
    for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
      const envelope = await this.#envelope(next)
      if (this.#queue[0] !== next) continue
      if (envelope !== undefined && batch.length > 0 && cost + costOf(envelope) > MAX_BATCH_COST) break
      this.#queue.shift()
      if (envelope === undefined) continue
      batch.push(envelope)
      cost += costOf(envelope)
    }
    return { batch, cost }
  }

  /** Undefined when the log has let go of it meanwhile. */
  async #envelope(commit: CommitId): Promise<Uint8Array | undefined> {
    try {
      return await this.#init.log.envelope(commit, { signal: this.#init.signal })
    } catch (error) {
      if (isPeerfoldError(error, 'NOT_FOUND')) return undefined
      throw error
    }
  }

  async #send(envelopes: Uint8Array[], cost: number, signal: AbortSignal, want?: number): Promise<void> {
    const { handle, channel, credit, reporter } = this.#init
    await credit.take(cost, { signal })
    const batch = credit.number(cost)
    const report = want === undefined ? reporter.take() : undefined
    await channel.send({ type: 'commits', handle, batch, want, report, envelopes })
  }
}
