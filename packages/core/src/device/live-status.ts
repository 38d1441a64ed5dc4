import type { Status } from '../api.js'
import { isPeerfoldError } from '../errors.js'
import type { Clock } from '../ports/clock.js'
import type { Live } from '../workspace/types.js'

/** Changes that come close together are shown as one. */
const COALESCE_MS = 50

export interface LiveStatusInit {
  clock: Clock
  compute(): Promise<Status>
}

/** The status as a live value: computed again soon after each `touch`. */
export class LiveStatus implements Live<Status> {
  readonly #init: LiveStatusInit
  readonly #listeners = new Set<(status: Status) => void>()
  readonly #closing = new AbortController()
  #value: Status
  #shown = ''
  #dirty = false
  #running: Promise<void> | undefined

  constructor(init: LiveStatusInit, first: Status) {
    this.#init = init
    this.#value = first
  }

  get value(): Status {
    return this.#value
  }

  subscribe(listener: (status: Status) => void): () => void {
    this.#listeners.add(listener)
    listener(this.#value)
    return () => this.#listeners.delete(listener)
  }

  /** Something that status shows may have changed. */
  touch(): void {
    this.#dirty = true
    if (this.#closing.signal.aborted) return
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined
    })
  }

  /** Brings the value up to date now. */
  async refresh(): Promise<Status> {
    await this.#compute()
    return this.#value
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await this.#running
    this.#listeners.clear()
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing
    while (this.#dirty && !signal.aborted) {
      const slept = await this.#init.clock.sleep(COALESCE_MS, { signal }).then(
        () => true,
        () => false,
      )
      if (!slept) return
      this.#dirty = false
      await this.#compute().catch(ignoreClosed)
    }
  }

  async #compute(): Promise<void> {
    const value = await this.#init.compute()
    const shown = JSON.stringify(value)
    if (shown === this.#shown) return
    this.#shown = shown
    this.#value = value
    for (const listener of [...this.#listeners]) listener(value)
  }
}

/** A workspace went while it was looked at; that it has gone is a change of its own. */
function ignoreClosed(error: unknown): void {
  if (!isPeerfoldError(error, 'CLOSED')) throw error
}
