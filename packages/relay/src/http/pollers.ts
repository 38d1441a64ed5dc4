import type { WorkspaceHandle } from '@peerfold/core'
import type { RelayService } from '../service.js'

/** Where a device is in a mailbox, or where the mailbox is. */
export interface Place {
  handle: WorkspaceHandle
  incarnation: string
  next: number
}

type Mailboxes = Pick<RelayService, 'mailbox' | 'onChange'>

/** Waiters that go on before the loop serves others. */
const SLICE = 64
/** Of a mailbox that is no more: another incarnation than any. */
const NO_INCARNATION = '0'.repeat(32)

/** One long poll that waits. */
interface Waiter {
  /** Mailboxes that changed since they were looked at. */
  dirty: Set<WorkspaceHandle>
  wake: () => void
}

/**
 * Long polls (PROTOCOL.md §10.8). What counts is where mailboxes stand, not that something was told: a waiter is entered *before* it looks, so
 * a change is seen by the look or wakes it, and a change that comes twice is answered once.
 */
export class Pollers {
  readonly #mailboxes: Mailboxes
  readonly #waiting = new Map<WorkspaceHandle, Set<Waiter>>()
  /** Those to wake, in slices: a thousand that wake at once must not hold up the sessions. */
  readonly #awake = new Set<Waiter>()
  readonly #stop: () => void
  #draining = false
  #watched = 0

  constructor(mailboxes: Mailboxes) {
    this.#mailboxes = mailboxes
    this.#stop = mailboxes.onChange((handle) => this.#changed(handle))
  }

  /** Mailboxes that are waited for, each as often as it is. */
  get watched(): number {
    return this.#watched
  }

  /**
   * @returns where those stand that are elsewhere than in `places`; none when `signal` ends the waiting
   */
  async poll(places: readonly Place[], signal: AbortSignal): Promise<Place[]> {
    const waiter: Waiter = { dirty: new Set(), wake: () => {} }
    const byHandle = new Map(places.map((place) => [place.handle, place]))
    this.#enter(byHandle.keys(), waiter)
    try {
      let changed = await this.#differing(places)
      while (changed.length === 0 && !signal.aborted) {
        if (waiter.dirty.size === 0) await woken(waiter, signal)
        const dirty = [...waiter.dirty]
        waiter.dirty.clear()
        changed = await this.#differing(dirty.flatMap((handle) => byHandle.get(handle) ?? []))
      }
      return changed
    } finally {
      this.#leave(byHandle.keys(), waiter)
    }
  }

  close(): void {
    this.#stop()
  }

  async #differing(places: readonly Place[]): Promise<Place[]> {
    const changed: Place[] = []
    for (const { handle, incarnation, next } of places) {
      const now = (await this.#mailboxes.mailbox(handle)) ?? { incarnation: NO_INCARNATION, next: 1 }
      if (now.incarnation === incarnation && now.next === next) continue
      changed.push({ handle, incarnation: now.incarnation, next: now.next })
    }
    return changed
  }

  #enter(handles: Iterable<WorkspaceHandle>, waiter: Waiter): void {
    for (const handle of handles) {
      const waiters = this.#waiting.get(handle) ?? new Set()
      this.#waiting.set(handle, waiters.add(waiter))
      this.#watched++
    }
  }

  #leave(handles: Iterable<WorkspaceHandle>, waiter: Waiter): void {
    this.#awake.delete(waiter)
    for (const handle of handles) {
      const waiters = this.#waiting.get(handle)
      waiters?.delete(waiter)
      if (waiters?.size === 0) this.#waiting.delete(handle)
      this.#watched--
    }
  }

  #changed(handle: WorkspaceHandle): void {
    for (const waiter of this.#waiting.get(handle) ?? []) {
      waiter.dirty.add(handle)
      this.#awake.add(waiter)
    }
    if (this.#draining || this.#awake.size === 0) return
    this.#draining = true
    setImmediate(() => this.#drain())
  }

  #drain(): void {
    let left = SLICE
    for (const waiter of this.#awake) {
      if (left-- === 0) break
      this.#awake.delete(waiter)
      waiter.wake()
    }
    this.#draining = this.#awake.size > 0
    if (this.#draining) setImmediate(() => this.#drain())
  }
}

function woken(waiter: Waiter, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      signal.removeEventListener('abort', done)
      waiter.wake = () => {}
      resolve()
    }
    waiter.wake = done
    signal.addEventListener('abort', done)
    if (signal.aborted) done()
  })
}
