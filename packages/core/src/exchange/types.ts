import type { CID } from 'multiformats/cid'
import type { AbortOptions } from '../ports/abort.js'
import type { BlockStore } from '../ports/block-store.js'
import type { WorkspaceHandle } from '../ports/ids.js'
import type { PeerId } from '../ports/network.js'
import type { HttpRoute } from './http-route.js'

export interface FetchOptions extends AbortOptions {
  /** Called as blocks arrive, with bytes of ciphertext. */
  onProgress?: (bytes: number) => void
}

/** How fast blocks may travel, bytes per second, at least 16384; what is absent is not limited. Commits are small, and not counted. */
export interface TransferRates {
  up?: number
  down?: number
}

/** Replication of blocks with all authorised peers. */
export interface Exchange {
  /** Serves and fetches blocks of a workspace with these peers from now on. `store` must verify what is put. */
  attach(handle: WorkspaceHandle, store: BlockStore): void
  detach(handle: WorkspaceHandle): void
  /** `sync` tells which peers share which workspace; wants go only to them and only they are served. */
  authorize(peer: PeerId, handles: ReadonlySet<WorkspaceHandle>): void
  revoke(peer: PeerId): void
  /** A relay's blocks come over HTTP as long as that works; undefined takes it back. The exchange closes a route that it was given. */
  route(peer: PeerId, route: HttpRoute | undefined): void
  /**
   * Brings blocks into the store, from several peers at once, resuming after reconnects, until all are there.
   * Waits while no peer has them; the caller's signal is the deadline.
   */
  fetch(handle: WorkspaceHandle, cids: readonly CID[], options?: FetchOptions): Promise<void>
  /** That peer has got more of a workspace: what it lacked it may hold by now. */
  gained(peer: PeerId, handle: WorkspaceHandle): void
  /** Peers that said lately they hold a block that is wanted. */
  holders(handle: WorkspaceHandle, cid: CID): PeerId[]
  /** Peers that said lately they lack a block that is wanted; for "which device is waited for". */
  lackers(handle: WorkspaceHandle, cid: CID): PeerId[]
  /** Peers that share a workspace now, and not only by a circuit: whom its blocks may come from. */
  sources(handle: WorkspaceHandle): PeerId[]
  close(): Promise<void>
}
