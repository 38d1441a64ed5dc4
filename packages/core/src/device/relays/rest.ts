import { isPeerfoldError } from '../../errors.js'
import type { AbortOptions } from '../../ports/abort.js'
import type { Clock } from '../../ports/clock.js'
import type { WorkspaceHandle } from '../../ports/ids.js'
import type { Random } from '../../ports/random.js'
import { Backoff } from '../../sync/backoff.js'

/** Where this device is in a mailbox. */
export interface MailboxPlace {
  handle: WorkspaceHandle
  incarnation: string
  next: number
}

/**
 * Asks a relay over HTTP whether a mailbox moved on, and waits for that for a while (PROTOCOL.md §10.8). Platforms bring it.
 *
 * @throws {PeerfoldError} `UNAUTHORIZED` when the token has run out; what kept it from an answer
 */
export type PollRelay = (
  request: { url: string; token: string; mailboxes: readonly MailboxPlace[]; timeoutMs: number },
  options: AbortOptions,
) => Promise<'changed' | 'quiet'>

export interface RestInit {
  poll: PollRelay
  clock: Clock
  random: Random
  urls: readonly string[]
  token: string
  mailboxes: readonly MailboxPlace[]
}

/** A little less than relays allow. */
const POLL_MS = 50_000
const RETRY = { first: 1_000, most: 60_000 }

/** Resolves when there is a reason for a session: a mailbox moved on, the token has run out, or the signal was aborted. */
export async function rest(init: RestInit, options: AbortOptions): Promise<void> {
  const { poll, clock, random, urls, token, mailboxes } = init
  const backoff = new Backoff({ ...RETRY, random })
  for (let tries = 0; options.signal?.aborted !== true; ) {
    const url = urls[tries % urls.length] as string
    try {
      if ((await poll({ url, token, mailboxes, timeoutMs: POLL_MS }, options)) === 'changed') return
      backoff.reset()
    } catch (error) {
      if (isPeerfoldError(error, 'UNAUTHORIZED')) return
      tries++
      await clock.sleep(backoff.next(), options).catch(() => {})
    }
  }
}
