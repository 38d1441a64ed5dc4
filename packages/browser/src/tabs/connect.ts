import type { AbortOptions } from '@peerfold/core'
import { RemotePeerfold } from '../remote/client/remote-peerfold.js'
import { followDevice } from './join.js'
import { Leader, type StartDevice } from './leader.js'

export interface ConnectInit extends AbortOptions {
  /** Name of the device's home: tabs of one origin that name the same share one device. */
  home: string
  /** Called when this tab is the one that runs the device, which may be now, later, or never; and again if the device fails. */
  startDevice: StartDevice
  /** How long calls wait for a tab that runs the device, in milliseconds. @default 30000 */
  deadlineMs?: number
}

/**
 * Uses the one device that the tabs of this origin share. One tab runs it; when that is closed, another takes over: open workspaces, live values
 * and watchers go on, readings are repeated, and other calls that were under way fail with `NOT_CONNECTED`.
 *
 * `close` ends this tab's part: the device too, if it runs here, and then another tab takes over.
 *
 * @throws {PeerfoldError} what `startDevice` throws; `NOT_CONNECTED` when another tab leads and does not answer; the signal's reason
 */
export async function connect({
  home,
  startDevice,
  deadlineMs,
  signal,
}: ConnectInit): Promise<RemotePeerfold> {
  signal?.throwIfAborted()
  const links = followDevice(home, deadlineMs)
  const leader = new Leader({ home, startDevice, onFailure: (error) => links.report(error) })
  try {
    await links.current({ signal })
    return new RemotePeerfold(links, () => leader.close())
  } catch (error) {
    links.close()
    await leader.close()
    throw error
  }
}
