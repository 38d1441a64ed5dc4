import { type Block, type BlockStore, PeerfoldError } from '@peerfold/core'
import { blockDigest } from '@peerfold/core/platform'
import type { CID } from 'multiformats/cid'

/** Checks every block as stores do, with WebCrypto, and keeps nothing but its name: what is measured is the way here. */
export class CheckingStore implements BlockStore {
  readonly #names = new Set<string>()
  bytes = 0

  async put(blocks: readonly Block[]): Promise<void> {
    const digests = await Promise.all(
      blocks.map(({ bytes }) => crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>)),
    )
    for (const [i, { cid, bytes }] of blocks.entries()) {
      const digest = new Uint8Array(digests[i] as ArrayBuffer)
      if (blockDigest(cid).some((byte, at) => byte !== digest[at]))
        throw new PeerfoldError('BLOCK_CORRUPT', `not ${cid}`)
      this.#names.add(cid.toString())
      this.bytes += bytes.length
    }
  }

  async has(cids: readonly CID[]): Promise<boolean[]> {
    return cids.map((cid) => this.#names.has(cid.toString()))
  }

  async get(cid: CID): Promise<Uint8Array> {
    throw new PeerfoldError('BLOCK_NOT_FOUND', `${cid} was only checked`)
  }

  async flush(): Promise<void> {}
  async delete(): Promise<void> {}
  async *list(): AsyncGenerator<CID> {}
  async close(): Promise<void> {}
}
