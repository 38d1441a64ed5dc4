import type { ChannelProperties, Outbox, ToWorker } from './messages.js'

/** Bytes that have left before the worker is told, while more come: it asks for room no finer than this. */
const REPORT_STEP = 64 * 1024

/** A real data channel, whose events go to the worker. */
export class PageChannel {
  readonly #real: RTCDataChannel
  readonly #channel: number
  readonly #outbox: Outbox<ToWorker>
  /** Handed to the browser, and not reported as sent. */
  #unreported = 0

  constructor(real: RTCDataChannel, channel: number, outbox: Outbox<ToWorker>, onClose: () => void) {
    this.#real = real
    this.#channel = channel
    this.#outbox = outbox
    real.binaryType = 'arraybuffer'
    for (const event of ['open', 'closing', 'close'] as const) {
      real.addEventListener(event, () =>
        this.#outbox.post({ type: 'channel-state', channel, event, id: real.id }),
      )
    }
    real.addEventListener('close', onClose)
    real.addEventListener('error', ({ error }) => this.#fail(error.message))
    real.addEventListener('bufferedamountlow', () => this.#report(1))
    real.addEventListener('message', ({ data }: MessageEvent<ArrayBuffer | string>) =>
      this.#outbox.post({ type: 'message', channel, data }, typeof data === 'string' ? [] : [data]),
    )
  }

  get properties(): ChannelProperties {
    const { label, protocol, ordered, negotiated, id, readyState } = this.#real
    return { label, protocol, ordered, negotiated, id, readyState }
  }

  send(data: ArrayBuffer | string): void {
    // What was sent when the channel closed is lost, as it is in one thread.
    if (this.#real.readyState !== 'open') return
    const before = this.#real.bufferedAmount
    try {
      if (typeof data === 'string') this.#real.send(data)
      else this.#real.send(data)
    } catch (error) {
      this.#fail((error as Error).message)
      this.#real.close()
      return
    }
    this.#unreported += this.#real.bufferedAmount - before
    this.#report(REPORT_STEP)
  }

  close(): void {
    this.#real.close()
  }

  /** Tells what has left the buffer, if that is at least so many bytes. */
  #report(least: number): void {
    const bytes = this.#unreported - this.#real.bufferedAmount
    if (bytes < least) return
    this.#unreported -= bytes
    this.#outbox.post({ type: 'sent', channel: this.#channel, bytes })
  }

  #fail(message: string): void {
    this.#outbox.post({ type: 'channel-error', channel: this.#channel, message })
  }
}
