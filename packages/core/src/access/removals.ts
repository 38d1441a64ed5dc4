import type { CommitId, DeviceId, UserId, WriterId } from '../ports/ids.js'
import type { EntryId, IdentityEntry } from './identity-entry.js'
import { foldIdentity, type IdentityState, withCauses } from './identity-fold.js'
import { emptyIdentity, type IdentityLog, mergeVerified } from './identity-log.js'
import type { AuthoredCommit, CausalPast } from './types.js'

/**
 * Which commits of removed devices stand (PROTOCOL.md §3.13). Goal: the same verdicts on every replica, in every order of delivery, and no honest work lost that
 * someone built on. A function of the set of opened commits:
 *
 * 1. A device is removed here once an operation has named its revocation. `revoked` when the identity fold finds that valid, `suspended` while
 *    it is undecided.
 * 2. A commit by an active device stands. What a standing commit builds on stands.
 * 3. The cut of a revocation whose author is suspended, or revoked itself only, is the causal past of the commit in which that author named it:
 *    commits of the revoked device in it stand.
 * 4. Everything else by removed devices is outside. A commit that knew of a removal and was sealed so that the removed device can
 *    read it is void, and so is what builds on it.
 *
 * A later commit can make an earlier one stand, so verdicts are found by replaying until nothing changes: ids of commits that stand are
 * kept from replay to replay, positions are not, since forks rename feeds.
 */
export type Ruling = 'stands' | 'outside' | 'void'

export type DeviceState = 'active' | 'revoked' | 'suspended'

interface Position {
  writer: WriterId
  seq: number
}

/** A commit that named identity entries. */
export interface Carrier {
  device: DeviceId
  entries: EntryId[]
  /** Unknown until the replay has come to it. */
  at: Position | undefined
}

/** What is known of one writer's commits. */
export interface FeedExtent {
  device: DeviceId
  first: number
  last: number
  /** The highest seq that stands. */
  stands: number
}

export class Removals {
  identity: IdentityLog
  readonly carriers = new Map<CommitId, Carrier>()
  readonly feeds = new Map<WriterId, FeedExtent>()
  /** For each writer its first void commit. */
  readonly voids = new Map<WriterId, number>()
  /** Writers whose extent changed since the index was told. */
  readonly touched = new Set<WriterId>()
  /** Commits of removed devices that stand. Emptied whenever it changes who is removed. */
  readonly #standing = new Set<CommitId>()
  /** Commits outside, by position: only of this replay, only of removed devices. */
  readonly #outside = new Map<WriterId, Map<number, CommitId>>()
  readonly #removedAt = new Map<string, ReadonlySet<DeviceId>>()
  #state: IdentityState
  #removed = new Map<DeviceId, DeviceState>()

  constructor(user: UserId) {
    this.identity = emptyIdentity(user)
    this.#state = foldIdentity([])
  }

  /** What is named in this workspace decides, not what this device may know from elsewhere. */
  stateOf(device: DeviceId): DeviceState {
    return this.#removed.get(device) ?? 'active'
  }

  heads(): EntryId[] {
    return this.#state.heads
  }

  named(): Set<EntryId> {
    return new Set([...this.carriers.values()].flatMap(({ entries }) => entries))
  }

  /**
   * Without any effect.
   *
   * @param readers devices that can open the commit's epoch; undefined when that does not matter for this commit or is not known
   */
  rule(commit: AuthoredCommit, past: CausalPast, readers: ReadonlySet<DeviceId> | undefined): Ruling {
    for (const [writer, seq] of this.voids) if (past.covers(writer, seq)) return 'void'
    if (readers !== undefined && this.carriers.size > 0) {
      for (const device of this.#removedIn(past)) if (readers.has(device)) return 'void'
    }
    return this.stateOf(commit.device) === 'active' || this.#standing.has(commit.id) ? 'stands' : 'outside'
  }

  /** Entries that certify feeds, or that an index kept. True when verdicts on commits before may have changed. */
  learn(entries: readonly IdentityEntry[]): boolean {
    const before = this.identity
    this.identity = mergeVerified(before, entries)
    if (this.identity === before) return false
    const { changed, fresh } = this.#refold()
    return changed || this.#someOutside(fresh)
  }

  /** Takes a commit with its ruling into account. True when verdicts on commits before may have changed. */
  apply(commit: AuthoredCommit, past: CausalPast, ruling: Ruling, named: readonly EntryId[]): boolean {
    this.#place(commit, ruling)
    let changed = false
    if (named.length > 0) changed = this.#name(commit, past, named)
    const stands = ruling === 'stands' && this.stateOf(commit.device) === 'active'
    // Decided anew: the commit may have removed its own author.
    if (stands || this.#standing.has(commit.id)) changed = this.#redeem(past) || changed
    return this.#cut(commit, past, named) || changed
  }

  reset(): void {
    this.feeds.clear()
    this.touched.clear()
    this.voids.clear()
    this.#outside.clear()
    for (const carrier of this.carriers.values()) carrier.at = undefined
  }

  /** What an index kept of the identity; carriers and positions were put in place before. */
  restore(entries: readonly IdentityEntry[]): void {
    this.identity = mergeVerified(this.identity, entries)
    this.#state = foldIdentity(this.identity.entries.values())
    this.#removed = removedBy(this.#state, this.identity, this.named())
  }

  removed(): DeviceId[] {
    return [...this.#removed.keys()]
  }

  #place({ id, writer, seq, device }: AuthoredCommit, ruling: Ruling): void {
    const feed = this.feeds.get(writer) ?? { device, first: seq, last: seq, stands: seq - 1 }
    this.feeds.set(writer, feed)
    this.touched.add(writer)
    feed.last = Math.max(feed.last, seq)
    // Where something before it does not stand yet, this commit redeems that first.
    if (ruling === 'stands' && seq === feed.stands + 1) feed.stands = seq
    if (ruling === 'void') this.voids.set(writer, Math.min(seq, this.voids.get(writer) ?? seq))
    if (ruling !== 'outside') return
    const outside = this.#outside.get(writer) ?? new Map<number, CommitId>()
    this.#outside.set(writer, outside.set(seq, id))
  }

  #name({ id, device, writer, seq }: AuthoredCommit, past: CausalPast, named: readonly EntryId[]): boolean {
    const known = this.carriers.get(id)
    this.carriers.set(id, { device, entries: [...named], at: { writer, seq } })
    if (known !== undefined) return false
    // Where the commit that names a removal knows all there is of the removed device, nothing changes for what was judged before.
    const { changed, fresh } = this.#refold()
    if (this.stateOf(device) === 'active') for (const removed of fresh) this.#redeem(past, removed)
    return changed || this.#someOutside(fresh)
  }

  /**
   * Computes who is removed. `changed` when that may let stand what did not, or takes back what stood through others; `fresh` are the newly removed, of whom
   * nothing stands until something redeems it.
   */
  #refold(): { changed: boolean; fresh: DeviceId[] } {
    this.#state = foldIdentity(this.identity.entries.values())
    this.#removedAt.clear()
    const before = this.#removed
    this.#removed = removedBy(this.#state, this.identity, this.named())
    const devices = new Set([...before.keys(), ...this.#removed.keys()])
    const fresh = [...devices].filter((device) => !before.has(device))
    const back = [...devices].filter((device) => !this.#removed.has(device))
    const other = [...devices].filter(
      (device) => before.has(device) && before.get(device) !== this.#removed.get(device),
    )
    if (fresh.length + back.length + other.length === 0) return { changed: false, fresh }
    this.#standing.clear()
    for (const [writer, feed] of this.feeds) {
      if (!fresh.includes(feed.device)) continue
      feed.stands = feed.first - 1
      this.touched.add(writer)
    }
    // What stood for those who were removed before may have stood through a device that is removed now.
    const shaken = [...this.feeds.values()].some(({ device }) => before.has(device))
    return { changed: shaken || this.#someOutside(back), fresh }
  }

  #someOutside(devices: readonly DeviceId[]): boolean {
    return [...this.feeds.values()].some(
      ({ device, stands, last }) => devices.includes(device) && stands < last,
    )
  }

  /** Rule 2: what a standing commit builds on stands. True when something stands now that did not. */
  #redeem(past: CausalPast, only?: DeviceId): boolean {
    let raised = false
    for (const [writer, feed] of this.feeds) {
      if (feed.stands >= feed.last || this.stateOf(feed.device) === 'active') continue
      if (only !== undefined && feed.device !== only) continue
      raised = this.#raise(writer, feed, highestCovered(past, writer, feed)) || raised
    }
    return raised
  }

  /** Rule 3. */
  #cut(commit: AuthoredCommit, past: CausalPast, named: readonly EntryId[]): boolean {
    let raised = false
    for (const id of named) {
      const entry = this.identity.entries.get(id)
      if (entry?.type !== 'revokeDevice' || entry.signerDevice !== commit.device) continue
      if (this.#state.labels.get(id) === 'void' || this.stateOf(entry.device) === 'active') continue
      const leaves = entry.device === commit.device
      if (!leaves && this.stateOf(commit.device) !== 'suspended') continue
      raised = this.#redeem(past, entry.device) || raised
      const feed = this.feeds.get(commit.writer)
      if (leaves && feed !== undefined) raised = this.#raise(commit.writer, feed, commit.seq) || raised
    }
    return raised
  }

  #raise(writer: WriterId, feed: FeedExtent, to: number): boolean {
    if (to <= feed.stands) return false
    feed.stands = to
    this.touched.add(writer)
    const outside = this.#outside.get(writer)
    for (const [seq, id] of outside ?? []) {
      if (seq > to) continue
      this.#standing.add(id)
      outside?.delete(seq)
    }
    return true
  }

  /** Devices that were removed as far as a commit with this past could know. */
  #removedIn(past: CausalPast): ReadonlySet<DeviceId> {
    const known = [...this.carriers].filter(
      ([, { at }]) => at !== undefined && past.covers(at.writer, at.seq),
    )
    const key = known
      .map(([id]) => id)
      .sort()
      .join()
    let removed = this.#removedAt.get(key)
    if (removed === undefined) {
      const named = new Set(known.flatMap(([, { entries }]) => entries))
      const entries = withCauses(this.identity.entries, named)
      removed = new Set(removedBy(foldIdentity(entries), this.identity, named).keys())
      this.#removedAt.set(key, removed)
    }
    return removed
  }
}

/** Devices that named revocations put out, and those that nobody certified in earnest. */
function removedBy(
  { labels }: IdentityState,
  { entries }: IdentityLog,
  named: ReadonlySet<EntryId>,
): Map<DeviceId, DeviceState> {
  const removed = new Map<DeviceId, DeviceState>()
  const certified = new Map<DeviceId, boolean>()
  for (const [id, label] of labels) {
    const entry = entries.get(id)
    if (entry?.type === 'addDevice') {
      const { device } = entry.request.certificate
      if (label !== 'void') certified.set(device, certified.get(device) || label === 'valid')
      else if (!certified.has(device)) removed.set(device, 'revoked')
    }
  }
  for (const [device, valid] of certified) {
    if (valid) removed.delete(device)
    else removed.set(device, 'suspended')
  }
  for (const id of named) {
    const entry = entries.get(id)
    const label = labels.get(id)
    if (entry?.type !== 'revokeDevice' || label === undefined || label === 'void') continue
    if (removed.get(entry.device) !== 'revoked') {
      removed.set(entry.device, label === 'valid' ? 'revoked' : 'suspended')
    }
  }
  return removed
}

/** Causal pasts cover a prefix of each feed. */
function highestCovered(past: CausalPast, writer: WriterId, { first, last }: FeedExtent): number {
  let low = first - 1
  let high = last
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if (past.covers(writer, middle)) low = middle
    else high = middle - 1
  }
  return low
}
