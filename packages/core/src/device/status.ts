import type { PeerStatus, State, Status, WorkspaceStatus } from '../api.js'
import { type ErrorCode, PeerfoldError } from '../errors.js'
import type { FolderStatus } from '../folder/types.js'
import type { Carrier, PeerId } from '../ports/network.js'
import type { Sync } from '../sync/types.js'
import { type CopiesParts, hasEverything, holdersOf, ownCopy } from './copies.js'
import type { Folders } from './folders.js'
import type { IdentityStore } from './identity-store.js'
import type { Presence } from './presence.js'
import { listWaiting } from './waiting.js'
import type { WorkspaceRuntime } from './workspace-runtime.js'

/** What status is made of. */
export interface StatusParts extends CopiesParts {
  presence: Presence
  folders: Folders | undefined
  sync: Sync | undefined
  addresses(): string[]
  workspaces(): WorkspaceRuntime[]
  carrier(peer: PeerId): Carrier | undefined
  /** Why there is no way to any other device. */
  problem(): PeerfoldError | undefined
}

export async function computeStatus(parts: StatusParts): Promise<Status> {
  const { identity } = parts
  const problem = parts.problem()
  return {
    device: {
      id: identity.keys.device,
      name: identity.own?.certificate.name ?? '',
      user: identity.user,
      peer: identity.keys.peer,
    },
    addresses: parts.addresses(),
    peers: listPeers(parts),
    relays: parts.relays?.list() ?? [],
    workspaces: await Promise.all(parts.workspaces().map((workspace) => workspaceStatus(parts, workspace))),
    ...(problem === undefined ? {} : { problem: describe(problem) }),
  }
}

function listPeers({ identity, presence, relays, carrier }: StatusParts): PeerStatus[] {
  const devices = identity.others().map(({ device, name }) => ({
    id: device,
    kind: 'device' as const,
    name,
    connected: presence.isConnected(device),
    via: presence.carrier(device),
  }))
  const known = (relays?.list() ?? []).map(({ peer, addresses, connected }) => ({
    id: peer,
    kind: 'relay' as const,
    name: addresses[0] ?? peer,
    connected,
    via: connected ? carrier(peer) : undefined,
  }))
  return [...devices, ...known]
}

async function workspaceStatus(parts: StatusParts, workspace: WorkspaceRuntime): Promise<WorkspaceStatus> {
  const { folders, identity } = parts
  const bound = folders?.list().find((each) => each.workspace === workspace.id)
  const folder = folders?.get(workspace.id)?.status()
  const failure = folders?.failure(workspace.id) ?? ownFailure(identity)
  const error = failure ?? withHint(folder?.error)
  const { files, bytes } = await workspace.tree.stats()
  return {
    id: workspace.id,
    name: workspace.name,
    folder: bound?.directory,
    state: stateOf(parts, workspace, folder?.state, { failed: failure !== undefined, paused: bound?.paused }),
    files,
    bytes,
    pending: addPending(workspace.replicator.pending, folder?.pending),
    checked: workspace.checked,
    copies: { min: countCopies(parts, workspace) },
    waitingFor: await listWaiting(parts, workspace),
    ...(error === undefined ? {} : { error }),
    issues: folder?.issues ?? [],
  }
}

function ownFailure({ own }: IdentityStore): { code: string; message: string; hint: string } | undefined {
  if (own === undefined || own.state === 'active') return undefined
  return describe(new PeerfoldError('DEVICE_REVOKED', `this device is ${own.state}`))
}

function stateOf(
  { sync, relays }: StatusParts,
  workspace: WorkspaceRuntime,
  folder: FolderStatus['state'] | undefined,
  { failed, paused }: { failed: boolean; paused: boolean | undefined },
): State {
  if (failed || folder === 'error') return 'error'
  if (paused === true || folder === 'paused') return 'paused'
  const connected = new Set(sync?.peers().map(({ peer }) => peer))
  const peers = [...(sync?.progress(workspace.handle) ?? [])].filter(([peer]) => connected.has(peer))
  const here = relays?.list().filter(({ connected }) => connected) ?? []
  if (peers.length + here.length === 0) return 'offline'
  const holding = relays?.holders(workspace.handle) ?? []
  const everywhere =
    peers.every(([, progress]) => hasEverything(workspace, progress)) &&
    here.every(({ peer, error }) => error !== undefined || holding.includes(peer))
  return folder !== 'syncing' && workspace.complete && everywhere ? 'synced' : 'syncing'
}

/** A device that keeps what it has is one, also while it does not have all. */
function countCopies(parts: StatusParts, workspace: WorkspaceRuntime): number {
  const copies = holdersOf(parts, workspace).length + ownCopy(parts, workspace)
  return Math.max(parts.lossy ? 0 : 1, copies)
}

function addPending(
  a: { files: number; bytes: number },
  b: { files: number; bytes: number } = { files: 0, bytes: 0 },
): { files: number; bytes: number } {
  // What is fetched and what then waits for the disk are the same files.
  return { files: Math.max(a.files, b.files), bytes: Math.max(a.bytes, b.bytes) }
}

function withHint(error: FolderStatus['error']): WorkspaceStatus['error'] {
  return error && describe(new PeerfoldError(error.code as ErrorCode, error.message))
}

function describe({ code, message, hint }: PeerfoldError): { code: string; message: string; hint: string } {
  return { code, message, hint }
}
