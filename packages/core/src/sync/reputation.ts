import type { Clock } from '../ports/clock.js'
import type { PeerId } from '../ports/network.js'
import { TokenBucket } from './bucket.js'

/** A peer with this many points is not served for a while. */
const BOUND = 100
const HALF_LIFE_MS = 600_000
const BAN_MS = 300_000
/** Peers remembered; who was silent longest is forgotten first. */
const MAX_REMEMBERED = 1000
/** Sessions that one peer may try to open. */
const ATTEMPTS = { burst: 20, rate: 0.5 }

export const POINTS = { messageInvalid: 50, commitForwarded: 20 }

interface Record {
  points: number
  at: number
  bannedUntil: number
  attempts: TokenBucket
}

/** What peers did wrong, by their key. Fades with time. */
export class Reputation {
  readonly #clock: Clock
  readonly #records = new Map<PeerId, Record>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Milliseconds for which the peer should not try again; 0 when it is welcome now. Counts as an attempt. */
  attempt(peer: PeerId): number {
    const record = this.#record(peer)
    const banned = record.bannedUntil - this.#clock.monotonic()
    if (banned > 0) return banned
    return record.attempts.tryTake() ? 0 : record.attempts.wait()
  }

  /** Resolves true when the peer is beyond the bound now. */
  blame(peer: PeerId, points: number): boolean {
    const record = this.#record(peer)
    const now = this.#clock.monotonic()
    record.points = record.points * 0.5 ** ((now - record.at) / HALF_LIFE_MS) + points
    record.at = now
    if (record.points < BOUND) return false
    record.points = 0
    record.bannedUntil = now + BAN_MS
    return true
  }

  #record(peer: PeerId): Record {
    const now = this.#clock.monotonic()
    const attempts = () => new TokenBucket({ clock: this.#clock, ...ATTEMPTS })
    const record = this.#records.get(peer) ?? { points: 0, at: now, bannedUntil: 0, attempts: attempts() }
    this.#records.delete(peer)
    this.#records.set(peer, record)
    const oldest = this.#records.keys().next().value
    if (this.#records.size > MAX_REMEMBERED && oldest !== undefined) this.#records.delete(oldest)
    return record
  }
}
