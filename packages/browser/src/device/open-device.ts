import type { AbortOptions, Network, Peerfold } from '@peerfold/core'
import { createPeerfold, createWebCrypto, systemClock, systemRandom } from '@peerfold/core/platform'
import { openHome } from './home.js'

export interface OpenDeviceInit extends AbortOptions {
  home: string
  /** Shown to people on the other devices. */
  name: string
  /** Of this leader: see `openHome`. */
  token: number
  /** Makes the network; without it the device stays offline. */
  network?: (init: { peerSeed: Uint8Array }) => Promise<Network>
}

/**
 * Composes the device of this origin. Runs in a dedicated worker: what cuts, hashes, seals and verifies never holds up a page.
 *
 * @throws {PeerfoldError} `HOME_LOCKED`, `HOME_INVALID`, `IO_FAILED`
 */
export async function openDevice({ home, name, token, network, signal }: OpenDeviceInit): Promise<Peerfold> {
  const crypto = createWebCrypto()
  const components = {
    home: await openHome(home, { crypto, token }),
    crypto,
    clock: systemClock,
    random: systemRandom,
    network,
  }
  return await createPeerfold(components, { name, signal })
}
