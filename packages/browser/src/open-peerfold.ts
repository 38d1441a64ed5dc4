import type { AbortOptions, Peerfold } from '@peerfold/core'
import { startDeviceWith } from './device/start-device.js'
import { connect } from './tabs/connect.js'

export interface OpenPeerfoldOptions extends AbortOptions {
  /** Sets devices of one origin apart: letters, digits, `_` and `-`. @default 'default' */
  home?: string
  /** Shown to people on the other devices. */
  name: string
  /**
   * STUN and TURN servers, by which browsers find ways to each other out of home networks. They learn this browser's address.
   * @default none: browsers meet in one network, or through relays
   */
  iceServers?: readonly RTCIceServer[]
}

/**
 * Opens the device that all tabs of this origin share: its identity, workspaces and connections. One tab runs it, in a worker; when that is closed,
 * another takes over.
 *
 * A browser may wipe what a page keeps: its device is never counted as a durable copy. Only in secure contexts (HTTPS, or localhost).
 *
 * @throws {PeerfoldError} `HOME_LOCKED`, `HOME_INVALID`, `NOT_CONNECTED`, `IO_FAILED`
 * @example
 * ```ts
 * const pf = await openPeerfold({ name: 'browser at work' })
 * if (!pf.hasIdentity) await pf.devices.join(ticket)
 * const [{ id }] = await pf.workspaces.list()
 * const notes = await pf.workspaces.open(id)
 * await notes.write('today.md', '# Today')
 * ```
 */
export async function openPeerfold({
  home = 'default',
  name,
  iceServers = [],
  signal,
}: OpenPeerfoldOptions): Promise<Peerfold> {
  return await connect({ home, startDevice: startDeviceWith({ home, name, iceServers }), signal })
}
