import { manifestBlocks } from '../../content/list-blocks.js'
import type { ContentRef } from '../../content/types.js'
import { isPeerfoldError } from '../../errors.js'
import type { WorkspaceLog } from '../../log/types.js'
import type { AbortOptions } from '../../ports/abort.js'
import type { BlockStore } from '../../ports/block-store.js'
import type { Crypto } from '../../ports/crypto.js'
import type { CommitId } from '../../ports/ids.js'
import { contentsOf } from '../../tree/contents.js'
import type { Replicator } from '../../workspace/replicator.js'
import { decodeRoot } from '../update-store.js'

export interface BlockListing {
  log: Pick<WorkspaceLog, 'get'>
  blocks: BlockStore
  crypto: Crypto
  replicator: Pick<Replicator, 'available'>
}

/** Contents that a commit names: of files, and of its own updates where they were too large. Undefined while these are not here. */
export async function contentsNamed(
  { log }: Pick<BlockListing, 'log'>,
  id: CommitId,
  options?: AbortOptions,
): Promise<ContentRef[] | undefined> {
  try {
    const { updates, root } = await log.get(id, options)
    const contents = contentsOf(updates)
    return root === undefined ? contents : [decodeRoot(root), ...contents]
  } catch (error) {
    // Not applied here, or not all here: whoever made it sees to its blocks.
    if (isPeerfoldError(error)) return undefined
    throw error
  }
}

/** Digests of all blocks of a content; undefined, before the first, when it is not all here. */
export async function* digestsOf(
  { blocks, crypto, replicator }: BlockListing,
  content: ContentRef,
  options?: AbortOptions,
): AsyncGenerator<Uint8Array, boolean> {
  if (!(await replicator.available(content, options))) return false
  const { signal } = options ?? {}
  for await (const cid of manifestBlocks(content, { source: blocks, crypto, signal }))
    yield cid.multihash.digest
  return true
}
