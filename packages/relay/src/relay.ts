import { PeerfoldError } from '@peerfold/core'
import type { Relay, RelayInit } from './types.js'

/**
 * Starts a relay.
 *
 * @throws {PeerfoldError} `HOME_LOCKED`, `HOME_INVALID`, `INVALID_ARGUMENT` for an address that cannot be listened on
 */
export async function createRelay(_init: RelayInit): Promise<Relay> {
  throw new PeerfoldError('INTERNAL', 'it is being built')
}
