import { type AbortOptions, type Block, type BlockStore, PeerfoldError } from '@peerfold/core'
import { CID } from 'multiformats/cid'
import { closed, stored } from '../../src/stores/errors.js'
import { type Level, type OpenLevelInit, openLevel } from '../../src/stores/open-level.js'

/*
 * Database layout: `b` + cid → block; `x` + cid → bytes that did not hash to their cid, kept aside for whoever wants to
 * know why, until the block is put again.
 */
const BLOCK = 'b'
const ASIDE = 'x'
const RAW = 0x55
const SHA_256 = 0x12
/** Names are read this many at a time. */
const LIST_BATCH = 256

/**
 * Opens a block store in IndexedDB. Every `put` is durable when it resolves, as far as the browser keeps what it says:
 * it may still evict the whole origin unless `navigator.storage.persist()` was granted.
 *
 * @param name names the database within the page's origin
 * @throws {PeerfoldError} `HOME_LOCKED` when another tab has it open
 */
export async function openBlockStore(name: string, init?: OpenLevelInit): Promise<BlockStore> {
  return new LevelBlockStore(name, await openLevel(name, init))
}

class LevelBlockStore implements BlockStore {
  readonly #name: string
  readonly #level: Level

  constructor(name: string, level: Level) {
    this.#name = `the block store ${name}`
    this.#level = level
  }

  async get(cid: CID, options?: AbortOptions): Promise<Uint8Array> {
    this.#check(options)
    const key = nameOf(cid)
    const bytes = await stored(this.#name, () => this.#level.get(BLOCK + key))
    options?.signal?.throwIfAborted()
    if (bytes === undefined)
      throw new PeerfoldError('BLOCK_NOT_FOUND', `no block ${key}`, { details: { cid: key } })
    if (await matches(cid, bytes)) return bytes
    await this.#moveAside(key, bytes)
    throw corrupt(key, `the stored block ${key} was damaged`)
  }

  async has(cids: readonly CID[], options?: AbortOptions): Promise<boolean[]> {
    this.#check(options)
    return stored(this.#name, () => this.#level.hasMany(cids.map((cid) => BLOCK + nameOf(cid))))
  }

  async put(blocks: readonly Block[], options?: AbortOptions): Promise<void> {
    this.#check(options)
    // Copied first: what is stored is what was checked, even if the caller reuses its buffers.
    const copies = blocks.map(({ cid, bytes }) => ({ cid, key: nameOf(cid), bytes: bytes.slice() }))
    await Promise.all(copies.map(requireMatch))
    const known = await this.has(
      copies.map(({ cid }) => cid),
      options,
    )
    this.#check(options)
    await stored(this.#name, () =>
      this.#level.batch(
        copies
          .filter((_, i) => !known[i])
          .flatMap(({ key, bytes }) => [
            { type: 'put', key: BLOCK + key, value: bytes } as const,
            { type: 'del', key: ASIDE + key } as const,
          ]),
      ),
    )
  }

  async flush(options?: AbortOptions): Promise<void> {
    // Each `put` was durable when it resolved.
    this.#check(options)
  }

  async delete(cids: readonly CID[], options?: AbortOptions): Promise<void> {
    this.#check(options)
    const keys = cids.map(nameOf).flatMap((key) => [BLOCK + key, ASIDE + key])
    await stored(this.#name, () => this.#level.batch(keys.map((key) => ({ type: 'del', key }))))
  }

  async *list(options?: AbortOptions): AsyncIterable<CID> {
    this.#check(options)
    const keys = this.#level.keys({ gte: BLOCK, lt: String.fromCharCode(BLOCK.charCodeAt(0) + 1) })
    try {
      for (;;) {
        const batch = await stored(this.#name, () => keys.nextv(LIST_BATCH))
        if (batch.length === 0) return
        for (const key of batch) {
          this.#check(options)
          yield CID.parse(key.slice(BLOCK.length))
        }
      }
    } finally {
      await keys.close()
    }
  }

  async close(): Promise<void> {
    await this.#level.close()
  }

  async #moveAside(key: string, bytes: Uint8Array): Promise<void> {
    await stored(this.#name, () =>
      this.#level.batch([
        { type: 'del', key: BLOCK + key },
        { type: 'put', key: ASIDE + key, value: bytes },
      ]),
    )
  }

  #check(options?: AbortOptions): void {
    options?.signal?.throwIfAborted()
    if (this.#level.status !== 'open') throw closed(this.#name)
  }
}

/** @throws {PeerfoldError} `INVALID_ARGUMENT` unless it is what names a block: CIDv1, raw, SHA-256 */
function nameOf(cid: CID): string {
  if (cid.version === 1 && cid.code === RAW && cid.multihash.code === SHA_256) return cid.toString()
  throw new PeerfoldError('INVALID_ARGUMENT', `${cid} does not name a block: CIDv1, raw, SHA-256`)
}

async function matches(cid: CID, bytes: Uint8Array): Promise<boolean> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>))
  return digest.every((byte, i) => byte === cid.multihash.digest[i])
}

async function requireMatch({
  cid,
  key,
  bytes,
}: {
  cid: CID
  key: string
  bytes: Uint8Array
}): Promise<void> {
  if (!(await matches(cid, bytes))) throw corrupt(key, `bytes do not hash to ${key}`)
}

function corrupt(cid: string, message: string): PeerfoldError {
  return new PeerfoldError('BLOCK_CORRUPT', message, { details: { cid } })
}
