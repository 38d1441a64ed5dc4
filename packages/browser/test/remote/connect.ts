import type { AbortOptions } from '@peerfold/core'
import { raceSignal } from '@peerfold/core/async'
import { Links } from '../../src/remote/client/links.js'
import { RemotePeerfold } from '../../src/remote/client/remote-peerfold.js'
import type { Channel } from '../../src/tabs/channel.js'

/**
 * Uses a device over one channel, which is closed with it. Resolves when the device has answered.
 *
 * @throws {PeerfoldError} `NOT_CONNECTED`, `MESSAGE_INVALID`; the signal's reason
 */
export async function connectPeerfold(channel: Channel, options?: AbortOptions): Promise<RemotePeerfold> {
  let used = false
  const links: Links = new Links({
    dial: async ({ signal }) => {
      if (!used) {
        used = true
        return channel
      }
      links.report(channel.closed.reason)
      return await raceSignal(new Promise<never>(() => {}), signal)
    },
  })
  try {
    await links.current(options)
    return new RemotePeerfold(links)
  } catch (error) {
    links.close()
    throw error
  }
}
