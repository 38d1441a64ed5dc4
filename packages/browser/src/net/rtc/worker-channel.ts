import { EventSource, type Handler } from './event-source.js'
import type { ChannelProperties, Outbox, ToPage } from './messages.js'

export interface WorkerChannelInit {
  /** Its number on the bridge. */
  channel: number
  properties: ChannelProperties
  outbox: Outbox<ToPage>
  /**
   * Whether it stays open here until this side closes it, or its connection ends. libp2p begins a connection with a channel that the other side
   * closes as well: where that comes before all candidates are dealt with, it would wait for the channel to open for as long as it has time.
   */
  lingers: boolean
}

/**
 * An `RTCDataChannel` in a worker, of which the page has the real one. `bufferedAmount` counts all that the page has not reported as sent: what
 * is under way to the page is buffered, too.
 */
export class WorkerChannel extends EventSource {
  readonly label: string
  readonly protocol: string
  readonly ordered: boolean
  readonly negotiated: boolean
  id: number | null
  readyState: RTCDataChannelState
  /** Binary messages are always `ArrayBuffer`s here. */
  binaryType: BinaryType = 'arraybuffer'
  bufferedAmount = 0
  onopen: Handler = null
  onclosing: Handler = null
  onclose: Handler = null
  onerror: Handler<{ error: Error }> = null
  onmessage: Handler<{ data: ArrayBuffer | string }> = null
  onbufferedamountlow: Handler = null
  bufferedAmountLowThreshold = 0
  readonly #channel: number
  readonly #outbox: Outbox<ToPage>
  readonly #lingers: boolean
  /** The other side has closed it. */
  #over = false

  constructor({ channel, properties, outbox, lingers }: WorkerChannelInit) {
    super()
    this.#channel = channel
    this.#outbox = outbox
    this.#lingers = lingers
    this.label = properties.label
    this.protocol = properties.protocol
    this.ordered = properties.ordered
    this.negotiated = properties.negotiated
    this.id = properties.id
    this.readyState = properties.readyState
  }

  /** The data may be changed afterwards. @throws {DOMException} `InvalidStateError` unless it is open */
  send(data: string | ArrayBuffer | ArrayBufferView): void {
    if (this.readyState !== 'open')
      throw new DOMException(`the channel is ${this.readyState}`, 'InvalidStateError')
    if (typeof data === 'string') {
      this.bufferedAmount += new TextEncoder().encode(data).length
      this.#outbox.post({ type: 'send', channel: this.#channel, data })
      return
    }
    const copy = copyOf(data)
    this.bufferedAmount += copy.byteLength
    this.#outbox.post({ type: 'send', channel: this.#channel, data: copy }, [copy])
  }

  close(): void {
    if (this.readyState === 'closing' || this.readyState === 'closed') return
    this.readyState = 'closing'
    if (this.#over) queueMicrotask(() => this.lose())
    else this.#outbox.post({ type: 'close-channel', channel: this.#channel })
  }

  /** The page reports. */
  onState(event: 'open' | 'closing' | 'close', id: number | null): void {
    this.id = id
    if (event !== 'open' && this.#lingers && this.readyState === 'open') this.#over = event === 'close'
    else if (event === 'close') this.lose()
    else if (this.readyState === 'connecting' || (event === 'closing' && this.readyState === 'open')) {
      this.readyState = event
      this.emit(event)
    }
  }

  /** It is closed, whatever this side did. */
  lose(): void {
    if (this.readyState === 'closed') return
    this.readyState = 'closed'
    this.emit('close')
  }

  /** The page reports. */
  onSent(bytes: number): void {
    const wasLow = this.bufferedAmount <= this.bufferedAmountLowThreshold
    this.bufferedAmount -= bytes
    if (!wasLow && this.bufferedAmount <= this.bufferedAmountLowThreshold) this.emit('bufferedamountlow')
  }
}

function copyOf(data: ArrayBuffer | ArrayBufferView): ArrayBuffer {
  if (data instanceof ArrayBuffer) return data.slice(0)
  const copy = new Uint8Array(data.byteLength)
  copy.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
  return copy.buffer
}
