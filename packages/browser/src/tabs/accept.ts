import { type AbortOptions, PeerfoldError } from '@peerfold/core'
import { type Channel, channelOver, openChannel } from './channel.js'
import { type Answer, type Greeting, type Hello, PROTOCOL_VERSION, parseGreeting } from './greeting.js'
import { holdLock, whenFree } from './lock.js'
import { clientChannel, clientLock, deviceLock, helloChannel } from './names.js'

/** Tabs and service workers of one device. Far more than anybody has open. */
const MAX_CLIENTS = 200

export interface AcceptInit {
  /** Name of the device's home. */
  home: string
  /** Fencing token of this device. */
  token: number
  /** A client has connected. Its channel closes with `NOT_CONNECTED` when the client ends, however it ends. */
  onClient(channel: Channel): void
  /** A device with a newer token has started: this one is a leftover and should end. */
  onSuperseded?(): void
}

export interface Acceptor extends Disposable {
  /** Takes a client that a page has passed a port of. */
  accept(hello: Hello, port: MessagePort): void
  /** Closes the channels of all clients; they look for another device. Idempotent. */
  close(): void
}

/** Lets clients of this origin connect to the device that runs here. Resolves when they can. */
export async function acceptClients(init: AcceptInit, options: AbortOptions = {}): Promise<Acceptor> {
  const device = crypto.randomUUID()
  const release = await holdLock(deviceLock(init.home, device), options)
  const acceptor = new HelloListener(init, device, release)
  return {
    accept: (hello, port) => acceptor.greet(hello, () => channelOver(port)),
    close: () => acceptor.close(),
    [Symbol.dispose]: () => acceptor.close(),
  }
}

class HelloListener {
  readonly #init: AcceptInit
  readonly #device: string
  readonly #release: () => void
  readonly #hello: BroadcastChannel
  readonly #clients = new Map<string, Channel>()

  constructor(init: AcceptInit, device: string, release: () => void) {
    this.#init = init
    this.#device = device
    this.#release = release
    this.#hello = new BroadcastChannel(helloChannel(init.home))
    this.#hello.onmessage = ({ data }) => this.#hear(parseGreeting(data))
    this.#announce()
  }

  close(): void {
    this.#hello.close()
    for (const channel of this.#clients.values()) channel.close()
    this.#clients.clear()
    // Last: it tells clients that nothing more will come.
    this.#release()
  }

  #announce(): void {
    this.#hello.postMessage({ type: 'here', token: this.#init.token } satisfies Greeting)
  }

  #hear(greeting: Greeting | undefined): void {
    if (greeting?.type === 'hello')
      this.greet(greeting, () => openChannel(clientChannel(this.#init.home, greeting.client)))
    if (greeting?.type !== 'here') return
    if (greeting.token > this.#init.token) this.#init.onSuperseded?.()
    // An older one learns of this one.
    else if (greeting.token < this.#init.token) this.#announce()
  }

  /** A client that says hello by two ways is answered on the first. */
  greet({ client, version }: Hello, open: () => Channel): void {
    const known = this.#clients.get(client)
    if (known !== undefined) known.post(this.#welcome())
    else if (version !== PROTOCOL_VERSION) refuse(open(), 'PROTOCOL_UNSUPPORTED')
    else if (this.#clients.size >= MAX_CLIENTS) refuse(open(), 'BUSY')
    else this.#accept(client, open())
  }

  #accept(client: string, channel: Channel): void {
    const { home, onClient } = this.#init
    this.#clients.set(client, channel)
    channel.closed.addEventListener('abort', () => this.#clients.delete(client), { once: true })
    whenFree(clientLock(home, client), { signal: channel.closed }).then(
      () => channel.close(new PeerfoldError('NOT_CONNECTED', 'the client has gone')),
      () => {},
    )
    onClient(channel)
    channel.post(this.#welcome())
  }

  #welcome(): Answer {
    return { type: 'welcome', device: this.#device, token: this.#init.token }
  }
}

function refuse(channel: Channel, code: (Answer & { type: 'refused' })['code']): void {
  channel.post({ type: 'refused', code } satisfies Answer)
  channel.close()
}
