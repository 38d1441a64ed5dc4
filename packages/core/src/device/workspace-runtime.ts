import type { WorkspaceAccess } from '../access/workspace-access.js'
import type { FolderSource } from '../folder/types.js'
import type { WorkspaceLog } from '../log/types.js'
import type { BlockStore } from '../ports/block-store.js'
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
  readonly access: WorkspaceAccess
  readonly log: WorkspaceLog
  readonly blocks: BlockStore
  readonly tree: Tree
  readonly content: ContentStore
  readonly replicator: Replicator
  /** A handle for an app; closing it leaves the workspace at work. */
  openFacade(): Workspace
  readonly folderSource: FolderSource
  /** Whether every block that is wanted here is here, durably. */
  readonly complete: boolean
  /** Whether it is known what is wanted and not here: all versions have been looked at since the start. */
  readonly checked: boolean
  /** Looks whether everything is here now, and tells peers and status. */
  settle(): void
  /** Idempotent. */
  close(): Promise<void>
}
