import {
  type AbortOptions,
  type Block,
  type BlockStore,
  type GetOptions,
  isPeerfoldError,
  PeerfoldError,
  type WorkspaceHandle,
} from '@peerfold/core'
import { blockCid, blockDigest } from '@peerfold/core/platform'
import { fromHex, toHex, Wakeup } from '@peerfold/core/relay'
import type { CID } from 'multiformats/cid'
import type { Health } from '../health.js'
import { notFound, overQuota } from '../mailbox/jobs.js'
import { ROW_BYTES, readMailbox } from '../mailbox/reduce.js'
import { below, keys } from '../mailbox/rows.js'
import type { Rows } from '../mailbox/stage.js'

export interface SharedBlocksInit {
  store: BlockStore
  rows: Rows
  health: Health
  quotaBytes: number
}

interface Arrival {
  handle: WorkspaceHandle
  digest: string
  bytes: number
  stored: Promise<void>
}

/**
 * One block store for all workspaces. Who has what is said by rows of the index alone, so that nobody learns from an answer what another workspace
 * has (PROTOCOL.md §10.6). A block that came is an *arrival* until a lease names it durably, and nobody's before that.
 */
export class SharedBlocks {
  readonly #init: SharedBlocksInit
  readonly #arrivals = new Map<string, Arrival>()
  /** Bytes of arrivals, by workspace: they count against its quota. */
  readonly #arriving = new Map<WorkspaceHandle, number>()
  /** Arrivals of a digest, over all workspaces. */
  readonly #wanted = new Map<string, number>()
  readonly #deleting = new Set<string>()
  readonly #deleted = new Wakeup()

  constructor(init: SharedBlocksInit) {
    this.#init = init
  }

  /** What one workspace has, for the exchange and for HTTP. */
  view(handle: WorkspaceHandle): BlockStore {
    return new WorkspaceBlocks(this, handle)
  }

  async get(handle: WorkspaceHandle, cid: CID, options?: GetOptions): Promise<Uint8Array> {
    const row = await this.#init.rows.get(keys.block(hex(cid), handle))
    if (row === undefined) throw new PeerfoldError('BLOCK_NOT_FOUND', `${cid} is not here`)
    return this.#init.store.get(cid, options)
  }

  /** Both said to be there, and there: what was damaged counts as lacking, so that it is sent again. */
  async has(handle: WorkspaceHandle, cids: readonly CID[], options?: AbortOptions): Promise<boolean[]> {
    const rows = await this.#init.rows.getMany(cids.map((cid) => keys.block(hex(cid), handle)))
    const listed = cids.filter((_, i) => rows[i] !== undefined)
    const held = await this.#init.store.has(listed, options)
    const here = new Set(listed.filter((_, i) => held[i]))
    return cids.map((cid) => here.has(cid))
  }

  /** @throws {PeerfoldError} `QUOTA_EXCEEDED`, `BLOCK_CORRUPT`, and why the relay is read-only */
  async put(handle: WorkspaceHandle, blocks: readonly Block[], options?: AbortOptions): Promise<void> {
    this.#init.health.checkWritable()
    await this.#checkQuota(handle, blocks)
    while (blocks.some(({ cid }) => this.#deleting.has(hex(cid)))) await this.#deleted.wait(options)
    // From here on, in one go: whoever deletes looks for arrivals first, and whoever arrives for deletions.
    const stored = this.#init.store.put(blocks, options)
    const arrivals = blocks.map(({ cid, bytes }) => this.#arrive(handle, hex(cid), bytes.length, stored))
    try {
      await stored
    } catch (error) {
      for (const arrival of arrivals) this.#forget(arrival)
      throw isPeerfoldError(error, 'BLOCK_CORRUPT') || options?.signal?.aborted
        ? error
        : this.#init.health.failed(error)
    }
  }

  /** Bytes of a block that came for a workspace and that no lease names yet; undefined when none did. Waits until it is stored. */
  async arrived(handle: WorkspaceHandle, digest: string): Promise<number | undefined> {
    const arrival = this.#arrivals.get(arrivalKey(handle, digest))
    if (arrival === undefined) return undefined
    return arrival.stored.then(
      () => arrival.bytes,
      () => undefined,
    )
  }

  /** A lease names them now, or nobody will. */
  settle(handle: WorkspaceHandle, digests: Iterable<string>): void {
    for (const digest of digests) {
      const arrival = this.#arrivals.get(arrivalKey(handle, digest))
      if (arrival !== undefined) this.#forget(arrival)
    }
  }

  /** All that was put before is durable. @throws {PeerfoldError} why the relay is read-only */
  async flush(options?: AbortOptions): Promise<void> {
    try {
      await this.#init.store.flush(options)
    } catch (error) {
      options?.signal?.throwIfAborted()
      throw this.#init.health.failed(error)
    }
  }

  /** Deletes those that no workspace has and none is getting. Returns how many, and their bytes as far as they are known. */
  async deleteUnused(digests: readonly string[]): Promise<number> {
    const mine = digests.filter((digest) => !this.#deleting.has(digest) && !this.#wanted.has(digest))
    for (const digest of mine) this.#deleting.add(digest)
    try {
      const unused: string[] = []
      for (const digest of mine) if (!(await this.isListed(digest))) unused.push(digest)
      await this.#init.store.delete(unused.map(cidOf))
      return unused.length
    } finally {
      for (const digest of mine) this.#deleting.delete(digest)
      this.#deleted.wake()
    }
  }

  /** All that lies in the store, whether or not anyone has it. */
  list(options?: AbortOptions): AsyncIterable<CID> {
    return this.#init.store.list(options)
  }

  /** Whether any workspace has it. */
  async isListed(digest: string): Promise<boolean> {
    const found = await this.#init.rows.keys({ ...below(keys.blockAnywhere(digest)), limit: 1 })
    return found.length > 0
  }

  async #checkQuota(handle: WorkspaceHandle, blocks: readonly Block[]): Promise<void> {
    const mailbox = await readMailbox(this.#init.rows, handle)
    if (mailbox === undefined) throw notFound()
    const more = blocks.reduce((sum, { bytes }) => sum + bytes.length + ROW_BYTES, 0)
    if (mailbox.bytes + (this.#arriving.get(handle) ?? 0) + more > this.#init.quotaBytes) throw overQuota()
  }

  #arrive(handle: WorkspaceHandle, digest: string, bytes: number, stored: Promise<void>): Arrival {
    const arrival = { handle, digest, bytes, stored }
    const known = this.#arrivals.get(arrivalKey(handle, digest))
    if (known !== undefined) this.#forget(known)
    this.#arrivals.set(arrivalKey(handle, digest), arrival)
    add(this.#arriving, handle, bytes + ROW_BYTES)
    add(this.#wanted, digest, 1)
    return arrival
  }

  #forget(arrival: Arrival): void {
    const key = arrivalKey(arrival.handle, arrival.digest)
    if (this.#arrivals.get(key) !== arrival) return
    this.#arrivals.delete(key)
    add(this.#arriving, arrival.handle, -arrival.bytes - ROW_BYTES)
    add(this.#wanted, arrival.digest, -1)
  }
}

/** The port as the exchange and HTTP know it, for one workspace. */
class WorkspaceBlocks implements BlockStore {
  readonly #shared: SharedBlocks
  readonly #handle: WorkspaceHandle

  constructor(shared: SharedBlocks, handle: WorkspaceHandle) {
    this.#shared = shared
    this.#handle = handle
  }

  get(cid: CID, options?: GetOptions): Promise<Uint8Array> {
    return this.#shared.get(this.#handle, cid, options)
  }

  has(cids: readonly CID[], options?: AbortOptions): Promise<boolean[]> {
    return this.#shared.has(this.#handle, cids, options)
  }

  put(blocks: readonly Block[], options?: AbortOptions): Promise<void> {
    return this.#shared.put(this.#handle, blocks, options)
  }

  flush(options?: AbortOptions): Promise<void> {
    return this.#shared.flush(options)
  }

  delete(): Promise<void> {
    return Promise.reject(new PeerfoldError('INVALID_ARGUMENT', 'only the relay deletes'))
  }

  /** Nobody may ask. */
  async *list(): AsyncGenerator<CID> {}

  async close(): Promise<void> {}
}

function add<K>(sums: Map<K, number>, key: K, more: number): void {
  const sum = (sums.get(key) ?? 0) + more
  if (sum <= 0) sums.delete(key)
  else sums.set(key, sum)
}

function arrivalKey(handle: WorkspaceHandle, digest: string): string {
  return `${handle}/${digest}`
}

function hex(cid: CID): string {
  return toHex(blockDigest(cid))
}

export function cidOf(digest: string): CID {
  return blockCid(fromHex(digest))
}
