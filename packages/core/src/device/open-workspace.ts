import { contentKeys } from '../access/epochs.js'
import type { WorkspaceAccess } from '../access/workspace-access.js'
import { createChunkIndex } from '../content/chunk-index.js'
import type { ContentRef } from '../content/types.js'
import type { Exchange } from '../exchange/types.js'
import type { FeedSecrets, WorkspaceLog } from '../log/types.js'
import { openWorkspaceLog } from '../log/workspace-log.js'
import type { AbortOptions } from '../ports/abort.js'
import type { Clock } from '../ports/clock.js'
import type { Crypto } from '../ports/crypto.js'
import type { DeviceId } from '../ports/ids.js'
import type { PeerId } from '../ports/network.js'
import type { Random } from '../ports/random.js'
import type { PeerProgress, Sync } from '../sync/types.js'
import { createTree } from '../tree/tree.js'
import type { Tree, TreeChange } from '../tree/types.js'
import { ChangeFeed } from '../workspace/change-feed.js'
import { createContentStore } from '../workspace/local-content.js'
import { Replicator } from '../workspace/replicator.js'
import { TreeGate } from '../workspace/tree-gate.js'
import type { CopyHolder } from '../workspace/types.js'
import { WorkspaceFacade } from '../workspace/workspace.js'
import type { WorkspaceStores } from './components.js'
import { createFolderSource } from './folder-source.js'
import { createUpdateStore } from './update-store.js'
import type { WorkspaceRuntime } from './workspace-runtime.js'

export interface OpenWorkspaceInit {
  stores: WorkspaceStores
  access: WorkspaceAccess
  /** What the workspace was called when it was handed over. */
  grantedName: string | undefined
  feed: FeedSecrets
  crypto: Crypto
  clock: Clock
  random: Random
  sync: Sync | undefined
  exchange: Exchange | undefined
  /** What peers told of this workspace in earlier runs. */
  earlier: ReadonlyMap<PeerId, PeerProgress>
  deviceName(device: DeviceId): string | undefined
  /** Something that status shows has changed. */
  onChange(): void
  /** Whether the synced folder, where there is one, has nothing left to apply. */
  folderRests(): boolean
  /** Resolves when so many machines hold all that is in the workspace. */
  durable(workspace: WorkspaceRuntime, copies: number, options?: AbortOptions): Promise<CopyHolder[]>
}

/** Puts a workspace's parts together, from the stores up, and lets its peers have it. */
export async function openWorkspace(
  init: OpenWorkspaceInit,
  options?: AbortOptions,
): Promise<WorkspaceRuntime> {
  const { stores, access, crypto, clock, random, sync, exchange } = init
  const { workspace: id, handle } = access
  const replicator = new Replicator({
    handle,
    blocks: stores.blocks,
    exchange,
    crypto,
    clock,
    onChange: () => settle(),
  })
  const content = createContentStore({
    blocks: stores.blocks,
    chunks: createChunkIndex({ keyValue: stores.index, store: stores.blocks }),
    crypto,
    keys: () => contentKeys(access.keyring),
    replicator,
  })
  const tree = await createTree({ db: stores.index, workspace: id, clock })
  const gate = new TreeGate(tree)
  const log = await openWorkspaceLog(
    {
      store: stores.log,
      db: stores.index,
      authority: access,
      consumer: tree,
      secrets: init.feed,
      crypto,
      clock,
      random,
      updateStore: createUpdateStore(content, (ref) => void fetchUpdates(replicator, log, ref)),
    },
    options,
  )
  const closing = new AbortController()
  const changes = new ChangeFeed({ db: stores.index, random, tree, gate, log })
  const name = () => access.name ?? init.grantedName ?? id.slice(0, 12)
  const { deviceName } = init
  const { device } = access
  let checked = false
  let checking: Promise<void> = Promise.resolve()
  const complete = () => checked && replicator.idle
  /** Tells peers and status what is here now. */
  function settle(): void {
    if (closing.signal.aborted) return
    init.onChange()
    if (sync === undefined || !complete() || !init.folderRests()) return
    content.flush().then(
      () => {
        if (!closing.signal.aborted && complete() && init.folderRests()) sync.setBlocksComplete(handle, true)
      },
      () => {},
    )
  }
  const check = async (): Promise<void> => {
    checked = false
    try {
      await wantAll(replicator, tree, closing.signal)
      checked = true
      settle()
    } catch {
      // The workspace is closing.
    }
  }
  const stops = [
    tree.onChange((treeChanges) => {
      wantHeads(replicator, treeChanges)
      settle()
    }),
    log.on('rebuild', (active) => {
      if (active) return gate.close()
      gate.open()
      // What was applied meanwhile was announced to nobody.
      checking = checking.then(check)
    }),
    log.on('commit', () => settle()),
  ]
  sync?.attach(handle, log, init.earlier)
  exchange?.attach(handle, stores.blocks)
  checking = check()
  let closed: Promise<void> | undefined
  const close = async (): Promise<void> => {
    closing.abort()
    for (const stop of stops) stop()
    sync?.detach(handle)
    exchange?.detach(handle)
    await changes.close()
    await replicator.close()
    await checking
    await log.close()
    await tree.close()
    await Promise.all([stores.log.close(), stores.blocks.close(), stores.index.close()])
  }
  const durable = (copies: number, options?: AbortOptions) => init.durable(runtime, copies, options)
  const runtime: WorkspaceRuntime = {
    id,
    handle,
    access,
    get name() {
      return name()
    },
    log,
    blocks: stores.blocks,
    tree,
    content,
    replicator,
    openFacade: () =>
      new WorkspaceFacade({
        id,
        name,
        device,
        log,
        tree,
        gate,
        content,
        changes,
        clock,
        deviceName,
        durable,
      }),
    folderSource: createFolderSource({ id, name, log, tree, gate, content }),
    get complete() {
      return complete()
    },
    get checked() {
      return checked
    },
    settle,
    close: () => (closed ??= close()),
  }
  return runtime
}

/** What is here is kept whole: heads first, then every older version that history names. */
async function wantAll(replicator: Replicator, tree: Tree, signal: AbortSignal): Promise<void> {
  for await (const { content, item } of tree.allVersions({ signal })) {
    if (!(await replicator.available(content, { signal }))) replicator.want(content, item)
  }
}

function wantHeads(replicator: Replicator, changes: readonly TreeChange[]): void {
  for (const { item, after } of changes)
    for (const { content } of after?.heads ?? []) replicator.want(content, item)
}

async function fetchUpdates(replicator: Replicator, log: WorkspaceLog, content: ContentRef): Promise<void> {
  try {
    await replicator.fetch(content)
    await log.retry()
  } catch {
    // The device is closing, or the content is void: the log asks again when it is opened next.
  }
}
