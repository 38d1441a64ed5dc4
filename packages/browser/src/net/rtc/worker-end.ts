import { Outbox, type ToPage, type ToWorker } from './messages.js'
import type { WorkerChannel } from './worker-channel.js'
import type { WorkerConnection } from './worker-connection.js'

/** The worker's end of the bridge: which connections and channels there are, and who hears what the page reports. */
export class WorkerEnd {
  readonly outbox: Outbox<ToPage>
  readonly channels = new Map<number, WorkerChannel>()
  readonly #connections = new Map<number, WorkerConnection>()
  #lastConnection = 0
  #lastChannel = 0

  constructor(port: MessagePort) {
    this.outbox = new Outbox(port)
    port.addEventListener('message', ({ data }: MessageEvent<ToWorker[]>) => {
      for (const report of data) this.#onReport(report)
    })
    // Not known to all browsers; elsewhere the page says `end`, or takes the worker along.
    port.addEventListener('close', () => this.#loseAll())
    port.start()
  }

  /** @returns its number on the bridge */
  add(connection: WorkerConnection): number {
    this.#connections.set(++this.#lastConnection, connection)
    return this.#lastConnection
  }

  remove(connection: number): void {
    this.#connections.delete(connection)
  }

  nextChannel(): number {
    return ++this.#lastChannel
  }

  #onReport(report: ToWorker): void {
    if (report.type === 'end') this.#loseAll()
    else if ('channel' in report && report.type !== 'incoming-channel') this.#onChannelReport(report)
    else this.#connections.get(report.connection)?.onReport(report)
  }

  #onChannelReport(report: Exclude<Extract<ToWorker, { channel: number }>, { connection: number }>): void {
    const channel = this.channels.get(report.channel)
    if (report.type === 'channel-state') channel?.onState(report.event, report.id)
    else if (report.type === 'sent') channel?.onSent(report.bytes)
    else if (report.type === 'message') channel?.emit('message', { data: report.data })
    else channel?.emit('error', { error: new DOMException(report.message, 'OperationError') })
  }

  #loseAll(): void {
    for (const connection of [...this.#connections.values()]) connection.lose()
  }
}
