import { WebSocket } from 'ws'

/** libp2p's WebSocket transport dials with the global that Node has from version 22 on. */
export function installWebSocket(): void {
  if ('WebSocket' in globalThis) return
  Object.defineProperty(globalThis, 'WebSocket', { value: WebSocket, writable: true, configurable: true })
}
