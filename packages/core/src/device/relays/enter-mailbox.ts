import type { EpochSecrets } from '../../access/types.js'
import { isPeerfoldError } from '../../errors.js'
import type { AbortOptions } from '../../ports/abort.js'
import type { Crypto } from '../../ports/crypto.js'
import type { EpochId } from '../../ports/ids.js'
import { relayKeys } from '../../relay/keys.js'
import type { Registration } from '../../relay/proofs.js'
import type { OpenedMailbox, RelaySession } from '../../relay/session.js'
import type { WorkspaceRuntime } from '../workspace-runtime.js'

export interface Entering {
  session: RelaySession
  workspace: WorkspaceRuntime
  crypto: Crypto
}

/** Earlier epochs that are tried at a relay that does not know the current one. */
const MAX_TRIED = 16

/**
 * Opens a workspace's mailbox with the keys that this device holds (PROTOCOL.md §10.4): with those of the current epoch, else with earlier ones, so that
 * the relay learns the new epoch, or this device does. Begins a mailbox where there is none.
 *
 * @throws {PeerfoldError} `RELAY_REFUSED`, `KEY_MISSING`
 */
export async function enterMailbox(init: Entering, options?: AbortOptions): Promise<OpenedMailbox> {
  const { keyring } = init.workspace.access
  const current = keyring.current()
  const opened = await tryOpen(init, current, 'push', options)
  if (opened !== undefined) return opened
  const earlier = keyring.all().filter(({ id }) => id !== current.id)
  for (const epoch of [current, ...earlier.slice(-MAX_TRIED).reverse()]) {
    const found = await tryOpen(init, epoch, 'pull', options)
    if (found?.role === 'pull') return (await tryOpen(init, epoch, 'push', options)) ?? found
    if (found !== undefined) return found
  }
  await register(init, current, undefined, options)
  return await open(init, current, 'push', options)
}

/**
 * Tells the relay of a newer epoch than it knows, once the commit that announces it is there.
 *
 * @param send brings everything there
 * @returns whether it did: the mailbox is to be opened again
 */
export async function followEpoch(
  init: Entering,
  known: EpochId | undefined,
  send: () => Promise<void>,
  options?: AbortOptions,
): Promise<boolean> {
  const { keyring } = init.workspace.access
  const current = keyring.current()
  const before = known === undefined ? undefined : keyring.get(known)
  if (before === undefined || current.id === before.id) return false
  await send()
  await register(init, current, before, options)
  return true
}

async function register(
  { session, workspace, crypto }: Entering,
  epoch: EpochSecrets,
  previous: EpochSecrets | undefined,
  options?: AbortOptions,
): Promise<void> {
  const keys = relayKeys(epoch)
  const registration: Registration = {
    handle: workspace.handle,
    epoch: epoch.id,
    pull: crypto.publicKey(keys.pull),
    push: crypto.publicKey(keys.push),
    control: crypto.publicKey(keys.control),
    previous: previous?.id,
    rotation: previous === undefined ? undefined : workspace.access.announced(epoch.id, previous.id),
  }
  const signer = previous === undefined ? keys.control : relayKeys(previous).control
  await session.register(registration, signer, options)
}

/** Undefined where the relay does not take these keys. */
async function tryOpen(
  init: Entering,
  epoch: EpochSecrets,
  role: 'pull' | 'push',
  options?: AbortOptions,
): Promise<OpenedMailbox | undefined> {
  try {
    return await open(init, epoch, role, options)
  } catch (error) {
    if (isPeerfoldError(error, 'WORKSPACE_NOT_FOUND') || isPeerfoldError(error, 'UNAUTHORIZED'))
      return undefined
    throw error
  }
}

function open(
  { session, workspace }: Entering,
  epoch: EpochSecrets,
  role: 'pull' | 'push',
  options?: AbortOptions,
): Promise<OpenedMailbox> {
  const claim = { handle: workspace.handle, epoch: epoch.id, role }
  return session.openMailbox(claim, relayKeys(epoch)[role], options)
}
