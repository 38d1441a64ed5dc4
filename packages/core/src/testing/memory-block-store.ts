import type { CID } from 'multiformats/cid'
import { blockDigest } from '../content/block-cid.js'
import { equalBytes } from '../encoding/bytes.js'
import { sha256Now } from '../encoding/derive.js'
import { PeerfoldError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'
import type { Block, BlockStore } from '../ports/block-store.js'

export interface MemoryBlockStoreInit {
  /** Bytes after which `put` throws `STORE_FULL`. @default unbounded */
  capacity?: number
}

/** A block store in memory, for tests and simulations: nothing outlives the process. */
export class MemoryBlockStore implements BlockStore {
  readonly #blocks = new Map<string, Block>()
  readonly #capacity: number
  #bytes = 0
  #closed = false

  constructor(init: MemoryBlockStoreInit = {}) {
    this.#capacity = init.capacity ?? Number.POSITIVE_INFINITY
  }

  /** Blocks held. */
  get size(): number {
    return this.#blocks.size
  }

  /** Bytes held. */
  get bytes(): number {
    return this.#bytes
  }

  async get(cid: CID, options?: AbortOptions): Promise<Uint8Array> {
    this.#check(options)
    const block = this.#blocks.get(cid.toString())
    if (block === undefined) throw new PeerfoldError('BLOCK_NOT_FOUND', `${cid} is not here`)
    if (!equalBytes(sha256Now(block.bytes), blockDigest(cid))) {
      this.#remove(cid)
      throw new PeerfoldError('BLOCK_CORRUPT', `${cid} was damaged`)
    }
    return block.bytes.slice()
  }

  async has(cids: readonly CID[], options?: AbortOptions): Promise<boolean[]> {
    this.#check(options)
    return cids.map((cid) => this.#blocks.has(cid.toString()))
  }

  async put(blocks: readonly Block[], options?: AbortOptions): Promise<void> {
    this.#check(options)
    for (const { cid, bytes } of blocks) {
      if (equalBytes(sha256Now(bytes), blockDigest(cid))) continue
      throw new PeerfoldError('BLOCK_CORRUPT', `the bytes given for ${cid} do not match`)
    }
    const fresh = new Map(blocks.map((block) => [block.cid.toString(), block]))
    for (const name of fresh.keys()) if (this.#blocks.has(name)) fresh.delete(name)
    const bytes = [...fresh.values()].reduce((sum, block) => sum + block.bytes.length, 0)
    if (this.#bytes + bytes > this.#capacity) throw new PeerfoldError('STORE_FULL', 'the store is full')
    for (const [name, { cid, bytes }] of fresh) this.#blocks.set(name, { cid, bytes: bytes.slice() })
    this.#bytes += bytes
  }

  async flush(options?: AbortOptions): Promise<void> {
    this.#check(options)
  }

  async delete(cids: readonly CID[], options?: AbortOptions): Promise<void> {
    this.#check(options)
    for (const cid of cids) this.#remove(cid)
  }

  async *list(options?: AbortOptions): AsyncGenerator<CID> {
    this.#check(options)
    for (const { cid } of [...this.#blocks.values()]) {
      options?.signal?.throwIfAborted()
      yield cid
    }
  }

  async close(): Promise<void> {
    this.#closed = true
  }

  /** Flips a bit of what is held, as a disk might. */
  damage(cid: CID): void {
    const block = this.#blocks.get(cid.toString())
    if (block !== undefined) block.bytes[0] = (block.bytes[0] as number) ^ 1
  }

  #remove(cid: CID): void {
    const block = this.#blocks.get(cid.toString())
    if (block === undefined) return
    this.#blocks.delete(cid.toString())
    this.#bytes -= block.bytes.length
  }

  #check(options: AbortOptions | undefined): void {
    if (this.#closed) throw new PeerfoldError('CLOSED', 'the block store is closed')
    options?.signal?.throwIfAborted()
  }
}
