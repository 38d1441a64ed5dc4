import { circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import { webSockets } from '@libp2p/websockets'
import type { Network } from '@peerfold/core'
import { type CreateNetworkInit, createNetwork, type NetworkPlatform } from '@peerfold/core/net'
import { systemClock } from '@peerfold/core/platform'

export interface BrowserNetworkInit extends Pick<CreateNetworkInit, 'peerSeed' | 'liveness'> {
  /**
   * STUN and TURN servers, by which browsers find ways to each other out of home networks. They learn this browser's address.
   * @default none: browsers meet in one network, or through relays
   */
  iceServers?: readonly RTCIceServer[]
}

const MIB = 1024 * 1024
/** Of one stream, on its way to the page and in the browser's own buffer. */
const MOST_BUFFERED = MIB
const DATA_CHANNEL = {
  maxBufferedAmount: MOST_BUFFERED,
  /** All browsers take as much. */
  maxMessageSize: 64 * 1024,
  /** Not in libp2p's type. Data channels cannot pause: a reader that rests gets all the same what it has given credit for. */
  maxReadBufferLength: 16 * MIB,
}

/**
 * The network of a device in a browser: WebSocket to relays and devices, circuits, and WebRTC to other browsers, whose signalling goes over
 * circuits. It runs in workers, too: WebRTC works there after `installRtc`, and is left out where there is none.
 *
 * A browser cannot be dialled: others reach it through its relays (`Network.useRelays`). It asks the DHT, and serves nobody in it.
 *
 * @throws {PeerfoldError} `INVALID_ARGUMENT` for a seed that is none
 * @example
 * ```ts
 * const network = await createBrowserNetwork({ peerSeed: crypto.getRandomValues(new Uint8Array(32)) })
 * await network.dial({ addresses: ['/dns4/relay.example.org/tcp/443/wss/p2p/12D3KooW…'] })
 * await network.close()
 * ```
 */
export async function createBrowserNetwork({
  iceServers = [],
  ...init
}: BrowserNetworkInit): Promise<Network> {
  const rtc = 'RTCPeerConnection' in globalThis ? [await rtcTransport(iceServers)] : []
  const transports = [webSockets({ maxBufferedAmount: MOST_BUFFERED, bufferedAmountPollInterval: 5 }), ...rtc]
  return await createNetwork(
    { clock: systemClock, transports, circuits: circuitRelayTransport() },
    { ...init, dht: 'client', listen: rtc.length === 0 ? [] : ['/webrtc'] },
  )
}

/** It keeps the `RTCPeerConnection` that there is when it is loaded. */
async function rtcTransport(
  iceServers: readonly RTCIceServer[],
): Promise<NetworkPlatform['transports'][number]> {
  const { webRTC } = await import('@libp2p/webrtc')
  return webRTC({
    // libp2p asks public STUN servers unless it is given a list.
    rtcConfiguration: { iceServers: [...iceServers] },
    dataChannel: DATA_CHANNEL,
  })
}
