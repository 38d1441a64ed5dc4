import { PeerfoldError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'
import type { Clock } from '../ports/clock.js'

/** Jobs that run at once: many small ones, or few large ones. */
const MAX_RUNNING = 256
const MAX_BYTES = 16 * 2 ** 20
/** How often jobs that cannot go on are looked for, while there are jobs. */
const LOOK_MS = 1000
/** How long a job that cannot go on keeps others waiting: what it lacks may be on its way to a device in reach. */
const PATIENCE_MS = 10_000
/** When a job that made room, or failed, has its turn again. */
const RETRY_MS = 30_000

export interface FetchQueueInit<T extends Sized> {
  clock: Clock
  run(job: T, options: { signal: AbortSignal }): Promise<void>
  /** Whether nobody in reach can give what a running job waits for. */
  stuck(job: T): boolean
  /** `isStalled` says something else now. */
  stalled(): void
  /** Whether there is anybody to fetch from. */
  anybody(): boolean
  /** The job is over: done, or with an error that trying again cannot mend. */
  ended(job: T, error?: unknown): void
  /** The job failed and will be tried again. */
  failed(job: T, error: unknown): void
  /** Whether trying again may help. */
  mayRetry(error: unknown): boolean
}

interface Sized {
  content: { size: number }
}

interface Later<T> {
  job: T
  notBefore: number
}

/**
 * Runs jobs a few at a time, small ones first. Those that nobody in reach can help make room for others, so that what one absent device alone
 * holds keeps nothing else waiting; they have their turn again later.
 */
export class FetchQueue<T extends Sized> {
  readonly #init: FetchQueueInit<T>
  readonly #closing = new AbortController()
  /** Never tried, smallest last. */
  #fresh: T[] = []
  #sorted = true
  /** Tried in vain, longest ago first. */
  readonly #later: Array<Later<T>> = []
  readonly #running = new Map<T, { attempt: AbortController; done: Promise<void> }>()
  /** Since when nobody in reach has what a job lacks. */
  readonly #stalled = new WeakMap<T, number>()
  #runningBytes = 0
  #looking: Promise<void> | undefined

  constructor(init: FetchQueueInit<T>) {
    this.#init = init
  }

  add(job: T): void {
    this.#fresh.push(job)
    this.#sorted = false
    // Whoever asks for many at once gets them in the best order.
    queueMicrotask(() => this.#startMore())
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined
    })
  }

  /** Whether nobody in reach had what the job lacks when it was looked at last. */
  isStalled(job: T): boolean {
    return this.#stalled.has(job)
  }

  /** Ends what runs; jobs that wait are left alone. */
  async close(reason: PeerfoldError): Promise<void> {
    this.#closing.abort(reason)
    for (const { attempt } of this.#running.values()) attempt.abort(reason)
    await Promise.all([...this.#running.values()].map(({ done }) => done))
    await this.#looking
  }

  #startMore(): void {
    if (!this.#sorted) {
      this.#fresh.sort((a, b) => b.content.size - a.content.size)
      this.#sorted = true
    }
    while (this.#hasRoom()) {
      const job = this.#next()
      if (job === undefined) return
      this.#start(job)
    }
  }

  #hasRoom(): boolean {
    if (this.#closing.signal.aborted || this.#running.size >= MAX_RUNNING) return false
    return this.#running.size === 0 || this.#runningBytes < MAX_BYTES
  }

  #next(): T | undefined {
    return this.#fresh.pop() ?? (this.#isDue() ? this.#later.shift()?.job : undefined)
  }

  #isDue(): boolean {
    return (this.#later[0]?.notBefore ?? Number.POSITIVE_INFINITY) <= this.#init.clock.monotonic()
  }

  #start(job: T): void {
    const attempt = new AbortController()
    if (this.#stalled.has(job)) this.#stalled.set(job, this.#init.clock.monotonic())
    this.#runningBytes += job.content.size
    const done = this.#run(job, attempt).finally(() => {
      this.#running.delete(job)
      this.#runningBytes -= job.content.size
      this.#startMore()
    })
    this.#running.set(job, { attempt, done })
  }

  async #run(job: T, attempt: AbortController): Promise<void> {
    const { run, ended, failed, mayRetry } = this.#init
    try {
      await run(job, { signal: attempt.signal })
    } catch (error) {
      const yielded = attempt.signal.aborted && !this.#closing.signal.aborted
      if (this.#closing.signal.aborted || (!yielded && !mayRetry(error))) return ended(job, error)
      this.#later.push({ job, notBefore: this.#init.clock.monotonic() + RETRY_MS })
      if (!yielded) failed(job, error)
      return
    }
    ended(job)
  }

  async #look(): Promise<void> {
    const { clock } = this.#init
    const options: AbortOptions = { signal: this.#closing.signal }
    while (this.#running.size + this.#fresh.length + this.#later.length > 0) {
      const slept = await clock.sleep(LOOK_MS, options).then(
        () => true,
        () => false,
      )
      if (!slept) return
      this.#findStalled()
      this.#makeRoom()
      this.#startMore()
    }
  }

  #findStalled(): void {
    const { clock, stuck, stalled } = this.#init
    let changed = false
    for (const job of this.#running.keys()) {
      const isStuck = stuck(job)
      if (isStuck === this.#stalled.has(job)) continue
      changed = true
      if (isStuck) this.#stalled.set(job, clock.monotonic())
      else this.#stalled.delete(job)
    }
    if (changed) stalled()
  }

  /** Alone, there is nothing to gain by taking turns. */
  #makeRoom(): void {
    if (this.#hasRoom() || !this.#init.anybody()) return
    let waiting = this.#fresh.length > 0 ? this.#fresh.length : this.#isDue() ? this.#later.length : 0
    const before = this.#init.clock.monotonic() - PATIENCE_MS
    for (const [job, { attempt }] of this.#running) {
      if (waiting === 0) return
      if ((this.#stalled.get(job) ?? Number.POSITIVE_INFINITY) > before) continue
      attempt.abort(new PeerfoldError('ABORTED', 'others have their turn'))
      waiting--
    }
  }
}
