import { isPeerfoldError } from '../errors.js'
import type { Clock } from '../ports/clock.js'
import type { FileVersion } from '../tree/types.js'
import type { FolderSource } from './types.js'

/** A version whose content a path waits for. */
export interface Wanted {
  path: string
  version: Pick<FileVersion, 'id' | 'content' | 'size'>
}

type Version = Wanted['version']

export interface FetcherInit {
  source: Pick<FolderSource, 'available' | 'fetch'>
  clock: Clock
  /** Called when a content has become ready, or can't become so now. */
  onChange(): void
  /** A failure that is more than "not here yet". */
  onFailure(wanted: Wanted, error: unknown): void
}

type State = 'checking' | 'waiting' | 'fetching' | 'ready'

interface Job {
  wanted: Wanted
  state: State
  /** Wall time, milliseconds. */
  since: number
  attempts: number
  notBefore: number
}

const FETCHES = 4
const CHECKS = 8
const TRY_MS = 60_000
const RETRY_MS = 1_000
const RETRY_MAX_MS = 60_000

/** Brings contents here in the background: first what is here already, then small before large, a few at a time. */
export class Fetcher {
  readonly #jobs = new Map<string, Job>()
  readonly #end = new AbortController()
  readonly #running = new Set<Promise<void>>()
  readonly #busy = new Set<Job>()
  #toCheck: Job[] = []
  #toFetch: Job[] = []
  #checks = 0
  #fetches = 0

  constructor(private readonly init: FetcherInit) {}

  /** Says what is wanted now; what is not named any more is forgotten. */
  want(wanted: readonly Wanted[]): void {
    const keys = new Set<string>()
    for (const want of wanted) {
      const key = want.version.id
      keys.add(key)
      const job = this.#jobs.get(key)
      const since = this.init.clock.now()
      if (job === undefined)
        this.#jobs.set(key, { wanted: want, state: 'checking', since, attempts: 0, notBefore: 0 })
      else job.wanted = want
    }
    for (const key of [...this.#jobs.keys()]) if (!keys.has(key)) this.#jobs.delete(key)
    const bySize = [...this.#jobs.values()].sort((a, b) => a.wanted.version.size - b.wanted.version.size)
    this.#toCheck = bySize.filter((job) => job.state === 'checking' && !this.#busy.has(job))
    this.#toFetch = bySize.filter((job) => job.state === 'waiting')
    this.#pump()
  }

  isReady({ id }: Pick<Version, 'id'>): boolean {
    return this.#jobs.get(id)?.state === 'ready'
  }

  /** Since when (milliseconds since 1970) it is wanted. */
  since({ id }: Pick<Version, 'id'>): number | undefined {
    return this.#jobs.get(id)?.since
  }

  /** It was thought to be here and is not. */
  lost({ id }: Pick<Version, 'id'>): void {
    const job = this.#jobs.get(id)
    if (job !== undefined) this.#later(job)
  }

  /** Not known yet whether they are here. */
  get checking(): boolean {
    for (const job of this.#jobs.values()) if (job.state === 'checking') return true
    return false
  }

  /** What is on its way. */
  awaiting(): Wanted[] {
    return [...this.#jobs.values()]
      .filter((job) => job.state === 'waiting' || job.state === 'fetching')
      .map((job) => job.wanted)
  }

  async close(): Promise<void> {
    this.#end.abort()
    await Promise.all(this.#running)
  }

  #pump(): void {
    if (this.#end.signal.aborted) return
    while (this.#checks < CHECKS && this.#toCheck.length > 0) {
      const job = this.#toCheck.shift()!
      this.#run(job, () => this.#check(job))
    }
    const now = this.init.clock.monotonic()
    while (this.#fetches < FETCHES) {
      const next = this.#toFetch.findIndex((job) => job.notBefore <= now)
      if (next < 0) return
      const [job] = this.#toFetch.splice(next, 1)
      if (this.#jobs.get(job!.wanted.version.id) === job) this.#run(job!, () => this.#fetch(job!))
    }
  }

  #run(job: Job, work: () => Promise<void>): void {
    this.#busy.add(job)
    const running = work().finally(() => {
      this.#busy.delete(job)
      this.#running.delete(running)
      if (this.#end.signal.aborted) return
      this.#pump()
      this.init.onChange()
    })
    this.#running.add(running)
  }

  async #check(job: Job): Promise<void> {
    this.#checks++
    try {
      const here = await this.init.source.available(job.wanted.version.content, { signal: this.#end.signal })
      job.state = here ? 'ready' : 'waiting'
      if (!here) this.#toFetch.push(job)
    } catch (error) {
      this.#failed(job, error)
    } finally {
      this.#checks--
    }
  }

  async #fetch(job: Job): Promise<void> {
    this.#fetches++
    job.state = 'fetching'
    const deadline = new AbortController()
    const stop = new AbortController()
    void this.init.clock.sleep(TRY_MS, { signal: stop.signal }).then(
      () => deadline.abort(),
      () => undefined,
    )
    try {
      const signal = AbortSignal.any([this.#end.signal, deadline.signal])
      await this.init.source.fetch(job.wanted.version.content, { signal })
      job.state = 'ready'
    } catch (error) {
      if (deadline.signal.aborted) this.#later(job)
      else this.#failed(job, error)
    } finally {
      stop.abort()
      this.#fetches--
    }
  }

  #failed(job: Job, error: unknown): void {
    if (this.#end.signal.aborted) return
    if (!isPeerfoldError(error, 'BLOCKS_UNAVAILABLE') && !isPeerfoldError(error, 'ABORTED'))
      this.init.onFailure(job.wanted, error)
    this.#later(job)
  }

  #later(job: Job): void {
    const wait = Math.min(RETRY_MAX_MS, RETRY_MS * 2 ** job.attempts++)
    job.state = 'waiting'
    this.#toFetch.push(job)
    job.notBefore = this.init.clock.monotonic() + wait
    const sleep = this.init.clock.sleep(wait, { signal: this.#end.signal }).then(
      () => this.#pump(),
      () => undefined,
    )
    const running: Promise<void> = sleep.finally(() => this.#running.delete(running))
    this.#running.add(running)
  }
}
