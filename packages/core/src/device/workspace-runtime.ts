import type { FolderSource } from '../folder/types.js'
import type { WorkspaceLog } from '../log/types.js'
import type { WorkspaceHandle, WorkspaceId } from '../ports/ids.js'
import type { Tree } from '../tree/types.js'
import type { ContentStore } from '../workspace/content-store.js'
import type { Replicator } from '../workspace/replicator.js'
import type { Workspace } from '../workspace/types.js'

/** One workspace at work on this device: all of its parts. */
export interface WorkspaceRuntime {
  readonly id: WorkspaceId
  readonly handle: WorkspaceHandle
  readonly name: string
  readonly log: WorkspaceLog
  readonly tree: Tree
  readonly content: ContentStore
  readonly replicator: Replicator
  readonly facade: Workspace
  readonly folderSource: FolderSource
  /** Whether every block that is wanted here is here, durably. */
  readonly complete: boolean
  /** Idempotent. */
  close(): Promise<void>
}
