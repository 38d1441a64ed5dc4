import { EventSource, type Handler } from './event-source.js'
import type { ChannelProperties, Method, States, ToWorker } from './messages.js'
import { WorkerChannel } from './worker-channel.js'
import type { WorkerEnd } from './worker-end.js'

interface Pending {
  resolve(result: RTCSessionDescriptionInit | undefined): void
  reject(error: DOMException): void
}

/** An `RTCPeerConnection` in a worker, of which the page has the real one: as much of it as libp2p uses. */
export class WorkerConnection extends EventSource implements States {
  connectionState: RTCPeerConnectionState = 'new'
  iceConnectionState: RTCIceConnectionState = 'new'
  iceGatheringState: RTCIceGatheringState = 'new'
  signalingState: RTCSignalingState = 'stable'
  onconnectionstatechange: Handler = null
  oniceconnectionstatechange: Handler = null
  onicegatheringstatechange: Handler = null
  onsignalingstatechange: Handler = null
  onicecandidate: Handler<{ candidate: RTCIceCandidate | null }> = null
  ondatachannel: Handler<{ channel: WorkerChannel }> = null
  readonly #end: WorkerEnd
  readonly #connection: number
  readonly #channels = new Map<number, WorkerChannel>()
  readonly #calls = new Map<number, Pending>()
  #call = 0

  constructor(end: WorkerEnd, configuration?: RTCConfiguration) {
    super()
    this.#end = end
    this.#connection = end.add(this)
    end.outbox.post({ type: 'connect', connection: this.#connection, configuration })
  }

  createDataChannel(label: string, options?: RTCDataChannelInit): WorkerChannel {
    if (this.connectionState === 'closed') throw closed()
    const connection = this.#connection
    const channel = this.#end.nextChannel()
    this.#end.outbox.post({ type: 'open-channel', connection, channel, label, options })
    return this.#take(channel, {
      label,
      protocol: options?.protocol ?? '',
      ordered: options?.ordered ?? true,
      negotiated: options?.negotiated ?? false,
      id: options?.id ?? null,
      readyState: 'connecting',
    })
  }

  createOffer(options?: RTCOfferOptions): Promise<RTCSessionDescriptionInit> {
    return this.#ask('createOffer', options) as Promise<RTCSessionDescriptionInit>
  }

  createAnswer(): Promise<RTCSessionDescriptionInit> {
    return this.#ask('createAnswer', undefined) as Promise<RTCSessionDescriptionInit>
  }

  async setLocalDescription(description?: RTCLocalSessionDescriptionInit): Promise<void> {
    await this.#ask('setLocalDescription', description && { type: description.type, sdp: description.sdp })
  }

  async setRemoteDescription({ type, sdp }: RTCSessionDescriptionInit): Promise<void> {
    await this.#ask('setRemoteDescription', { type, sdp })
  }

  async addIceCandidate(candidate?: RTCIceCandidateInit | RTCIceCandidate | null): Promise<void> {
    const plain = candidate && 'toJSON' in candidate ? candidate.toJSON() : candidate
    await this.#ask('addIceCandidate', plain)
  }

  close(): void {
    if (this.connectionState === 'closed') return
    this.#end.outbox.post({ type: 'disconnect', connection: this.#connection })
    this.#finish()
  }

  /** The other end of the bridge is gone. */
  lose(): void {
    if (this.connectionState === 'closed') return
    this.#finish()
    this.emit('connectionstatechange')
  }

  /** The page reports. */
  onReport(report: Extract<ToWorker, { connection: number }>): void {
    if (this.connectionState === 'closed') return
    if (report.type === 'answer') this.#onAnswer(report)
    else if (report.type === 'incoming-channel') this.#onChannel(report.channel, report.properties)
    else if (report.type === 'candidate') this.emit('icecandidate', { candidate: fromInit(report.candidate) })
    else {
      Object.assign(this, report.states)
      this.emit(report.event)
      if (report.states.connectionState === 'closed') this.#finish()
    }
  }

  #onAnswer({ call, result, error }: Extract<ToWorker, { type: 'answer' }>): void {
    const pending = this.#calls.get(call)
    this.#calls.delete(call)
    if (error === undefined) pending?.resolve(result)
    else pending?.reject(new DOMException(error.message, error.name))
  }

  #onChannel(channel: number, properties: ChannelProperties): void {
    this.emit('datachannel', { channel: this.#take(channel, properties) })
  }

  #take(channel: number, properties: ChannelProperties): WorkerChannel {
    const lingers = channel > 0 && this.connectionState === 'new'
    const taken = new WorkerChannel({ channel, properties, outbox: this.#end.outbox, lingers })
    this.#channels.set(channel, taken)
    this.#end.channels.set(channel, taken)
    taken.addEventListener('close', () => {
      this.#channels.delete(channel)
      this.#end.channels.delete(channel)
    })
    return taken
  }

  #ask(method: Method, argument: unknown): Promise<RTCSessionDescriptionInit | undefined> {
    if (this.connectionState === 'closed') return Promise.reject(closed())
    const call = ++this.#call
    this.#end.outbox.post({ type: 'call', connection: this.#connection, call, method, argument })
    return new Promise((resolve, reject) => this.#calls.set(call, { resolve, reject }))
  }

  #finish(): void {
    this.connectionState = 'closed'
    this.iceConnectionState = 'closed'
    this.signalingState = 'closed'
    this.#end.remove(this.#connection)
    for (const { reject } of this.#calls.values()) reject(closed())
    this.#calls.clear()
    for (const channel of [...this.#channels.values()]) channel.lose()
  }
}

/** `RTCIceCandidate` as far as a worker needs it. */
export class WorkerIceCandidate {
  readonly candidate: string
  readonly sdpMid: string | null
  readonly sdpMLineIndex: number | null
  readonly usernameFragment: string | null

  constructor(init: RTCIceCandidateInit = {}) {
    this.candidate = init.candidate ?? ''
    this.sdpMid = init.sdpMid ?? null
    this.sdpMLineIndex = init.sdpMLineIndex ?? null
    this.usernameFragment = init.usernameFragment ?? null
  }

  toJSON(): RTCIceCandidateInit {
    const { candidate, sdpMid, sdpMLineIndex, usernameFragment } = this
    return { candidate, sdpMid, sdpMLineIndex, usernameFragment }
  }
}

/** `RTCSessionDescription` as far as a worker needs it. */
export class WorkerSessionDescription {
  readonly type: RTCSdpType
  readonly sdp: string

  constructor({ type, sdp = '' }: RTCSessionDescriptionInit) {
    this.type = type
    this.sdp = sdp
  }
}

function fromInit(candidate: RTCIceCandidateInit | null): WorkerIceCandidate | null {
  return candidate === null ? null : new WorkerIceCandidate(candidate)
}

function closed(): DOMException {
  return new DOMException('the connection is closed', 'InvalidStateError')
}
