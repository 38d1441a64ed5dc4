import { WebSocket } from 'ws'

/**
 * Fails without noise when nobody listens, as browsers' do: libp2p stops listening to a dial that it gave up, and an `error` of an event emitter that
 * nobody hears would end the process.
 */
class QuietWebSocket extends WebSocket {
  constructor(...init: ConstructorParameters<typeof WebSocket>) {
    super(...init)
    this.on('error', () => {})
  }
}

/** libp2p's WebSocket transport dials with the global that Node has from version 22 on. */
export function installWebSocket(): void {
  if ('WebSocket' in globalThis) return
  Object.defineProperty(globalThis, 'WebSocket', {
    value: QuietWebSocket,
    writable: true,
    configurable: true,
  })
}
