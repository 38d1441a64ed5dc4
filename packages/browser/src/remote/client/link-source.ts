import type { AbortOptions } from '@peerfold/core'
import type { Link } from './link.js'

/** Where calls get their connection from. */
export interface LinkSource {
  /** The connection of now; waits for one, within a deadline. @throws {PeerfoldError} `NOT_CONNECTED`, `CLOSED`, why there is none */
  current(options?: AbortOptions): Promise<Link>
}

/** One connection and no other: what a transaction began there exists only there. */
export function pinned(link: Link): LinkSource {
  return {
    current: async () => {
      link.lost.throwIfAborted()
      return link
    },
  }
}

/** Whether an error says no more than that the connection went, so that the call may be made again. */
export function isLost(link: Link, error: unknown): boolean {
  return link.lost.aborted && link.lost.reason === error
}
