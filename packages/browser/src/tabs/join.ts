import type { AbortOptions } from '@peerfold/core'
import { Links } from '../remote/client/links.js'
import { RemotePeerfold } from '../remote/client/remote-peerfold.js'
import { dialDevice } from './dial.js'

export interface JoinOptions extends AbortOptions {
  /** How long calls wait for a tab that runs the device, in milliseconds. @default 30000 */
  deadlineMs?: number
}

/**
 * Uses the device that some tab of this origin runs, without ever running it: for service workers.
 *
 * @throws {PeerfoldError} `NOT_CONNECTED` when no tab runs it; `PROTOCOL_UNSUPPORTED`; the signal's reason
 */
export async function joinDevice(home: string, options: JoinOptions = {}): Promise<RemotePeerfold> {
  const links = followDevice(home, options.deadlineMs)
  try {
    await links.current(options)
    return new RemotePeerfold(links)
  } catch (error) {
    links.close()
    throw error
  }
}

/** Connections to whichever tab runs the device. */
export function followDevice(home: string, deadlineMs?: number): Links {
  return new Links({ dial: async (options) => (await dialDevice(home, options)).channel, deadlineMs })
}
