import { epochKey } from '../access/epochs.js'
import type { EpochSecrets } from '../access/types.js'
import { deriveKey } from '../encoding/derive.js'

/**
 * Ed25519 seeds with which the holders of an epoch show themselves to relays (PROTOCOL.md §10.4). `pull` is derived from the read secret, `push` and
 * `control` from the push secret: while a workspace has one user, all its devices hold both.
 */
export interface RelayKeys {
  pull: Uint8Array
  push: Uint8Array
  control: Uint8Array
}

export function relayKeys(epoch: EpochSecrets): RelayKeys {
  return {
    pull: epochKey(epoch, 'relay-pull'),
    push: epochKey(epoch, 'relay-push'),
    control: deriveKey(epoch.push, 'relay-control'),
  }
}
