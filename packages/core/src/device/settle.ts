import { PeerfoldError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'
import type { Clock } from '../ports/clock.js'
import type { PeerId } from '../ports/network.js'
import type { Dialer } from '../sync/dialer.js'
import type { Sync } from '../sync/types.js'
import type { Folders } from './folders.js'
import type { Relays } from './relays/relays.js'
import type { WorkspaceRuntime } from './workspace-runtime.js'

/** Devices that are on but not connected yet get so long to appear. */
const CONNECT_MS = 10_000
const LOOK_MS = 100

export interface SettleInit {
  clock: Clock
  folders: Folders | undefined
  /** Absent on a device that is offline. */
  connectivity: { sync: Sync; dialer: Dialer; relays: Relays } | undefined
  workspaces(): WorkspaceRuntime[]
  /** The user's other devices. */
  others(): PeerId[]
}

/**
 * All that was on disk and in workspaces before the call is scanned, committed, and held durably by all devices that can be reached.
 *
 * @throws {PeerfoldError} `NO_PEERS`, `FOLDER_PAUSED`; what keeps a folder from settling
 */
export async function settle(init: SettleInit, options?: AbortOptions): Promise<void> {
  // Whoever waits wants those that came up just now to be found, too.
  init.connectivity?.dialer.hurry()
  await settleFolders(init, options)
  const { connectivity } = init
  if (connectivity === undefined) throw noPeers()
  const wanted = init.workspaces().map(({ handle, log }) => ({ handle, heads: log.heads() }))
  const { sync, relays } = connectivity
  const holders = await relays.settled(
    wanted.map(({ handle }) => handle),
    options,
  )
  // What came from there belongs into folders, too.
  await settleFolders(init, options)
  if (holders.length > 0 && init.others().length === 0) return
  do {
    if (!(await waitForPeers(init, connectivity, holders.length === 0, options))) {
      if (holders.length > 0) return
      throw noPeers()
    }
    const held = wanted.map(({ handle, heads }) => sync.acknowledged(handle, heads, options))
    // A device that left meanwhile is waited for no longer, and has acknowledged nothing.
    if (wanted.length === 0 || (await Promise.all(held)).some((peers) => peers.length > 0)) return
  } while (sync.peers().length === 0)
}

async function settleFolders({ folders }: SettleInit, options?: AbortOptions): Promise<void> {
  for (const { workspace, directory, paused } of folders?.list() ?? []) {
    if (paused) throw new PeerfoldError('FOLDER_PAUSED', `${directory} is paused`)
    const failure = folders?.failure(workspace)
    if (failure !== undefined)
      throw new PeerfoldError('FOLDER_MISSING', failure.message, {
        hint: failure.hint,
        details: { code: failure.code },
      })
    await folders?.get(workspace)?.settled(options)
  }
}

/**
 * Until every device that answers is in session, in bounded time.
 * @param patient whether to wait for those that do not answer yet
 * @returns whether any is in session
 */
async function waitForPeers(
  { clock, others }: SettleInit,
  { sync, dialer }: { sync: Sync; dialer: Dialer },
  patient: boolean,
  options?: AbortOptions,
): Promise<boolean> {
  const until = clock.monotonic() + CONNECT_MS
  for (;;) {
    const inSession = new Set<PeerId>(sync.peers().map(({ peer }) => peer))
    const devices = new Set(others())
    const ways = dialer.ways().filter(({ peer }) => devices.has(peer))
    const coming = ways.some((way) => way.trying || (way.connected && !inSession.has(way.peer)))
    if (inSession.size > 0 && !coming) return true
    if (devices.size === 0 || (!patient && !coming) || clock.monotonic() >= until) return inSession.size > 0
    await clock.sleep(LOOK_MS, options)
  }
}

function noPeers(): PeerfoldError {
  return new PeerfoldError('NO_PEERS', 'no other device is connected')
}
