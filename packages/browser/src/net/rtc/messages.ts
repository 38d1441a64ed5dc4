/**
 * What the two ends of the WebRTC bridge tell each other. Numbers name connections and channels: the worker counts those that it makes up
 * from 1, the page those that remote peers open down from -1.
 */

/** What a worker may ask of a connection, and wait for. */
export type Method =
  | 'createOffer'
  | 'createAnswer'
  | 'setLocalDescription'
  | 'setRemoteDescription'
  | 'addIceCandidate'

export type ToPage =
  | { type: 'connect'; connection: number; configuration: RTCConfiguration | undefined }
  | { type: 'call'; connection: number; call: number; method: Method; argument: unknown }
  | { type: 'disconnect'; connection: number }
  | {
      type: 'open-channel'
      connection: number
      channel: number
      label: string
      options: RTCDataChannelInit | undefined
    }
  | { type: 'send'; channel: number; data: ArrayBuffer | string }
  | { type: 'close-channel'; channel: number }

export interface States {
  connectionState: RTCPeerConnectionState
  iceConnectionState: RTCIceConnectionState
  iceGatheringState: RTCIceGatheringState
  signalingState: RTCSignalingState
}

/** Events of a connection that say no more than that a state changed. */
export const STATE_EVENTS = [
  'connectionstatechange',
  'iceconnectionstatechange',
  'icegatheringstatechange',
  'signalingstatechange',
] as const
export type StateEvent = (typeof STATE_EVENTS)[number]

export interface ChannelProperties {
  label: string
  protocol: string
  ordered: boolean
  negotiated: boolean
  id: number | null
  readyState: RTCDataChannelState
}

export type ToWorker =
  | {
      type: 'answer'
      connection: number
      call: number
      result: RTCSessionDescriptionInit | undefined
      error: { name: string; message: string } | undefined
    }
  | { type: 'state'; connection: number; event: StateEvent; states: States }
  | { type: 'candidate'; connection: number; candidate: RTCIceCandidateInit | null }
  | { type: 'incoming-channel'; connection: number; channel: number; properties: ChannelProperties }
  | { type: 'channel-state'; channel: number; event: 'open' | 'closing' | 'close'; id: number | null }
  | { type: 'channel-error'; channel: number; message: string }
  | { type: 'message'; channel: number; data: ArrayBuffer | string }
  /** So many bytes more have left the channel's buffer. */
  | { type: 'sent'; channel: number; bytes: number }
  /** The page is done with WebRTC. */
  | { type: 'end' }

/** Messages on their way to the other end: those of one task travel together, in their order. */
export class Outbox<Message> {
  readonly #port: MessagePort
  #messages: Message[] = []
  #buffers: ArrayBuffer[] = []

  constructor(port: MessagePort) {
    this.#port = port
  }

  /** @param buffers moved, not copied */
  post(message: Message, buffers: ArrayBuffer[] = []): void {
    if (this.#messages.length === 0) queueMicrotask(() => this.flush())
    this.#messages.push(message)
    this.#buffers.push(...buffers)
  }

  flush(): void {
    if (this.#messages.length === 0) return
    this.#port.postMessage(this.#messages, this.#buffers)
    this.#messages = []
    this.#buffers = []
  }
}
