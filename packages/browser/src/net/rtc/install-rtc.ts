import { WorkerConnection, WorkerIceCandidate, WorkerSessionDescription } from './worker-connection.js'
import { WorkerEnd } from './worker-end.js'

/**
 * Gives a worker, which has no WebRTC of its own, that of a page: defines `RTCPeerConnection` and what belongs to it, as far as libp2p uses
 * them. To be called before libp2p's WebRTC is imported, once, with a port whose other end the page gave to `bridgeRtc`.
 *
 * @example
 * ```ts
 * self.addEventListener('message', ({ data }) => installRtc(data.rtc), { once: true })
 * ```
 */
export function installRtc(port: MessagePort): void {
  const end = new WorkerEnd(port)
  class RTCPeerConnection extends WorkerConnection {
    constructor(configuration?: RTCConfiguration) {
      super(end, configuration)
    }
  }
  define('RTCPeerConnection', RTCPeerConnection)
  define('RTCSessionDescription', WorkerSessionDescription)
  define('RTCIceCandidate', WorkerIceCandidate)
}

function define(name: string, value: unknown): void {
  Object.defineProperty(globalThis, name, { value, writable: true, configurable: true })
}
