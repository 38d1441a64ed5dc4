import type { CID } from 'multiformats/cid'
import { raceSignal, withDeadline } from '../async/deadline.js'
import { fetchContent } from '../content/fetch-content.js'
import { missingBlocks } from '../content/list-blocks.js'
import type { ContentRef } from '../content/types.js'
import { toHex } from '../encoding/bytes.js'
import { isPeerfoldError, PeerfoldError } from '../errors.js'
import type { Exchange } from '../exchange/types.js'
import type { AbortOptions } from '../ports/abort.js'
import type { BlockStore } from '../ports/block-store.js'
import type { Clock } from '../ports/clock.js'
import type { Crypto } from '../ports/crypto.js'
import type { ItemId, WorkspaceHandle } from '../ports/ids.js'
import { FetchQueue } from './fetch-queue.js'

export interface ReplicatorInit {
  handle: WorkspaceHandle
  blocks: BlockStore
  /** Absent on a device that is offline. */
  exchange: Exchange | undefined
  crypto: Crypto
  clock: Clock
  /** Told when something was asked for or has arrived. */
  onChange(): void
}

/** Reading on demand gives up when no peer has given the block for so long. */
const ON_DEMAND_MS = 30_000
const MAX_HELD = 200_000

/** A content that is not here entirely. */
export interface Lacking {
  content: ContentRef
  /** The file that it was wanted for first, where one is known. */
  item: ItemId | undefined
}

interface Job extends Lacking {
  /** Callers that wait for this try to end. */
  waiters: Set<(error?: unknown) => void>
  listeners: Set<(bytes: number) => void>
  /** Blocks that it waits for now. */
  asked: Set<readonly CID[]>
}

/** Brings the content of a workspace to this device: everything that is wanted, small things first, in bounded memory. */
export class Replicator {
  readonly #init: ReplicatorInit
  readonly #closing = new AbortController()
  /** Roots of contents that are known to be here entirely, by hexadecimal digest. */
  readonly #held = new Set<string>()
  readonly #jobs = new Map<string, Job>()
  readonly #queue: FetchQueue<Job>

  constructor(init: ReplicatorInit) {
    this.#init = init
    this.#queue = new FetchQueue<Job>({
      clock: init.clock,
      run: (job, options) => this.#bring(job, options),
      stuck: (job) => this.#isStuck(job),
      stalled: () => init.onChange(),
      anybody: () => this.#sources().length > 0,
      ended: (job, error) => this.#ended(job, error),
      failed: (job, error) => tell(job, error),
      // What nobody can ever give is not waited for: its reference is wrong.
      mayRetry: (error) => !isPeerfoldError(error, 'MANIFEST_INVALID'),
    })
  }

  /** Contents that are not here entirely, with what is known about their size. */
  get pending(): { files: number; bytes: number } {
    let bytes = 0
    for (const { content } of this.#jobs.values()) bytes += content.size
    return { files: this.#jobs.size, bytes }
  }

  get idle(): boolean {
    return this.#jobs.size === 0
  }

  /** What is wanted and no connected device gives, as far as is known. */
  *outOfReach(): Generator<Lacking> {
    const alone = this.#sources().length === 0
    for (const job of this.#jobs.values()) if (alone || this.#queue.isStalled(job)) yield job
  }

  /** Notes that this device made a content itself. */
  hold(content: ContentRef): void {
    this.#note(keyOf(content))
  }

  async available(content: ContentRef, options?: AbortOptions): Promise<boolean> {
    const key = keyOf(content)
    if (this.#held.has(key)) return true
    if (this.#jobs.has(key)) return false
    const { blocks, crypto } = this.#init
    for await (const _ of missingBlocks(content, { store: blocks, crypto, signal: options?.signal }))
      return false
    this.#note(key)
    return true
  }

  /** Asks for a content without waiting for it. */
  want(content: ContentRef, item?: ItemId): void {
    if (!this.#held.has(keyOf(content))) this.#ask(content, item)
  }

  /** Waits until a content is here entirely. @throws {PeerfoldError} `BLOCKS_UNAVAILABLE` on a device that is offline; what its stores throw */
  async fetch(
    content: ContentRef,
    options: AbortOptions & { onProgress?: (bytes: number) => void } = {},
  ): Promise<void> {
    if (await this.available(content, options)) return
    const { onProgress, signal } = options
    const job = this.#ask(content, undefined)
    if (this.#init.exchange === undefined) throw unavailable('this device is offline')
    let end: (error?: unknown) => void = () => {}
    const done = new Promise<void>((resolve, reject) => {
      end = (error) => (error === undefined ? resolve() : reject(error))
    })
    job.waiters.add(end)
    if (onProgress !== undefined) job.listeners.add(onProgress)
    try {
      await raceSignal(done, signal)
    } finally {
      job.waiters.delete(end)
      if (onProgress !== undefined) job.listeners.delete(onProgress)
    }
  }

  /** Brings single blocks here for a reader that waits. @throws {PeerfoldError} `BLOCKS_UNAVAILABLE` when nobody gives them in time */
  async fetchBlocks(cids: readonly CID[], options?: AbortOptions): Promise<void> {
    const { exchange, handle, clock } = this.#init
    if (exchange === undefined) throw unavailable('this device is offline')
    const signals = [this.#closing.signal, ...(options?.signal === undefined ? [] : [options.signal])]
    const fetch = (signal: AbortSignal) => exchange.fetch(handle, cids, { signal })
    try {
      const signal = AbortSignal.any(signals)
      await withDeadline(clock, ON_DEMAND_MS, 'fetching a block', fetch, { signal })
    } catch (error) {
      if (!isPeerfoldError(error, 'TIMEOUT')) throw error
      throw unavailable(`no device gave it for ${ON_DEMAND_MS / 1000} s`)
    }
  }

  async close(): Promise<void> {
    const reason = new PeerfoldError('CLOSED', 'the workspace is closed')
    this.#closing.abort(reason)
    await this.#queue.close(reason)
    for (const job of this.#jobs.values()) tell(job, reason)
  }

  #note(key: string): void {
    // A memory of what would otherwise be looked up; forgetting it costs a look.
    if (this.#held.size >= MAX_HELD) this.#held.clear()
    this.#held.add(key)
  }

  #ask(content: ContentRef, item: ItemId | undefined): Job {
    this.#closing.signal.throwIfAborted()
    const key = keyOf(content)
    const existing = this.#jobs.get(key)
    if (existing !== undefined) {
      existing.item ??= item
      return existing
    }
    const job: Job = { content, item, waiters: new Set(), listeners: new Set(), asked: new Set() }
    this.#jobs.set(key, job)
    if (this.#init.exchange !== undefined) this.#queue.add(job)
    this.#init.onChange()
    return job
  }

  #ended(job: Job, error: unknown): void {
    const key = keyOf(job.content)
    if (error === undefined) this.#note(key)
    this.#jobs.delete(key)
    tell(job, error)
    this.#init.onChange()
  }

  async #bring(job: Job, { signal }: { signal: AbortSignal }): Promise<void> {
    const { blocks, crypto } = this.#init
    await fetchContent(job.content, {
      store: blocks,
      crypto,
      signal,
      fetchBlocks: (cids, options) => this.#exchange(job, cids, options.signal ?? signal),
    })
  }

  async #exchange(job: Job, cids: readonly CID[], signal: AbortSignal): Promise<void> {
    const { exchange, handle } = this.#init
    const onProgress = (bytes: number) => {
      for (const listener of job.listeners) listener(bytes)
    }
    job.asked.add(cids)
    try {
      await exchange?.fetch(handle, cids, { signal, onProgress })
    } finally {
      job.asked.delete(cids)
    }
  }

  #sources(): string[] {
    return this.#init.exchange?.sources(this.#init.handle) ?? []
  }

  #isStuck({ asked }: Job): boolean {
    const { exchange, handle } = this.#init
    const sources = this.#sources()
    for (const cids of asked)
      for (const cid of cids) {
        const lackers = exchange?.lackers(handle, cid) ?? []
        if (lackers.length >= sources.length && sources.every((peer) => lackers.includes(peer))) return true
      }
    return false
  }
}

function tell({ waiters }: Job, error: unknown): void {
  for (const end of [...waiters]) end(error)
}

function keyOf(content: ContentRef): string {
  return toHex(content.root.multihash.digest)
}

function unavailable(reason: string): PeerfoldError {
  return new PeerfoldError('BLOCKS_UNAVAILABLE', `content is missing here: ${reason}`)
}
