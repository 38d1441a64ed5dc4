import type { FolderSource } from '../folder/types.js'
import type { WorkspaceLog } from '../log/types.js'
import type { WorkspaceId } from '../ports/ids.js'
import type { Tree } from '../tree/types.js'
import type { ContentStore } from '../workspace/content-store.js'
import { transactTree } from '../workspace/transact-tree.js'
import type { TreeGate } from '../workspace/tree-gate.js'

export interface FolderSourceInit {
  id: WorkspaceId
  name(): string
  log: WorkspaceLog
  tree: Tree
  gate: TreeGate
  content: ContentStore
}

/** A workspace as the folder engine sees it. */
export function createFolderSource({ id, name, log, tree, gate, content }: FolderSourceInit): FolderSource {
  return {
    id,
    get name() {
      return name()
    },
    tree: gate,
    transact: async (change, options) => {
      await gate.whole(options)
      const { value, commit } = await transactTree({ log, tree, content }, change, options)
      return { value, commit: commit?.id }
    },
    ingest: (bytes, options) => content.ingest(bytes, options),
    identify: (bytes, options) => content.identify(bytes, options),
    open: (ref, options) => content.open(ref, options),
    available: (ref, options) => content.available(ref, options),
    fetch: (ref, options) => content.fetch(ref, options),
    onChange: (listener) => tree.onChange((changes) => listener(changes)),
  }
}
