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
import type { WorkspaceHandle } from '../ports/ids.js'

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
/** Contents that are fetched at once: many small ones, or few large ones. */
const MAX_JOBS = 256
const MAX_BYTES = 16 * 2 ** 20
const MAX_HELD = 200_000

interface Job {
  content: ContentRef
  done: Promise<void>
  finish: (error?: unknown) => void
  started: boolean
  listeners: Set<(bytes: number) => void>
}

/** Brings the content of a workspace to this device: everything that is wanted, small things first, in bounded memory. */
export class Replicator {
  readonly #init: ReplicatorInit
  readonly #controller = new AbortController()
  /** Roots of contents that are known to be here entirely, by hexadecimal digest. */
  readonly #held = new Set<string>()
  readonly #jobs = new Map<string, Job>()
  /** Roots of jobs that wait, smallest content first within what arrived together. */
  #queue: string[] = []
  #sorted = true
  #active = 0
  #activeBytes = 0
  readonly #running = new Set<Promise<void>>()

  constructor(init: ReplicatorInit) {
    this.#init = init
  }

  /** Contents that are on their way, with what is known about their size. */
  get pending(): { files: number; bytes: number } {
    let bytes = 0
    for (const { content } of this.#jobs.values()) bytes += content.size
    return { files: this.#jobs.size, bytes }
  }

  get idle(): boolean {
    return this.#jobs.size === 0
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
  want(content: ContentRef): void {
    if (this.#held.has(keyOf(content))) return
    this.#ask(content).done.catch(() => {})
  }

  /** Waits until a content is here entirely. */
  async fetch(
    content: ContentRef,
    options: AbortOptions & { onProgress?: (bytes: number) => void } = {},
  ): Promise<void> {
    if (await this.available(content, options)) return
    const { onProgress } = options
    const job = this.#ask(content)
    if (onProgress !== undefined) job.listeners.add(onProgress)
    try {
      await raceSignal(job.done, options.signal)
    } finally {
      if (onProgress !== undefined) job.listeners.delete(onProgress)
    }
  }

  /** Brings single blocks here for a reader that waits. @throws {PeerfoldError} `BLOCKS_UNAVAILABLE` when nobody gives them in time */
  async fetchBlocks(cids: readonly CID[], options?: AbortOptions): Promise<void> {
    const { exchange, handle, clock } = this.#init
    if (exchange === undefined) throw unavailable('this device is offline')
    const signals = [this.#controller.signal, ...(options?.signal === undefined ? [] : [options.signal])]
    try {
      await withDeadline(
        clock,
        ON_DEMAND_MS,
        'fetching a block',
        (signal) => exchange.fetch(handle, cids, { signal }),
        {
          signal: AbortSignal.any(signals),
        },
      )
    } catch (error) {
      if (!isPeerfoldError(error, 'TIMEOUT')) throw error
      throw unavailable(`no device gave it for ${ON_DEMAND_MS / 1000} s`)
    }
  }

  async close(): Promise<void> {
    this.#controller.abort(new PeerfoldError('CLOSED', 'the workspace is closed'))
    for (const job of this.#jobs.values()) if (!job.started) job.finish(this.#controller.signal.reason)
    await Promise.all(this.#running)
  }

  #note(key: string): void {
    // A memory of what would otherwise be looked up; forgetting it costs a look.
    if (this.#held.size >= MAX_HELD) this.#held.clear()
    this.#held.add(key)
  }

  #ask(content: ContentRef): Job {
    const key = keyOf(content)
    const existing = this.#jobs.get(key)
    if (existing !== undefined) return existing
    const job = createJob(content)
    this.#jobs.set(key, job)
    this.#queue.push(key)
    this.#sorted = false
    this.#init.onChange()
    // Whoever asks for many at once gets them in the best order.
    queueMicrotask(() => this.#startMore())
    return job
  }

  #startMore(): void {
    if (this.#controller.signal.aborted) return
    if (!this.#sorted) {
      this.#queue.sort(
        (a, b) => (this.#jobs.get(b)?.content.size ?? 0) - (this.#jobs.get(a)?.content.size ?? 0),
      )
      this.#sorted = true
    }
    while (
      this.#queue.length > 0 &&
      this.#active < MAX_JOBS &&
      (this.#active === 0 || this.#activeBytes < MAX_BYTES)
    ) {
      const key = this.#queue.pop() as string
      const job = this.#jobs.get(key)
      if (job === undefined) continue
      const run: Promise<void> = this.#run(key, job).finally(() => this.#running.delete(run))
      this.#running.add(run)
    }
  }

  async #run(key: string, job: Job): Promise<void> {
    const { content } = job
    job.started = true
    this.#active++
    this.#activeBytes += content.size
    try {
      await this.#bring(job)
      this.#note(key)
      job.finish()
    } catch (error) {
      job.finish(error)
    }
    this.#active--
    this.#activeBytes -= content.size
    this.#jobs.delete(key)
    this.#init.onChange()
    this.#startMore()
  }

  async #bring({ content, listeners }: Job): Promise<void> {
    const { exchange, handle, blocks, crypto } = this.#init
    const { signal } = this.#controller
    await fetchContent(content, {
      store: blocks,
      crypto,
      signal,
      fetchBlocks: async (cids, options) => {
        if (exchange === undefined) throw unavailable('this device is offline')
        await exchange.fetch(handle, cids, {
          signal: options?.signal ?? signal,
          onProgress: (bytes) => {
            for (const listener of listeners) listener(bytes)
          },
        })
      },
    })
  }
}

function createJob(content: ContentRef): Job {
  let finish: Job['finish'] = () => {}
  const done = new Promise<void>((resolve, reject) => {
    finish = (error) => (error === undefined ? resolve() : reject(error))
  })
  done.catch(() => {})
  return { content, done, finish, started: false, listeners: new Set() }
}

function keyOf(content: ContentRef): string {
  return toHex(content.root.multihash.digest)
}

function unavailable(reason: string): PeerfoldError {
  return new PeerfoldError('BLOCKS_UNAVAILABLE', `content is missing here: ${reason}`)
}
