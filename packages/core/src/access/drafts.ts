import { toHex } from '../encoding/bytes.js'
import { PeerfoldError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'
import type { Crypto } from '../ports/crypto.js'
import type { DeviceId } from '../ports/ids.js'
import type { Random } from '../ports/random.js'
import type { EpochLedger } from './epoch-ledger.js'
import { draftEpoch } from './epoch-record.js'
import { createEpoch } from './epochs.js'
import { createWorkspaceGenesis, type WorkspaceGenesis } from './genesis.js'
import type { EntryId } from './identity-entry.js'
import { foldIdentity, withCauses } from './identity-fold.js'
import { type IdentityLog, recoveryKeyOf } from './identity-log.js'
import type { EpochKeyring, GrantedEpoch } from './keyring.js'
import { checkWorkspaceName, encodeOperation, type Operation } from './operations.js'
import type { Removals } from './removals.js'
import type { AccessOperation, EpochSecrets } from './types.js'

/** What a device says to make a workspace, name it, and keep removed devices out of it. */
export interface Drafting {
  crypto: Pick<Crypto, 'seal'>
  random: Random
  genesis: WorkspaceGenesis
  identity: IdentityLog
  device: DeviceId
  keyring: EpochKeyring
  epochs: EpochLedger
  removals: Removals
}

/** Concurrent rotations beyond this are merged into a new epoch. */
const MAX_TIPS = 3

/** A new workspace of a user: its genesis, and its first keys. The first commit then says `draftGenesis`. */
export function createWorkspace(
  random: Random,
  creator: string,
): { genesis: WorkspaceGenesis; epochs: GrantedEpoch[] } {
  const genesis = createWorkspaceGenesis(random, creator)
  return { genesis, epochs: [{ ...createEpoch(random, genesis.id), previous: [] }] }
}

export function draftName(name: string): AccessOperation[] {
  return [encodeOperation({ type: 'name', name: checkWorkspaceName(name) })]
}

/** The first epoch has none before it, so this commit is sealed under the very epoch that it announces: grants bring that. */
export async function draftGenesis(
  drafting: Drafting,
  name: string,
  options?: AbortOptions,
): Promise<AccessOperation[]> {
  const { genesis, random, keyring } = drafting
  const tenure = toHex(random.bytes(32))
  const epoch = await announce(drafting, [], new Set(), keyring.current(), options)
  return [
    encodeOperation({ type: 'genesis', genesis, owner: genesis.creator, tenure }),
    ...draftName(name),
    encodeOperation(epoch),
  ]
}

export async function draftRotation(
  drafting: Drafting,
  options?: AbortOptions,
): Promise<AccessOperation[] | undefined> {
  const { identity, keyring, removals, device } = drafting
  const unnamed = unnamedVerdicts(identity, removals.named())
  const out = removedDevices(drafting)
  const tips = keyring.tips()
  const readers = tips.map((id) => drafting.epochs.readers(id))
  const leaks = [...out].some((one) => readers.length > 0 && readers.every((set) => set?.has(one)))
  if (unnamed.length === 0 && !leaks && tips.length <= MAX_TIPS) return undefined
  if (out.has(device)) throw new PeerfoldError('DEVICE_REVOKED', 'this device was removed from the workspace')
  const operations: Operation[] = []
  if (unnamed.length > 0) {
    const entries = withCauses(identity.entries, unnamed)
    const fresh = entries.filter(({ id }) => unnamed.includes(id) || !removals.identity.entries.has(id))
    operations.push({ type: 'identity', entries: fresh.map(({ bytes }) => bytes) })
  }
  if (leaks || tips.length > MAX_TIPS) {
    const previous = tips.map((id) => keyring.get(id))
    if (!previous.every((epoch) => epoch !== undefined)) {
      throw new PeerfoldError('KEY_MISSING', 'this device does not hold the current keys of the workspace')
    }
    operations.push(await announce(drafting, previous, out, undefined, options))
  }
  return operations.map(encodeOperation)
}

/** Revocations and restorations that count, or may come to count, and that no commit has named here. */
function unnamedVerdicts(identity: IdentityLog, named: ReadonlySet<EntryId>): EntryId[] {
  const { labels } = foldIdentity(identity.entries.values())
  return [...identity.entries.values()]
    .filter(({ type }) => type === 'revokeDevice' || type === 'restoreDevice')
    .map(({ id }) => id)
    .filter((id) => labels.get(id) !== 'void' && !named.has(id))
}

/** Devices that are out by the identity log or by this workspace's own log. */
function removedDevices({ identity, removals }: Drafting): Set<DeviceId> {
  const out = new Set(removals.removed())
  for (const [device, { state }] of foldIdentity(identity.entries.values()).standings) {
    if (state !== 'active') out.add(device)
    else if (removals.stateOf(device) !== 'active' && restorable(identity, removals, device))
      out.delete(device)
  }
  return out
}

/** The identity log knows better than this workspace, which is about to hear of it. */
function restorable(identity: IdentityLog, removals: Removals, device: DeviceId): boolean {
  return unnamedVerdicts(identity, removals.named()).some((id) => {
    const entry = identity.entries.get(id)
    return entry?.type === 'restoreDevice' && entry.device === device
  })
}

async function announce(
  { crypto, random, genesis, identity }: Drafting,
  previous: readonly EpochSecrets[],
  out: ReadonlySet<DeviceId>,
  epoch?: EpochSecrets,
  options?: AbortOptions,
): Promise<Operation> {
  const { standings } = foldIdentity(identity.entries.values())
  const devices = [...standings.values()]
    .filter(({ state, certificate }) => state === 'active' && !out.has(certificate.device))
    .map(({ certificate: { device, boxKey } }) => ({ device, boxKey }))
  const key = recoveryKeyOf(identity)
  const recovery = key === undefined ? [] : [{ user: identity.user, key }]
  const init = { crypto, random, workspace: genesis.id, devices, recovery, previous }
  return (await draftEpoch(init, epoch, options)).operation
}
