import type { PeerProgress } from '../sync/types.js'
import type { CopyHolder } from '../workspace/types.js'
import type { Acknowledgements } from './acknowledgements.js'
import type { IdentityStore } from './identity-store.js'
import type { Relays } from './relays/relays.js'
import type { WorkspaceRuntime } from './workspace-runtime.js'

export interface CopiesParts {
  identity: IdentityStore
  acknowledgements: Acknowledgements
  /** Absent on a device that is offline. */
  relays: Relays | undefined
  /** What this device keeps may be gone at any time. */
  lossy: boolean
}

/** Who besides this device is known to hold, durably, all that is here, connected or not. */
export function holdersOf(
  { identity, acknowledgements, relays }: CopiesParts,
  workspace: WorkspaceRuntime,
): CopyHolder[] {
  const devices = new Set(identity.others().map(({ device }) => device))
  const progress = [...acknowledgements.of(workspace.handle).values()]
  const holding = progress.filter(
    (each) => !each.lossy && devices.has(each.device) && hasEverything(workspace, each),
  )
  return [
    ...holding.map(({ device }) => ({ kind: 'device' as const, id: device })),
    ...(relays?.holders(workspace.handle) ?? []).map((id) => ({ kind: 'relay' as const, id })),
  ]
}

/** 1 when this device itself is a copy to count on. */
export function ownCopy({ lossy }: Pick<CopiesParts, 'lossy'>, workspace: WorkspaceRuntime): number {
  return workspace.complete && !lossy ? 1 : 0
}

/** Whether a device is known to hold, durably, all that is here. */
export function hasEverything(
  workspace: WorkspaceRuntime,
  { summary, blocksComplete }: PeerProgress,
): boolean {
  if (!blocksComplete) return false
  for (const [feed, { seq, id }] of workspace.log.summary()) {
    const theirs = summary.get(feed)
    if (theirs === undefined || theirs.seq < seq || (theirs.seq === seq && theirs.id !== id)) return false
  }
  return true
}
