import type { WorkspaceLog } from '../log/types.js'
import type { AbortOptions } from '../ports/abort.js'
import type { Tree, TreeTransaction } from '../tree/types.js'
import type { ContentStore } from './content-store.js'
import type { CommitInfo } from './types.js'

export interface TransactComponents {
  log: WorkspaceLog
  tree: Pick<Tree, 'begin'>
  content: Pick<ContentStore, 'flush'>
}

/**
 * One commit from what `change` does to the tree; nothing when it does nothing or throws. Nothing else is applied meanwhile. The blocks that
 * the commit names are durable before it is.
 */
export async function transactTree<T>(
  { log, tree, content }: TransactComponents,
  change: (tx: TreeTransaction) => Promise<T>,
  options?: AbortOptions,
): Promise<{ value: T; commit: CommitInfo | undefined }> {
  let result: { value: T } | undefined
  const commit = await log.commit(async (past) => {
    const tx = tree.begin(past, log.nextStamp(), log.nextSeq(), log.writer)
    result = { value: await change(tx) }
    const draft = await tx.draft()
    if (draft !== undefined) await content.flush(options)
    return draft
  }, options)
  const { value } = result as { value: T }
  return { value, commit: commit === undefined ? undefined : { id: commit.id, time: new Date(commit.time) } }
}
