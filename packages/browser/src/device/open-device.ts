import type { AbortOptions, Peerfold } from '@peerfold/core'
import { createPeerfold, createWebCrypto, systemClock, systemRandom } from '@peerfold/core/platform'
import { fetchBlocks } from '../http/fetch-blocks.js'
import { createBrowserNetwork } from '../net/create-browser-network.js'
import { installRtc } from '../net/rtc/install-rtc.js'
import { openHome } from './home.js'

export interface OpenDeviceInit extends AbortOptions {
  home: string
  /** Shown to people on the other devices. */
  name: string
  /** Of this leader: see `openHome`. */
  token: number
  iceServers: readonly RTCIceServer[]
  /** To the page, which lends its WebRTC: workers have none. */
  rtc: MessagePort
}

/**
 * Composes the device of this origin. Runs in a dedicated worker: what cuts, hashes, seals and verifies never holds up a page.
 *
 * @throws {PeerfoldError} `HOME_LOCKED`, `HOME_INVALID`, `IO_FAILED`
 */
export async function openDevice(init: OpenDeviceInit): Promise<Peerfold> {
  const { home, name, token, iceServers, rtc, signal } = init
  installRtc(rtc)
  const crypto = createWebCrypto()
  const components = {
    home: await openHome(home, { crypto, token }),
    crypto,
    clock: systemClock,
    random: systemRandom,
    network: ({ peerSeed }: { peerSeed: Uint8Array }) => createBrowserNetwork({ peerSeed, iceServers }),
    fetchBlocks,
  }
  return await createPeerfold(components, { name, signal })
}
