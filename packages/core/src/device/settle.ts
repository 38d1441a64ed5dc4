import { PeerfoldError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'
import type { Clock } from '../ports/clock.js'
import type { Sync } from '../sync/types.js'
import type { Folders } from './folders.js'
import type { WorkspaceRuntime } from './workspace-runtime.js'

/** Devices that are on but not connected yet get so long to appear. */
const CONNECT_MS = 10_000
const LOOK_MS = 100

export interface SettleInit {
  clock: Clock
  folders: Folders | undefined
  sync: Sync | undefined
  workspaces(): WorkspaceRuntime[]
  /** Whether the user has other devices at all. */
  hasOthers(): boolean
}

/**
 * All that was on disk and in workspaces before the call is scanned, committed, and held durably by all connected devices.
 *
 * @throws {PeerfoldError} `NO_PEERS`; what keeps a folder from settling
 */
export async function settle(init: SettleInit, options?: AbortOptions): Promise<void> {
  const { sync, folders } = init
  for (const { workspace } of folders?.list() ?? []) {
    const failure = folders?.failure(workspace)
    if (failure !== undefined)
      throw new PeerfoldError('FOLDER_MISSING', failure.message, {
        hint: failure.hint,
        details: { code: failure.code },
      })
    await folders?.get(workspace)?.settled(options)
  }
  if (sync === undefined || !(await waitForPeers(init, sync, options)))
    throw new PeerfoldError('NO_PEERS', 'no other device is connected')
  await Promise.all(
    init.workspaces().map(({ handle, log }) => sync.acknowledged(handle, log.heads(), options)),
  )
}

async function waitForPeers(
  { clock, hasOthers }: SettleInit,
  sync: Sync,
  options?: AbortOptions,
): Promise<boolean> {
  const until = clock.monotonic() + CONNECT_MS
  while (sync.peers().length === 0) {
    if (!hasOthers() || clock.monotonic() >= until) return false
    await clock.sleep(LOOK_MS, options)
  }
  return true
}
