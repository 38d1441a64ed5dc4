import type { CID } from 'multiformats/cid'
import type { AbortOptions } from '../ports/abort.js'
import type { BlockStore } from '../ports/block-store.js'
import type { Crypto } from '../ports/crypto.js'
import { blockCid } from './block-cid.js'
import { mapOrdered } from './map-ordered.js'
import { childrenIn, type PlacedNode, type ReadTreeOptions, readNode, readRoot } from './read-tree.js'
import type { ContentRef } from './types.js'

/**
 * The blocks of a content in order of need: root, then each node before what is below it. Chunks that occur several times come several
 * times.
 *
 * @throws {PeerfoldError} `BLOCK_NOT_FOUND` and the like when a node is not there; `MANIFEST_INVALID`
 */
export async function* manifestBlocks(ref: ContentRef, options: ReadTreeOptions): AsyncGenerator<CID> {
  yield ref.root
  const { body } = await readRoot(ref, options)
  if (!(body instanceof Uint8Array))
    yield* blocksBelow({ node: body, offset: 0, last: true }, ref.size, options)
}

async function* blocksBelow(top: PlacedNode, size: number, options: ReadTreeOptions): AsyncGenerator<CID> {
  for (const { entry, offset, last } of childrenIn(top, { from: 0, to: size })) {
    yield blockCid(entry.digest)
    if (top.node.level === 0) continue
    const node = await readNode(entry, { level: top.node.level - 1, last }, options)
    yield* blocksBelow({ node, offset, last }, size, options)
  }
}

export interface MissingBlocksOptions extends AbortOptions {
  store: Pick<BlockStore, 'get' | 'has'>
  crypto: Pick<Crypto, 'open' | 'openChunks' | 'hash'>
}

/**
 * Blocks of a content that a store lacks, each once for each node that names it. Below a missing node nothing is known yet: when it has come, ask again.
 */
export async function* missingBlocks(ref: ContentRef, options: MissingBlocksOptions): AsyncGenerator<CID> {
  const { store, crypto, signal } = options
  const [held] = await store.has([ref.root], { signal })
  if (!held) {
    yield ref.root
    return
  }
  const { body } = await readRoot(ref, { source: store, crypto, signal })
  if (body instanceof Uint8Array) return
  yield* missingBelow({ node: body, offset: 0, last: true }, ref.size, options)
}

async function* missingBelow(
  top: PlacedNode,
  size: number,
  { store, crypto, signal }: MissingBlocksOptions,
): AsyncGenerator<CID> {
  const children = childrenIn(top, { from: 0, to: size })
  const cids = children.map(({ entry }) => blockCid(entry.digest))
  const held = await store.has(cids, { signal })
  const missing = cids.filter((_, i) => !held[i])
  yield* new Map(missing.map((cid) => [cid.toString(), cid])).values()
  if (top.node.level === 0) return
  const level = top.node.level - 1
  const nodes = mapOrdered(
    children.filter((_, i) => held[i]),
    2,
    async ({ entry, offset, last }, signal): Promise<PlacedNode> => {
      const node = await readNode(entry, { level, last }, { source: store, crypto, signal })
      return { node, offset, last }
    },
    signal,
  )
  for await (const node of nodes) yield* missingBelow(node, size, { store, crypto, signal })
}
