import { createHash } from 'node:crypto'
import { type Block, type BlockStore, PeerfoldError } from '@peerfold/core'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import * as Digest from 'multiformats/hashes/digest'
import { sha256 } from 'multiformats/hashes/sha2'

/** Blocks that both processes of a benchmark know, made when they are asked for: block `i` is the same bytes but for its number. */
export class MadeBlocks implements BlockStore {
  readonly cids: CID[] = []
  readonly #numbers = new Map<string, number>()
  readonly #pattern: Uint8Array

  constructor(count: number, size: number) {
    this.#pattern = Uint8Array.from({ length: size }, (_, i) => (i * 31 + (i >> 8)) % 256)
    for (let i = 0; i < count; i++) {
      const cid = cidOf(this.#make(i))
      this.cids.push(cid)
      this.#numbers.set(cid.toString(), i)
    }
  }

  async get(cid: CID): Promise<Uint8Array> {
    const number = this.#numbers.get(cid.toString())
    if (number === undefined) throw new PeerfoldError('BLOCK_NOT_FOUND', `${cid} is not here`)
    return this.#make(number)
  }

  async has(cids: readonly CID[]): Promise<boolean[]> {
    return cids.map((cid) => this.#numbers.has(cid.toString()))
  }

  async put(): Promise<void> {}
  async flush(): Promise<void> {}
  async delete(): Promise<void> {}
  async *list(): AsyncGenerator<CID> {
    yield* this.cids
  }
  async close(): Promise<void> {}

  #make(number: number): Uint8Array {
    const bytes = this.#pattern.slice()
    new DataView(bytes.buffer).setUint32(0, number)
    return bytes
  }
}

/** Verifies what is put, counts it and keeps only its name: the exchange without a disk. */
export class CheckingStore implements BlockStore {
  readonly #names = new Set<string>()
  bytes = 0

  async get(cid: CID): Promise<Uint8Array> {
    throw new PeerfoldError('BLOCK_NOT_FOUND', `${cid} is not kept`)
  }

  async has(cids: readonly CID[]): Promise<boolean[]> {
    return cids.map((cid) => this.#names.has(cid.toString()))
  }

  async put(blocks: readonly Block[]): Promise<void> {
    for (const { cid, bytes } of blocks) {
      if (!cidOf(bytes).equals(cid)) throw new PeerfoldError('BLOCK_CORRUPT', `not the bytes of ${cid}`)
      this.#names.add(cid.toString())
      this.bytes += bytes.length
    }
  }

  async flush(): Promise<void> {}
  async delete(): Promise<void> {}
  async *list(): AsyncGenerator<CID> {}
  async close(): Promise<void> {}
}

function cidOf(bytes: Uint8Array): CID {
  return CID.createV1(raw.code, Digest.create(sha256.code, createHash('sha256').update(bytes).digest()))
}
