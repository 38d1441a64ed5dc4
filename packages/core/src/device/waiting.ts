import type { WorkspaceStatus } from '../api.js'
import type { ContentRef } from '../content/types.js'
import { toHex } from '../encoding/bytes.js'
import type { DeviceId, ItemId } from '../ports/ids.js'
import type { IdentityStore } from './identity-store.js'
import type { Presence } from './presence.js'
import type { WorkspaceRuntime } from './workspace-runtime.js'

/** As many as a person may want to read. */
const MAX_SHOWN = 100

export interface WaitingParts {
  identity: Pick<IdentityStore, 'nameOf'>
  presence: Pick<Presence, 'lastSeen'>
}

type Waiting = WorkspaceStatus['waitingFor'][number]

/** Files whose content no connected device gives. Parts of transactions that are too large for one commit belong to none and are not named. */
export async function listWaiting(
  { identity, presence }: WaitingParts,
  workspace: Pick<WorkspaceRuntime, 'replicator' | 'tree'>,
): Promise<Waiting[]> {
  const waiting = new Map<string, Waiting>()
  const removed = new RemovedPaths(workspace.tree)
  for (const { content, item } of workspace.replicator.outOfReach()) {
    if (waiting.size >= MAX_SHOWN) break
    if (item === undefined) continue
    const path = (await workspace.tree.path(item))?.join('/') ?? (await removed.path(item))
    if (path === undefined || waiting.has(path)) continue
    const device = await authorOf(workspace, item, content)
    waiting.set(path, {
      path,
      device: device === undefined ? undefined : (identity.nameOf(device) ?? device),
      lastSeen: device === undefined ? undefined : presence.lastSeen(device)?.toISOString(),
    })
  }
  return [...waiting.values()]
}

/** Where removed items were, looked up once when first asked for. */
class RemovedPaths {
  readonly #tree: WorkspaceRuntime['tree']
  #paths: Map<ItemId, string> | undefined

  constructor(tree: WorkspaceRuntime['tree']) {
    this.#tree = tree
  }

  async path(item: ItemId): Promise<string | undefined> {
    if (this.#paths === undefined) {
      this.#paths = new Map()
      for await (const removed of this.#tree.removed()) this.#paths.set(removed.item, removed.path.join('/'))
    }
    return this.#paths.get(item)
  }
}

/** Status is computed often, and an author never changes. */
const authors = new WeakMap<ContentRef, DeviceId>()

/** The device that wrote a content certainly had it. */
async function authorOf(
  { tree }: Pick<WorkspaceRuntime, 'tree'>,
  item: ItemId,
  content: ContentRef,
): Promise<DeviceId | undefined> {
  const known = authors.get(content)
  if (known !== undefined) return known
  const plain = toHex(content.plain)
  for await (const version of tree.versions(item))
    if (toHex(version.content.plain) === plain) {
      authors.set(content, version.device)
      return version.device
    }
  return undefined
}
