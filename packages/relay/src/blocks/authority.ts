import type { PeerId, WorkspaceHandle } from '@peerfold/core'
import type { Exchange } from '@peerfold/core/relay'
import type { SharedBlocks } from './shared-blocks.js'

/**
 * Who may exchange blocks of which workspace: exactly those with that mailbox open, by the keys of its current epoch, in a live session. A workspace is
 * attached to the exchange while somebody is.
 */
export class Authority {
  readonly #exchange: Exchange
  readonly #blocks: SharedBlocks
  readonly #peers = new Map<PeerId, Set<WorkspaceHandle>>()
  readonly #users = new Map<WorkspaceHandle, number>()

  constructor(exchange: Exchange, blocks: SharedBlocks) {
    this.#exchange = exchange
    this.#blocks = blocks
  }

  allow(peer: PeerId, handle: WorkspaceHandle): void {
    const handles = this.#peers.get(peer) ?? new Set()
    if (handles.has(handle)) return
    this.#peers.set(peer, handles.add(handle))
    const users = this.#users.get(handle) ?? 0
    this.#users.set(handle, users + 1)
    if (users === 0) this.#exchange.attach(handle, this.#blocks.view(handle))
    this.#exchange.authorize(peer, handles)
  }

  forbid(peer: PeerId, handle: WorkspaceHandle): void {
    const handles = this.#peers.get(peer)
    if (handles === undefined || !handles.delete(handle)) return
    if (handles.size > 0) this.#exchange.authorize(peer, handles)
    else this.#revoke(peer)
    this.#leave(handle)
  }

  /** The peer's session is over. */
  forget(peer: PeerId): void {
    const handles = this.#peers.get(peer)
    if (handles === undefined) return
    this.#revoke(peer)
    for (const handle of handles) this.#leave(handle)
  }

  #revoke(peer: PeerId): void {
    this.#peers.delete(peer)
    this.#exchange.revoke(peer)
  }

  #leave(handle: WorkspaceHandle): void {
    const users = (this.#users.get(handle) ?? 1) - 1
    if (users > 0) {
      this.#users.set(handle, users)
      return
    }
    this.#users.delete(handle)
    this.#exchange.detach(handle)
  }
}
