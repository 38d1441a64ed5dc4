import type { RemovedItem, Workspace } from '@peerfold/core'
import { Wakeup } from '@peerfold/core/async'

export interface RemovedFiles {
  /** The latest removed first; those that went together, in order of their paths. */
  files: readonly RemovedItem[]
  /** Whether there are others, removed before these. */
  more: boolean
}

export interface FollowRemoved {
  /** Files that are listed: a workspace may remember many more than anybody looks through. */
  limit: number
  signal: AbortSignal
  onFiles: (removed: RemovedFiles) => void
}

/**
 * Lists a workspace's removed files, and again when some were removed or came back, until the signal aborts. Changes that come while it lists are one
 * reason to list again, however many they are.
 */
export async function followRemoved(
  workspace: Workspace,
  { limit, signal, onFiles }: FollowRemoved,
): Promise<void> {
  // Before the first list: nothing may happen unseen between it and the watching.
  const since = await workspace.cursor({ signal })
  const changed = new Wakeup()
  let stale = true
  const watch = async () => {
    for await (const { type } of workspace.watch('', { since, signal })) {
      if (type !== 'remove' && type !== 'create') continue
      stale = true
      changed.wake()
    }
  }
  const list = async () => {
    for (;;) {
      while (!stale) await changed.wait({ signal })
      stale = false
      onFiles(await latestRemoved(workspace, limit, signal))
    }
  }
  await Promise.race([watch(), list()])
}

const paths = new Intl.Collator(undefined, { numeric: true, sensitivity: 'base' })

async function latestRemoved(
  workspace: Workspace,
  limit: number,
  signal: AbortSignal,
): Promise<RemovedFiles> {
  const files: RemovedItem[] = []
  let more = false
  for await (const file of workspace.removed({ signal })) {
    more = files.length === limit
    if (more) break
    files.push(file)
  }
  files.sort((a, b) => b.time.getTime() - a.time.getTime() || paths.compare(a.path, b.path))
  return { files, more }
}
