import type { CID } from 'multiformats/cid'
import { blockDigest } from '../content/block-cid.js'
import { toHex } from '../encoding/bytes.js'
import type { WorkspaceHandle } from '../ports/ids.js'
import type { PeerId } from '../ports/network.js'
import type { BlockDigest } from './messages.js'

/** A block that some fetch waits for. Exactly one of: open, asked of one peer, or arrived and being stored. */
export interface Want {
  handle: WorkspaceHandle
  digest: BlockDigest
  cid: CID
  fetches: Set<Fetch>
  /** The peer it is asked of, or that it came from. */
  asked: PeerId | undefined
  /** Peers that said they lack it, and until when that is believed. */
  missing: Map<PeerId, number>
  /** Peers that said they have it now. */
  holders: Set<PeerId>
  /** When it was last taken from a slow peer. */
  stolen: number
}

/** One call of `fetch`. */
export interface Fetch {
  handle: WorkspaceHandle
  /** Whether it began with many blocks. */
  large: boolean
  /** Blocks not stored yet. */
  wants: Set<Want>
  /** Those of them that no peer is asked for. */
  open: Set<Want>
  onStored: (bytes: number) => void
  settle: (error?: Error) => void
}

/** Fetches of at most this many blocks are small; a large one gets this many in its turn. */
const SMALL = 16

export const wantKey = (handle: WorkspaceHandle, digest: BlockDigest) => `${handle}${digest}`

/**
 * All blocks that are wanted. A block that several fetches want is asked for once. Turns go alternately to small fetches and to large ones, round
 * robin within each, so that a small file does not wait for a large one and neither starves.
 */
export class WantBook {
  readonly #wants = new Map<string, Want>()
  readonly #small = new Set<Fetch>()
  readonly #large = new Set<Fetch>()
  #smallsTurn = true
  #version = 0

  /** Changes whenever a peer that had nothing to be asked for may be asked again. */
  get version(): number {
    return this.#version
  }

  get size(): number {
    return this.#wants.size
  }

  get(handle: WorkspaceHandle, digest: BlockDigest): Want | undefined {
    return this.#wants.get(wantKey(handle, digest))
  }

  all(): Iterable<Want> {
    return this.#wants.values()
  }

  /** What peers said, or what may be asked of them, has changed. */
  touch(): void {
    this.#version++
  }

  /** Adds a fetch of these blocks, which the store lacks. */
  add(fetch: Fetch, cids: readonly CID[]): void {
    this.touch()
    fetch.large = cids.length > SMALL
    for (const cid of cids) {
      const want = this.#want(fetch.handle, cid)
      want.fetches.add(fetch)
      fetch.wants.add(want)
      if (want.asked === undefined) fetch.open.add(want)
    }
    this.#queue(fetch)
  }

  /** Up to `count` open blocks that `peer` may be asked for; they are its business from now on. */
  take(peer: PeerId, mayAsk: (handle: WorkspaceHandle) => boolean, count: number, now: number): Want[] {
    const taken: Want[] = []
    const idle = new Set<Fetch>()
    while (taken.length < count) {
      const fetch = this.#next(idle, mayAsk)
      if (fetch === undefined) break
      const before = taken.length
      this.#takeFrom(fetch, peer, Math.min(count, before + SMALL), now, taken)
      if (taken.length === before) idle.add(fetch)
    }
    return taken
  }

  /** Gives a block to another peer than before. */
  reassign(want: Want, peer: PeerId): void {
    want.asked = peer
    for (const fetch of want.fetches) fetch.open.delete(want)
  }

  /** The peer did not deliver: others may. */
  release(want: Want): void {
    want.asked = undefined
    this.touch()
    if (this.get(want.handle, want.digest) !== want) return
    for (const fetch of want.fetches) {
      fetch.open.add(want)
      this.#queue(fetch)
    }
  }

  /** The block is in the store. */
  stored(handle: WorkspaceHandle, digest: BlockDigest, bytes: number): void {
    const want = this.get(handle, digest)
    if (want === undefined) return
    this.#forget(want)
    for (const fetch of want.fetches) {
      fetch.wants.delete(want)
      fetch.onStored(bytes)
      if (fetch.wants.size === 0) this.#end(fetch)
    }
  }

  /** The fetches of a block cannot go on. Returns as `cancel` does. */
  fail(want: Want, error: Error): Want[] {
    return [...want.fetches].flatMap((fetch) => this.cancel(fetch, error))
  }

  /** Ends a fetch. Returns the blocks that nobody else wants and that a peer is asked for. */
  cancel(fetch: Fetch, error: Error): Want[] {
    const orphans: Want[] = []
    for (const want of fetch.wants) {
      want.fetches.delete(fetch)
      if (want.fetches.size > 0) continue
      this.#forget(want)
      if (want.asked !== undefined) orphans.push(want)
    }
    this.#end(fetch, error)
    return orphans
  }

  fetches(): Set<Fetch> {
    return new Set([...this.#wants.values()].flatMap((want) => [...want.fetches]))
  }

  #want(handle: WorkspaceHandle, cid: CID): Want {
    const digest = toHex(blockDigest(cid))
    const known = this.get(handle, digest)
    if (known !== undefined) return known
    const want: Want = {
      handle,
      digest,
      cid,
      fetches: new Set(),
      asked: undefined,
      missing: new Map(),
      holders: new Set(),
      stolen: Number.NEGATIVE_INFINITY,
    }
    this.#wants.set(wantKey(handle, digest), want)
    return want
  }

  #forget(want: Want): void {
    this.#wants.delete(wantKey(want.handle, want.digest))
    for (const fetch of want.fetches) fetch.open.delete(want)
  }

  #queue(fetch: Fetch): void {
    this.#unqueue(fetch)
    if (fetch.open.size > 0) (fetch.large ? this.#large : this.#small).add(fetch)
  }

  #unqueue(fetch: Fetch): void {
    this.#small.delete(fetch)
    this.#large.delete(fetch)
  }

  #end(fetch: Fetch, error?: Error): void {
    this.#unqueue(fetch)
    fetch.settle(error)
  }

  #next(idle: Set<Fetch>, mayAsk: (handle: WorkspaceHandle) => boolean): Fetch | undefined {
    this.#smallsTurn = !this.#smallsTurn
    const queues = this.#smallsTurn ? [this.#small, this.#large] : [this.#large, this.#small]
    for (const queue of queues) {
      for (const fetch of queue) if (!idle.has(fetch) && mayAsk(fetch.handle)) return fetch
    }
    return undefined
  }

  #takeFrom(fetch: Fetch, peer: PeerId, until: number, now: number, taken: Want[]): void {
    for (const want of fetch.open) {
      if (taken.length >= until) break
      if (!believed(want, peer, now)) continue
      this.reassign(want, peer)
      taken.push(want)
    }
    this.#queue(fetch)
  }
}

/** Whether `peer` may hold the block, as far as it has told. */
export function believed(want: Want, peer: PeerId, now: number): boolean {
  const until = want.missing.get(peer)
  if (until === undefined) return true
  if (until > now) return false
  want.missing.delete(peer)
  return true
}
