import type { AbortOptions } from '@peerfold/core'
import { Links } from '../remote/client/links.js'
import { RemotePeerfold } from '../remote/client/remote-peerfold.js'
import { type DialOptions, dialDevice, type OfferPorts } from './dial.js'

export interface JoinOptions extends DialOptions {
  /** How long calls wait for a tab that runs the device, in milliseconds. @default 30000 */
  deadlineMs?: number
}

/**
 * Uses the device that some tab of this origin runs, without ever running it: for service workers.
 *
 * @throws {PeerfoldError} `NOT_CONNECTED` when no tab runs it; `PROTOCOL_UNSUPPORTED`; the signal's reason
 */
export async function joinDevice(home: string, options: JoinOptions = {}): Promise<RemotePeerfold> {
  const links = followDevice(home, options.deadlineMs, options.offerPorts)
  try {
    await links.current(options)
    return new RemotePeerfold(links)
  } catch (error) {
    links.close()
    throw error
  }
}

/** Connections to whichever tab runs the device. */
export function followDevice(home: string, deadlineMs?: number, offerPorts?: OfferPorts): Links {
  const dial = async ({ signal }: Required<AbortOptions>) =>
    (await dialDevice(home, { signal, ...(offerPorts && { offerPorts }) })).channel
  return new Links({ dial, deadlineMs })
}
