import type { CID } from 'multiformats/cid'
import { concatBytes } from '../encoding/bytes.js'
import { isPeerfoldError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'
import type { BlockStore } from '../ports/block-store.js'

type Source<T> = Iterable<T> | AsyncIterable<T>
type Content = Uint8Array | Source<Uint8Array>

/**
 * A block store as an `interface-blockstore` `Blockstore`, so that the IPFS ecosystem's tools and its compliance suite run on it. It keeps
 * no state. Blocks are raw and SHA-256, as Peerfold's are.
 */
export function toIpfsBlockstore(store: BlockStore) {
  const put = async (cid: CID, content: Content, options?: AbortOptions): Promise<CID> => {
    await store.put([{ cid, bytes: await gather(content) }], options)
    return cid
  }
  const remove = (cid: CID, options?: AbortOptions) => store.delete([cid], options)
  async function* get(cid: CID, options?: AbortOptions) {
    try {
      yield await store.get(cid, options)
    } catch (cause) {
      if (!isPeerfoldError(cause, 'BLOCK_NOT_FOUND')) throw cause
      throw Object.assign(new Error(cause.message, { cause }), { name: 'NotFoundError' })
    }
  }
  return {
    get,
    put,
    delete: remove,
    has: async (cid: CID, options?: AbortOptions) => (await store.has([cid], options))[0] === true,
    async *putMany(pairs: Source<{ cid: CID; bytes: Content }>, options?: AbortOptions) {
      for await (const { cid, bytes } of pairs) yield await put(cid, bytes, options)
    },
    async *getMany(cids: Source<CID>, options?: AbortOptions) {
      for await (const cid of cids) yield { cid, bytes: get(cid, options) }
    },
    async *deleteMany(cids: Source<CID>, options?: AbortOptions) {
      for await (const cid of cids) {
        await remove(cid, options)
        yield cid
      }
    },
    async *getAll(options?: AbortOptions) {
      for await (const cid of store.list(options)) yield { cid, bytes: get(cid, options) }
    },
  }
}

async function gather(content: Content): Promise<Uint8Array> {
  if (content instanceof Uint8Array) return content
  const pieces: Uint8Array[] = []
  for await (const piece of content) pieces.push(piece)
  return concatBytes(...pieces)
}
