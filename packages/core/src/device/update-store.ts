import { CID } from 'multiformats/cid'
import type { ContentRef } from '../content/types.js'
import { decodeCbor, encodeCbor } from '../encoding/cbor.js'
import { isPeerfoldError, PeerfoldError } from '../errors.js'
import type { UpdateStore } from '../log/types.js'
import type { AbortOptions } from '../ports/abort.js'
import type { ContentStore } from '../workspace/content-store.js'

/**
 * Updates of transactions too large for one commit, kept as a content of the workspace (PROTOCOL.md §4). The root is
 * `[CID, key, plain, size]`.
 */
export function createUpdateStore(
  content: ContentStore,
  onWanted: (content: ContentRef) => void,
): UpdateStore {
  return {
    put: async (updates, options) => {
      const ref = await content.ingest([updates], options)
      await content.flush(options)
      return encodeCbor([ref.root, ref.key, ref.plain, ref.size])
    },
    get: async (root, maxBytes, options) => {
      const ref = decodeRoot(root)
      if (ref.size > maxBytes)
        throw new PeerfoldError('COMMIT_TOO_LARGE', `updates of ${ref.size} bytes are more than ${maxBytes}`)
      if (await content.available(ref, options)) return await readAll(content, ref, options)
      onWanted(ref)
      return undefined
    },
  }
}

/** The content in which the updates of a large transaction lie. @throws {PeerfoldError} `COMMIT_INVALID` */
export function decodeRoot(root: Uint8Array): ContentRef {
  const fields = decodeCbor(root, 'COMMIT_INVALID')
  const [cid, key, plain, size] = Array.isArray(fields) && fields.length === 4 ? fields : []
  const found = CID.asCID(cid)
  if (found === null || !isHash(key) || !isHash(plain) || !Number.isSafeInteger(size) || (size as number) < 0)
    throw new PeerfoldError('COMMIT_INVALID', 'the root of the updates is malformed')
  return { root: found, key, plain, size: size as number }
}

function isHash(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array && value.length === 32
}

async function readAll(content: ContentStore, ref: ContentRef, options?: AbortOptions): Promise<Uint8Array> {
  const all = new Uint8Array(ref.size)
  let offset = 0
  try {
    for await (const piece of content.open(ref, options)) {
      all.set(piece, offset)
      offset += piece.length
    }
  } catch (error) {
    if (!isPeerfoldError(error, 'MANIFEST_INVALID')) throw error
    throw new PeerfoldError('COMMIT_INVALID', 'the updates do not open as their root says', { cause: error })
  }
  return all
}
