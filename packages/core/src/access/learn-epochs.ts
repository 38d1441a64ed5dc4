import { isPeerfoldError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'
import type { Crypto } from '../ports/crypto.js'
import type { DeviceId, WorkspaceId } from '../ports/ids.js'
import { openEpochBox, openPrevious } from './epoch-record.js'
import type { EpochKeyring } from './keyring.js'
import type { EpochOperation } from './operations.js'

export interface LearnEpochsInit {
  crypto: Crypto
  workspace: WorkspaceId
  device: DeviceId
  boxSecret: Uint8Array
  keyring: EpochKeyring
}

/**
 * Takes out of epoch records what this device can open. A box that does not open or holds something else gives no key: which device it wrongs only that
 * device can tell, so it is no reason to refuse the commit.
 */
export async function learnEpochs(
  init: LearnEpochsInit,
  operations: readonly EpochOperation[],
  options?: AbortOptions,
): Promise<void> {
  for (let learned = true; learned; ) {
    learned = false
    for (const operation of operations) learned = (await learnEpoch(init, operation, options)) || learned
  }
}

async function learnEpoch(
  { crypto, workspace, device, boxSecret, keyring }: LearnEpochsInit,
  operation: EpochOperation,
  options?: AbortOptions,
): Promise<boolean> {
  let learned = false
  try {
    if (keyring.get(operation.id) === undefined) {
      const opened = openEpochBox(workspace, operation, device, boxSecret)
      learned = opened !== undefined && keyring.learn(opened)
    }
    const epoch = keyring.get(operation.id)
    if (epoch !== undefined && operation.previous.some(({ id }) => keyring.get(id) === undefined)) {
      const previous = await openPrevious(crypto, workspace, operation, epoch, options)
      for (const one of previous) learned = keyring.learn(one) || learned
    }
  } catch (error) {
    if (!isPeerfoldError(error, 'CERTIFICATE_INVALID')) throw error
  }
  return learned
}
