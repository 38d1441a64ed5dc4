import type { Clock } from '@peerfold/core'
import { systemClock } from '@peerfold/core/platform'
import { withDeadline } from '@peerfold/core/relay'
import type { RelayLog } from './types.js'

/** Each part gets so long to close, milliseconds: all of it stays below the 15 s that a service manager waits. */
const CLOSE_MS = 6_000
const ALL_MS = 12_000
/** Even the last one. */
const LEAST_MS = 500

/** What has been started, to be closed in the opposite order. */
export class Started {
  readonly log: RelayLog
  readonly clock: Clock
  readonly #parts: Array<{ name: string; close(): Promise<void> }> = []
  #closing: Promise<void> | undefined

  constructor(log: RelayLog, clock: Clock) {
    this.log = log
    this.clock = clock
  }

  get closing(): boolean {
    return this.#closing !== undefined
  }

  add<T extends { close(): Promise<void> }>(name: string, part: T): T {
    this.#parts.push({ name, close: () => part.close() })
    return part
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    const deadline = systemClock.monotonic() + ALL_MS
    for (const { name, close } of this.#parts.splice(0).reverse()) {
      const left = Math.max(LEAST_MS, Math.min(CLOSE_MS, deadline - systemClock.monotonic()))
      await withDeadline(systemClock, left, `closing ${name}`, close).catch((error: Error) => {
        this.log.error({ part: name, reason: error.message }, 'a part of the relay did not close')
      })
    }
    this.log.info({}, 'the relay is closed')
  }
}
