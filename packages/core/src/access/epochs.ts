import { concatBytes, fromHex, toHex, toUtf8 } from '../encoding/bytes.js'
import { deriveKey, sha256Now } from '../encoding/derive.js'
import type { EpochId, WorkspaceId } from '../ports/ids.js'
import type { Random } from '../ports/random.js'
import type { EpochSecrets, Keyring } from './types.js'

/**
 * Secrets of a workspace by epoch (PROTOCOL.md §3.11). Goal: who was removed reads nothing written under later epochs. Non-goal: taking back
 * what was read before.
 */

/** What a key is for. Keys of two purposes never meet. `relay-pull` and `relay-push` are seeds of Ed25519 keys. */
export type EpochPurpose = 'commit' | 'dedup' | 'gear' | 'discovery' | 'relay-pull' | 'relay-push'

export function createEpoch(random: Random, workspace: WorkspaceId): EpochSecrets {
  return epochOf(workspace, random.bytes(32), random.bytes(32))
}

export function epochOf(workspace: WorkspaceId, read: Uint8Array, push: Uint8Array): EpochSecrets {
  return { id: epochId(workspace, read, push), read, push }
}

/**
 * Commits to both secrets, each through a commitment of its own, so that who will hold only the read secret can check its half.
 */
export function epochId(workspace: WorkspaceId, read: Uint8Array, push: Uint8Array): EpochId {
  const label = toUtf8('peerfold/1/epoch\0')
  const halves = concatBytes(deriveKey(read, 'epoch-read'), deriveKey(push, 'epoch-push'))
  return toHex(sha256Now(label, fromHex(workspace), halves))
}

/** 32 bytes for one purpose; `commit` keys are derived further for each commit (PROTOCOL.md §4). */
export function epochKey(epoch: EpochSecrets, purpose: EpochPurpose): Uint8Array {
  return deriveKey(purpose === 'relay-push' ? epoch.push : epoch.read, purpose)
}

/** Secrets of the workspace that content is made with. */
export interface WorkspaceContentKeys {
  dedupSecret: Uint8Array
  gearSeed: Uint8Array
}

/**
 * How a new version is chunked and sealed: under the current epoch's dedup secret, so that who was removed can neither predict nor open new chunks,
 * but cut like the version that it is based on, so that unchanged parts stay the same chunks.
 *
 * @param base epoch of the version that it is based on. @default the current one
 * @throws {PeerfoldError} `KEY_MISSING`
 */
export function contentKeys(keyring: Pick<Keyring, 'current'>, base?: EpochSecrets): WorkspaceContentKeys {
  const current = keyring.current()
  return { dedupSecret: epochKey(current, 'dedup'), gearSeed: epochKey(base ?? current, 'gear') }
}

/**
 * What is used while several epochs stand side by side: only who holds all of them can open it, so each removal among them holds.
 * One epoch is its own combination.
 */
export function combineEpochs(workspace: WorkspaceId, epochs: readonly EpochSecrets[]): EpochSecrets {
  if (epochs.length === 1) return epochs[0] as EpochSecrets
  const sorted = [...epochs].sort((a, b) => (a.id < b.id ? -1 : 1))
  const combine = (half: 'read' | 'push') =>
    deriveKey(concatBytes(...sorted.map((epoch) => epoch[half])), `epoch-combine-${half}`)
  return epochOf(workspace, combine('read'), combine('push'))
}
