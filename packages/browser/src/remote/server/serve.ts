import type { Peerfold } from '@peerfold/core'
import type { Channel } from '../../tabs/channel.js'
import { ClientSession } from './client-session.js'
import { ServerMirror } from './mirror.js'

export interface PeerfoldServer extends Disposable {
  /** Serves one more client, until its channel closes; then all that it left open is ended. */
  serve(channel: Channel): void
  /** Ends its own part; channels belong to who opened them. */
  close(): void
}

/**
 * Lets clients use a device over channels: each of them gets what looks like the device itself, see `connect` in `tabs/`.
 *
 * @example
 * ```ts
 * const server = createPeerfoldServer(peerfold)
 * const acceptor = await acceptClients({ home, token, onClient: (channel) => server.serve(channel) })
 * ```
 */
export function createPeerfoldServer(peerfold: Peerfold): PeerfoldServer {
  const mirror = new ServerMirror(peerfold)
  const close = () => mirror.close()
  return {
    serve: (channel) => void new ClientSession(peerfold, channel, mirror),
    close,
    [Symbol.dispose]: close,
  }
}
