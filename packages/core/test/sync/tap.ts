import * as lengthPrefixed from 'it-length-prefixed'
import type { Network, NetworkStream, PeerId } from '../../src/ports/network.js'
import { decodeMessage, type Message } from '../../src/sync/messages.js'

/** Writes down every sync message that a network sends. */
export function tap(network: Network, sent: Array<{ to: PeerId; message: Message; bytes: number }>): Network {
  const tapped = (stream: NetworkStream): NetworkStream => ({
    protocol: stream.protocol,
    peer: stream.peer,
    source: stream.source,
    close: (options) => stream.close(options),
    abort: (reason) => stream.abort(reason),
    send: (data, options) => {
      for (const frame of lengthPrefixed.decode([data])) {
        sent.push({ to: stream.peer, message: decodeMessage(frame.subarray()), bytes: frame.byteLength })
      }
      return stream.send(data, options)
    },
  })
  return new Proxy(network, {
    get: (target, key) => {
      if (key === 'open') {
        return async (...args: Parameters<Network['open']>) => tapped(await target.open(...args))
      }
      if (key === 'handle') {
        return (protocol: string, handler: (stream: NetworkStream) => void) =>
          target.handle(protocol, (stream) => handler(tapped(stream)))
      }
      const value = target[key as keyof Network]
      return typeof value === 'function' ? (value as (...args: unknown[]) => unknown).bind(target) : value
    },
  })
}
