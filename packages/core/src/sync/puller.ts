import type { LogSummary } from '../log/types.js'
import type { Clock } from '../ports/clock.js'
import type { Head } from './summary.js'
import { ahead } from './summary.js'

/** A peer that is asked gets this long before the next one that has the commits too is asked as well. */
const PATIENCE_MS = 10_000
/** A want without any progress is given up after this long. */
const EXPIRY_MS = 60_000
/** Time for commits that are under way from their author, before another peer that reports them is asked. */
const SETTLE_MS = 50
/** Commits that a peer has but that did not stay here (no key yet, refused, no space) are asked for again, ever more rarely. */
const RETRY_MS = 30_000
const MAX_RETRY_MS = 600_000

/** What the puller needs of a replica of a workspace at a peer. */
export interface Source {
  /** What the peer reported; undefined before its first report. */
  theirs(): LogSummary | undefined
  /** Commits from it are going into the log: what it still has to give shows after that. */
  busy(): boolean
  sendWant(want: number, heads: LogSummary): void
}

interface Pull {
  want: { number: number; asked: Head[]; at: number; heard: number } | undefined
  /** Heads that the peer sent and that did not stay here. Claimed as had until the retry. */
  stuck: LogSummary
  retries: number
  retryAt: number
}

export interface PullerInit {
  log: { summary(): LogSummary }
  clock: Clock
}

/** Decides whom to ask for the commits of a workspace that this device lacks: one peer at a time, more when it is slow. */
export class Puller {
  readonly #init: PullerInit
  readonly #pulls = new Map<Source, Pull>()
  #wants = 0
  #timer: { at: number; stop: AbortController } | undefined

  constructor(init: PullerInit) {
    this.#init = init
  }

  add(source: Source): void {
    this.#pulls.set(source, { want: undefined, stuck: new Map(), retries: 0, retryAt: 0 })
  }

  remove(source: Source): void {
    this.#pulls.delete(source)
    this.consider()
  }

  close(): void {
    this.#pulls.clear()
    this.#timer?.stop.abort()
  }

  /** Another peer may be about to bring what this one reported. */
  considerSoon(): void {
    if (this.#pulls.size > 1) this.#schedule(SETTLE_MS)
    else this.consider()
  }

  /** Asks whoever should be asked now. Cheap when nothing is lacking. */
  consider(): void {
    const now = this.#init.clock.monotonic()
    for (const pull of this.#pulls.values()) this.#expire(pull, now)
    const own = this.#init.log.summary()
    const candidates = [...this.#pulls].filter(([source, pull]) => this.#lacks(own, source, pull))
    const active = [...this.#pulls.values()].flatMap(({ want }) => want ?? [])
    const wait = Math.max(0, ...active.map(({ at }) => at + PATIENCE_MS - now))
    const first = candidates[0]
    if (first !== undefined && wait === 0) this.#ask(own, ...first)
    if (first !== undefined) this.#schedule(wait || PATIENCE_MS)
    for (const pull of this.#pulls.values()) {
      if (pull.stuck.size > 0) this.#schedule(pull.retryAt - now)
    }
    if (active.length > 0 || first !== undefined) this.#schedule(EXPIRY_MS)
  }

  /** Commits came from that source for that want. */
  progressed(source: Source, want: number): void {
    const asked = this.#pulls.get(source)?.want
    if (asked?.number === want) asked.heard = this.#init.clock.monotonic()
  }

  /** The source has sent everything, and it has gone into the log. */
  done(source: Source, want: number): void {
    const pull = this.#pulls.get(source)
    if (pull?.want?.number !== want) return
    const own = this.#init.log.summary()
    pull.stuck = new Map(ahead(own, new Map([...pull.stuck, ...pull.want.asked])))
    pull.want = undefined
    if (pull.stuck.size === 0) {
      pull.retries = 0
    } else {
      pull.retryAt = this.#init.clock.monotonic() + Math.min(MAX_RETRY_MS, RETRY_MS * 2 ** pull.retries++)
    }
    this.consider()
  }

  #expire(pull: Pull, now: number): void {
    if (pull.want !== undefined && now - pull.want.heard >= EXPIRY_MS) pull.want = undefined
    if (pull.stuck.size > 0 && now >= pull.retryAt) pull.stuck = new Map()
  }

  #lacks(own: LogSummary, source: Source, pull: Pull): boolean {
    const theirs = source.theirs()
    if (theirs === undefined || pull.want !== undefined || source.busy()) return false
    return this.#lacking(own, theirs, pull).length > 0
  }

  #lacking(own: LogSummary, theirs: LogSummary, pull: Pull): Head[] {
    return ahead(own, theirs).filter(([feed, at]) => pull.stuck.get(feed)?.id !== at.id)
  }

  #ask(own: LogSummary, source: Source, pull: Pull): void {
    const now = this.#init.clock.monotonic()
    const asked = this.#lacking(own, source.theirs() ?? new Map(), pull)
    pull.want = { number: ++this.#wants, asked, at: now, heard: now }
    source.sendWant(pull.want.number, new Map([...own, ...pull.stuck]))
  }

  #schedule(ms: number): void {
    const at = this.#init.clock.monotonic() + Math.max(1, ms)
    if (this.#timer !== undefined && this.#timer.at <= at) return
    this.#timer?.stop.abort()
    const stop = new AbortController()
    this.#timer = { at, stop }
    this.#init.clock.sleep(Math.max(1, ms), { signal: stop.signal }).then(
      () => {
        this.#timer = undefined
        this.consider()
      },
      () => {},
    )
  }
}
