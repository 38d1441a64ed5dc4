import type { CommitId, EpochId, FeedId } from '../ports/ids.js'
import type { LogPosition } from '../ports/log-store.js'
import type { Body } from './body.js'
import type { Sealed } from './envelope.js'
import { MAX_HELD, MAX_HELD_BYTES, MAX_HELD_SEALED, MAX_HELD_SEALED_BYTES } from './limits.js'

export type HoldReason = 'dep' | 'key' | 'blocks'

/** A commit that waits for others, for a key or for blocks. */
export interface Held {
  id: CommitId
  reason: HoldReason
  /** Undefined when it lies in the log already (`position`): then it is read again when its time comes. */
  sealed: Sealed | undefined
  body: Body | undefined
  epoch: EpochId
  feed: FeedId
  received: number
  position: LogPosition | undefined
  next: LogPosition | undefined
  missing: Set<CommitId>
}

/**
 * Commits that cannot be judged yet, in memory: whoever sent them has them still. Bounded; the oldest make room, those that nobody here can
 * open within a smaller bound of their own, since anyone can make such.
 */
export class Holding {
  readonly #held = new Map<CommitId, Held>()
  readonly #waiting = new Map<CommitId, Set<CommitId>>()
  readonly #use = { key: { count: 0, bytes: 0 }, other: { count: 0, bytes: 0 } }

  get(id: CommitId): Held | undefined {
    return this.#held.get(id)
  }

  has(id: CommitId): boolean {
    return this.#held.has(id)
  }

  /** How many lie in the log. */
  strandedCount = 0

  /** Feeds of commits that lie in the log but could not be judged, because of damage before them. */
  stranded(): Set<FeedId> {
    const inLog = [...this.#held.values()].filter(({ position }) => position !== undefined)
    return new Set(inLog.map(({ feed }) => feed))
  }

  /** Forgets those that lie in the log: it is about to be read again. */
  forgetStranded(): void {
    for (const held of [...this.#held.values()]) if (held.position !== undefined) this.remove(held.id)
  }

  /** Returns those that had to go. */
  add(held: Held): CommitId[] {
    this.remove(held.id)
    this.#held.set(held.id, held)
    for (const id of held.missing) {
      const waiting = this.#waiting.get(id) ?? new Set()
      this.#waiting.set(id, waiting.add(held.id))
    }
    this.#count(held, 1)
    return this.#evict(held.reason === 'key')
  }

  remove(id: CommitId): Held | undefined {
    const held = this.#held.get(id)
    if (held === undefined) return undefined
    this.#held.delete(id)
    for (const missing of held.missing) {
      const waiting = this.#waiting.get(missing)
      waiting?.delete(id)
      if (waiting?.size === 0) this.#waiting.delete(missing)
    }
    this.#count(held, -1)
    return held
  }

  /** `id` is there: takes out those that missed nothing else. */
  release(id: CommitId): Held[] {
    const ready: Held[] = []
    for (const waiting of this.#waiting.get(id) ?? []) {
      const held = this.#held.get(waiting) as Held
      held.missing.delete(id)
      if (held.missing.size === 0) ready.push(held)
    }
    this.#waiting.delete(id)
    for (const held of ready) this.remove(held.id)
    return ready
  }

  /** Takes out those that wait for this reason. */
  take(reason: HoldReason, test: (held: Held) => boolean = () => true): Held[] {
    const taken = [...this.#held.values()].filter((held) => held.reason === reason && test(held))
    for (const held of taken) this.remove(held.id)
    return taken
  }

  #count(held: Held, sign: 1 | -1): void {
    if (held.position !== undefined) this.strandedCount += sign
    if (held.sealed === undefined) return
    const use = held.reason === 'key' ? this.#use.key : this.#use.other
    use.count += sign
    use.bytes += sign * held.sealed.bytes.length * (held.body === undefined ? 1 : 2)
  }

  #evict(key: boolean): CommitId[] {
    const use = key ? this.#use.key : this.#use.other
    const [count, bytes] = key ? [MAX_HELD_SEALED, MAX_HELD_SEALED_BYTES] : [MAX_HELD, MAX_HELD_BYTES]
    if (use.count <= count && use.bytes <= bytes) return []
    const gone: CommitId[] = []
    for (const held of this.#held.values()) {
      if (use.count <= count && use.bytes <= bytes) break
      if (held.sealed === undefined || (held.reason === 'key') !== key) continue
      this.remove(held.id)
      gone.push(held.id)
    }
    return gone
  }
}
