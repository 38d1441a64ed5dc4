import type { AbortOptions } from '@peerfold/core'
import { raceSignal, withDeadline } from '@peerfold/core/async'
import { systemClock } from '@peerfold/core/platform'
import { holdLock } from './lock.js'
import { leaderLock } from './names.js'
import { nextToken } from './token.js'

/** Opens the device where it is to run, and lets clients connect to it (`acceptClients`) before it resolves. */
export type StartDevice = (init: {
  /** Fencing token: what is written with a smaller one is refused. */
  token: number
  /** Ends the device, whether it has started or not: `ended` settles then. */
  signal: AbortSignal
}) => Promise<RunningDevice>

export interface RunningDevice {
  /** Settles when the device runs no more, having let go of all that it held; rejects with why, if nobody had ended it. */
  ended: Promise<void>
}

export interface LeaderInit {
  home: string
  startDevice: StartDevice
  /** The device could not be started, or ended by itself; it is started anew. */
  onFailure(error: unknown): void
}

/** A device that has not started by then never will. Longer than an index takes to be opened. */
const START_MS = 60_000
/** A device that was told to end is not waited for longer: the next one has a newer token. */
const END_MS = 10_000
/** Between attempts to start a device: doubled each time. */
const RETRY_MIN_MS = 1_000
const RETRY_MAX_MS = 30_000

/** Runs the device of a home for as long as this tab is the leading one; others wait for the same lock, and one of them takes over. */
export class Leader {
  readonly #init: LeaderInit
  readonly #closing = new AbortController()
  readonly #done: Promise<void>

  constructor(init: LeaderInit) {
    this.#init = init
    this.#done = this.#run().catch((error: unknown) => {
      if (!this.#closing.signal.aborted) init.onFailure(error)
    })
  }

  /** Ends the device, if it runs here, and lets another tab lead. Idempotent. */
  async close(): Promise<void> {
    this.#closing.abort()
    await this.#done
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing
    const release = await holdLock(leaderLock(this.#init.home), { signal })
    try {
      await this.#lead({ signal })
    } finally {
      release()
    }
  }

  async #lead({ signal }: Required<AbortOptions>): Promise<void> {
    let pause = RETRY_MIN_MS
    while (!signal.aborted) {
      const started = systemClock.monotonic()
      try {
        await this.#runDevice({ signal })
      } catch (error) {
        if (!signal.aborted) this.#init.onFailure(error)
      }
      if (systemClock.monotonic() - started > START_MS) pause = RETRY_MIN_MS
      await systemClock.sleep(pause, { signal }).catch(() => {})
      pause = Math.min(2 * pause, RETRY_MAX_MS)
    }
  }

  async #runDevice({ signal }: Required<AbortOptions>): Promise<void> {
    const { home, startDevice } = this.#init
    const given = new AbortController()
    const end = () => given.abort(signal.reason)
    signal.addEventListener('abort', end, { once: true })
    try {
      const token = await nextToken(home)
      const start = () => startDevice({ token, signal: given.signal })
      const { ended } = await withDeadline(systemClock, START_MS, 'starting the device', start, { signal })
      await untilEnded(ended, signal)
    } finally {
      given.abort()
      signal.removeEventListener('abort', end)
    }
  }
}

/** Once it was told to end it is given some time. */
async function untilEnded(ended: Promise<void>, signal: AbortSignal): Promise<void> {
  const late = new AbortController()
  const limit = () => setTimeout(() => late.abort(), END_MS)
  if (signal.aborted) limit()
  else signal.addEventListener('abort', limit, { once: true })
  try {
    await raceSignal(ended, late.signal)
  } finally {
    signal.removeEventListener('abort', limit)
  }
}
