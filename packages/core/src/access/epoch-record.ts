import { fromHex } from '../encoding/bytes.js'
import { decodeCbor, encodeCbor } from '../encoding/cbor.js'
import { deriveKey } from '../encoding/derive.js'
import { PeerfoldError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'
import type { Crypto } from '../ports/crypto.js'
import type { DeviceId, EpochId, UserId, WorkspaceId } from '../ports/ids.js'
import type { Random } from '../ports/random.js'
import { openBox, sealBox } from './box.js'
import { createEpoch, epochId, epochOf } from './epochs.js'
import type { EpochOperation } from './operations.js'
import { shapeOf } from './shape.js'
import type { EpochSecrets } from './types.js'

/**
 * How an epoch reaches those who may read on (PROTOCOL.md §3.11): its secrets in a box for each device and each user's recovery key. The secrets of the
 * epochs before are sealed under it, so that who comes later reads the history. What comes out of a box counts only if it fits the epoch's id.
 */
export interface EpochDraftInit {
  crypto: Pick<Crypto, 'seal'>
  random: Random
  workspace: WorkspaceId
  devices: ReadonlyArray<{ device: DeviceId; boxKey: Uint8Array }>
  recovery: ReadonlyArray<{ user: UserId; key: Uint8Array }>
  /** What it supersedes. */
  previous: readonly EpochSecrets[]
}

export async function draftEpoch(
  init: EpochDraftInit,
  epoch: EpochSecrets = createEpoch(init.random, init.workspace),
  options?: AbortOptions,
): Promise<{ epoch: EpochSecrets; operation: EpochOperation }> {
  const { crypto, random } = init
  const plaintext = encodeCbor({ read: epoch.read, push: epoch.push })
  const purpose = boxPurpose(epoch.id)
  const sealed = await crypto.seal(
    init.previous.map(({ id, read, push }) => ({
      key: previousKey(epoch, id),
      plaintext: encodeCbor({ read, push }),
    })),
    options,
  )
  const operation: EpochOperation = {
    type: 'epoch',
    id: epoch.id,
    previous: init.previous.map(({ id }, i) => ({ id, sealed: sealed[i] as Uint8Array })),
    boxes: init.devices.map(({ device, boxKey }) => ({
      device,
      box: sealBox(random, boxKey, purpose, plaintext),
    })),
    recovery: init.recovery.map(({ user, key }) => ({ user, box: sealBox(random, key, purpose, plaintext) })),
  }
  return { epoch, operation }
}

/**
 * The secrets in this device's box; undefined when there is none for it.
 * @throws {PeerfoldError} `CERTIFICATE_INVALID` when the box does not open or what is in it does not fit the epoch's id
 */
export function openEpochBox(
  workspace: WorkspaceId,
  operation: EpochOperation,
  device: DeviceId,
  boxSecret: Uint8Array,
): EpochSecrets | undefined {
  const mine = operation.boxes.find((box) => box.device === device)
  return mine && openSecrets(workspace, operation.id, mine.box, boxSecret)
}

/** The same for a user who has nothing but the recovery phrase. */
export function openRecoveryBox(
  workspace: WorkspaceId,
  operation: EpochOperation,
  user: UserId,
  recoverySecret: Uint8Array,
): EpochSecrets | undefined {
  const mine = operation.recovery.find((box) => box.user === user)
  return mine && openSecrets(workspace, operation.id, mine.box, recoverySecret)
}

/**
 * Secrets of the epochs before, for who holds this one.
 * @throws {PeerfoldError} `CERTIFICATE_INVALID` when one does not open or does not fit its id
 */
export async function openPrevious(
  crypto: Pick<Crypto, 'open'>,
  workspace: WorkspaceId,
  operation: EpochOperation,
  epoch: EpochSecrets,
  options?: AbortOptions,
): Promise<EpochSecrets[]> {
  const jobs = operation.previous.map(({ id, sealed }) => ({
    key: previousKey(epoch, id),
    ciphertext: sealed,
  }))
  try {
    const opened = await crypto.open(jobs, options)
    return opened.map((plaintext, i) => {
      const id = (operation.previous[i] as { id: EpochId }).id
      return readSecrets(workspace, id, plaintext)
    })
  } catch (cause) {
    options?.signal?.throwIfAborted()
    throw new PeerfoldError('CERTIFICATE_INVALID', 'epoch: the secrets of an epoch before do not open', {
      cause,
    })
  }
}

function openSecrets(workspace: WorkspaceId, id: EpochId, box: Uint8Array, secret: Uint8Array): EpochSecrets {
  return readSecrets(workspace, id, openBox(secret, boxPurpose(id), box, 'CERTIFICATE_INVALID'))
}

function readSecrets(workspace: WorkspaceId, id: EpochId, plaintext: Uint8Array): EpochSecrets {
  const shape = shapeOf('CERTIFICATE_INVALID', 'epoch')
  const fields = shape.map(decodeCbor(plaintext, 'CERTIFICATE_INVALID'), ['read', 'push'])
  const read = shape.bytes(fields.read, 32)
  const push = shape.bytes(fields.push, 32)
  if (epochId(workspace, read, push) !== id) shape.fail('the secrets do not fit its id')
  return epochOf(workspace, read, push)
}

/** A box for one epoch opens as no other. */
function boxPurpose(id: EpochId): string {
  return `epoch-box/${id}`
}

function previousKey(epoch: EpochSecrets, previous: EpochId): Uint8Array {
  return deriveKey(epoch.read, 'epoch-previous', fromHex(previous))
}
