import type { Clock } from '../ports/clock.js'
import type { PeerId } from '../ports/network.js'
import type { Random } from '../ports/random.js'
import { Backoff } from './backoff.js'

const BACKOFF = { first: 1000, most: 60_000 }

export interface OpenerInit {
  clock: Clock
  random: Random
  /** Whether a session with that connected peer is wanted and missing. */
  lacks: (peer: PeerId) => boolean
  /** Opens a session. Rejects with the reason why not; `details.retryAfter` is heeded. */
  open: (peer: PeerId) => Promise<void>
}

interface Attempt {
  backoff: Backoff
  busy: boolean
  waiting: AbortController | undefined
}

/** Opens sessions with connected peers, and tries again ever more rarely where that fails. */
export class Opener {
  readonly #init: OpenerInit
  readonly #attempts = new Map<PeerId, Attempt>()
  #closed = false

  constructor(init: OpenerInit) {
    this.#init = init
  }

  /** The peer has just connected, or something changed that may make it willing: tries now. */
  encourage(peer: PeerId): void {
    this.forget(peer)
    this.#check(peer)
  }

  /** A session ended: tries again after a moment. */
  retry(peer: PeerId): void {
    if (!this.#init.lacks(peer)) return
    const attempt = this.#attempt(peer)
    if (!attempt.busy && attempt.waiting === undefined) this.#wait(peer, attempt, 0)
  }

  /** The peer is connected no more, or a session is up. */
  forget(peer: PeerId): void {
    const attempt = this.#attempts.get(peer)
    attempt?.waiting?.abort()
    if (attempt?.busy) attempt.backoff.reset()
    else this.#attempts.delete(peer)
  }

  close(): void {
    this.#closed = true
    for (const { waiting } of this.#attempts.values()) waiting?.abort()
    this.#attempts.clear()
  }

  #attempt(peer: PeerId): Attempt {
    const fresh = () => new Backoff({ ...BACKOFF, random: this.#init.random })
    const attempt = this.#attempts.get(peer) ?? { backoff: fresh(), busy: false, waiting: undefined }
    this.#attempts.set(peer, attempt)
    return attempt
  }

  #check(peer: PeerId): void {
    if (this.#closed || !this.#init.lacks(peer)) return
    const attempt = this.#attempt(peer)
    if (!attempt.busy) void this.#open(peer, attempt)
  }

  async #open(peer: PeerId, attempt: Attempt): Promise<void> {
    attempt.busy = true
    try {
      await this.#init.open(peer)
      attempt.busy = false
    } catch (error) {
      attempt.busy = false
      this.#wait(peer, attempt, retryAfter(error))
    }
  }

  #wait(peer: PeerId, attempt: Attempt, least: number): void {
    if (this.#closed || !this.#init.lacks(peer)) return
    const waiting = new AbortController()
    attempt.waiting = waiting
    const ms = Math.max(least, attempt.backoff.next())
    const over = () => {
      if (attempt.waiting === waiting) attempt.waiting = undefined
    }
    this.#init.clock.sleep(ms, { signal: waiting.signal }).then(() => {
      over()
      this.#check(peer)
    }, over)
  }
}

function retryAfter(error: unknown): number {
  const wait = (error as { details?: { retryAfter?: unknown } }).details?.retryAfter
  return typeof wait === 'number' ? wait : 0
}
