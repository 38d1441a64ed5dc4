import { Outbox, STATE_EVENTS, type States, type ToPage, type ToWorker } from './messages.js'
import { PageChannel } from './page-channel.js'

/** What `bridgeRtc` gives. */
export interface RtcBridge {
  /** Ends all connections that the worker has. Idempotent. */
  close(): void
}

/**
 * Lets a worker use this page's WebRTC. Data is moved between the two, not copied.
 *
 * @param port its other end goes to the worker's `installRtc`
 * @example
 * ```ts
 * const { port1, port2 } = new MessageChannel()
 * worker.postMessage({ rtc: port2 }, [port2])
 * const bridge = bridgeRtc(port1)
 * ```
 */
export function bridgeRtc(port: MessagePort): RtcBridge {
  return new PageEnd(port)
}

class PageEnd implements RtcBridge {
  readonly #port: MessagePort
  readonly #outbox: Outbox<ToWorker>
  readonly #connections = new Map<number, RTCPeerConnection>()
  readonly #channels = new Map<number, PageChannel>()
  #lastIncoming = 0

  constructor(port: MessagePort) {
    this.#port = port
    this.#outbox = new Outbox(port)
    port.addEventListener('message', ({ data }: MessageEvent<ToPage[]>) => {
      for (const request of data) this.#onRequest(request)
    })
    // The worker is gone. Not known to all browsers: whoever ends the worker closes the bridge as well.
    port.addEventListener('close', () => this.close())
    port.start()
  }

  close(): void {
    for (const connection of this.#connections.values()) connection.close()
    this.#connections.clear()
    this.#channels.clear()
    this.#outbox.post({ type: 'end' })
    this.#outbox.flush()
    this.#port.close()
  }

  #onRequest(request: ToPage): void {
    if (request.type === 'connect') this.#connect(request)
    else if (request.type === 'call') void this.#call(request)
    else if (request.type === 'disconnect') this.#disconnect(request.connection)
    else if (request.type === 'open-channel') this.#openChannel(request)
    else if (request.type === 'send') this.#channels.get(request.channel)?.send(request.data)
    else this.#channels.get(request.channel)?.close()
  }

  #connect({ connection, configuration }: Extract<ToPage, { type: 'connect' }>): void {
    let real: RTCPeerConnection
    try {
      real = new RTCPeerConnection(configuration)
    } catch {
      this.#outbox.post({ type: 'state', connection, event: 'connectionstatechange', states: CLOSED })
      return
    }
    this.#connections.set(connection, real)
    for (const event of STATE_EVENTS) {
      real.addEventListener(event, () => {
        this.#outbox.post({ type: 'state', connection, event, states: statesOf(real) })
        if (real.connectionState === 'closed') this.#disconnect(connection)
      })
    }
    real.addEventListener('icecandidate', ({ candidate }) => {
      this.#outbox.post({ type: 'candidate', connection, candidate: candidate?.toJSON() ?? null })
    })
    real.addEventListener('datachannel', ({ channel }) => this.#onIncoming(connection, channel))
  }

  #onIncoming(connection: number, real: RTCDataChannel): void {
    const number = --this.#lastIncoming
    const { properties } = this.#take(number, real)
    this.#outbox.post({ type: 'incoming-channel', connection, channel: number, properties })
  }

  #openChannel({ connection, channel, label, options }: Extract<ToPage, { type: 'open-channel' }>): void {
    try {
      this.#take(channel, this.#find(connection).createDataChannel(label, options))
    } catch (error) {
      this.#outbox.post({ type: 'channel-error', channel, message: (error as Error).message })
      this.#outbox.post({ type: 'channel-state', channel, event: 'close', id: null })
    }
  }

  #take(number: number, real: RTCDataChannel): PageChannel {
    const channel = new PageChannel(real, number, this.#outbox, () => this.#channels.delete(number))
    this.#channels.set(number, channel)
    return channel
  }

  async #call({ connection, call, method, argument }: Extract<ToPage, { type: 'call' }>): Promise<void> {
    let result: RTCSessionDescriptionInit | undefined
    let error: { name: string; message: string } | undefined
    try {
      const real = this.#find(connection)
      const ask = real[method] as (argument: unknown) => Promise<RTCSessionDescriptionInit | undefined>
      const made = await ask.call(real, argument)
      if (made) result = { type: made.type, sdp: made.sdp ?? '' }
    } catch (reason) {
      const { name, message } = reason as Error
      error = { name, message }
    }
    this.#outbox.post({ type: 'answer', connection, call, result, error })
  }

  #disconnect(connection: number): void {
    this.#connections.get(connection)?.close()
    this.#connections.delete(connection)
  }

  #find(connection: number): RTCPeerConnection {
    const found = this.#connections.get(connection)
    if (found === undefined) throw new DOMException('the connection is closed', 'InvalidStateError')
    return found
  }
}

/** Of a connection that this browser does not make. */
const CLOSED: States = {
  connectionState: 'closed',
  iceConnectionState: 'closed',
  iceGatheringState: 'complete',
  signalingState: 'closed',
}

function statesOf(real: RTCPeerConnection): States {
  const { connectionState, iceConnectionState, iceGatheringState, signalingState } = real
  return { connectionState, iceConnectionState, iceGatheringState, signalingState }
}
