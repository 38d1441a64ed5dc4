import type { Network, NetworkStream, PeerConnection } from '@peerfold/core'
import { createBrowserNetwork } from '../../../../src/net/create-browser-network.js'
import { installRtc } from '../../../../src/net/rtc/install-rtc.js'

export interface Ask {
  n: number
  method: keyof Peer
  args: unknown[]
}

export interface Answer {
  n: number
  result?: unknown
  error?: string
}

export type Peer = typeof peer

const PIECE = 256 * 1024
const TAKE = '/peerfold/test/take'
const IGNORE = '/peerfold/test/ignore'

let network: Network
let webSocketBytes = 0
const routes: string[] = []

/** Counts what goes over WebSockets in both directions. */
class CountingWebSocket extends WebSocket {
  constructor(url: string | URL, protocols?: string | string[]) {
    super(url, protocols)
    this.addEventListener('message', ({ data }) => {
      webSocketBytes += data instanceof ArrayBuffer ? data.byteLength : data.size
    })
  }

  override send(data: ArrayBuffer | ArrayBufferView<ArrayBuffer>): void {
    webSocketBytes += data.byteLength
    super.send(data)
  }
}

const peer = {
  /** Connects with a relay, and waits until it can be reached through it. */
  async start(relay: { peer: string; addresses: string[] }): Promise<{ peer: string; addresses: string[] }> {
    network = await createBrowserNetwork({ peerSeed: crypto.getRandomValues(new Uint8Array(32)) })
    network.on('connect', ({ carrier }) => routes.push(carrier))
    network.on('reroute', ({ carrier }) => routes.push(carrier))
    network.handle(TAKE, take, { bulk: true })
    network.handle(IGNORE, () => new Promise(() => {}))
    await network.dial(relay)
    network.useRelays([relay.peer])
    while (network.addresses().length === 0) await new Promise((resolve) => setTimeout(resolve, 20))
    return { peer: network.peer, addresses: network.addresses() }
  },

  async dial(target: { peer: string; addresses: string[] }): Promise<PeerConnection> {
    return await network.dial(target)
  },

  async connections(): Promise<PeerConnection[]> {
    return network.connections()
  },

  /** Carriers, in the order in which streams began to go over them. */
  async routes(): Promise<string[]> {
    return routes
  },

  async announce(key: string): Promise<void> {
    await network.announce(new TextEncoder().encode(key))
  },

  async find(key: string): Promise<string[]> {
    const found = []
    for await (const { peer } of network.find(new TextEncoder().encode(key))) found.push(peer)
    return found
  },

  /** Sends so many bytes, and waits until the other has said how many came. */
  async send(to: string, bytes: number): Promise<{ ms: number; webSocketBytes: number }> {
    const before = webSocketBytes
    const begun = performance.now()
    const stream = await network.open(to, TAKE, { bulk: true })
    const reply = read(stream)
    const piece = new Uint8Array(PIECE).map((_, i) => i)
    for (let sent = 0; sent < bytes; sent += PIECE) await stream.send(piece)
    await stream.close()
    const [sum] = new Float64Array((await reply).slice().buffer)
    if (sum !== bytes) throw new Error(`${sum} of ${bytes} bytes came whole`)
    return { ms: performance.now() - begun, webSocketBytes: webSocketBytes - before }
  },

  /** Sends to one who reads nothing; gives how many bytes it got rid of, and what ended it. */
  async sendInVain(to: string): Promise<{ sent: number; code: unknown }> {
    const stream = await network.open(to, IGNORE)
    let sent = 0
    try {
      for (; ; sent += PIECE) await stream.send(new Uint8Array(PIECE))
    } catch (error) {
      return { sent, code: (error as { code?: unknown }).code }
    }
  },

  async disconnect(from: string): Promise<void> {
    await network.disconnect(from)
  },
}

async function take(stream: NetworkStream): Promise<void> {
  let bytes = 0
  for await (const data of stream.source) {
    for (const byte of data instanceof Uint8Array ? data : data.subarray()) {
      if (byte === (bytes & 0xff)) bytes++
    }
  }
  await stream.send(new Uint8Array(new Float64Array([bytes]).buffer))
  await stream.close()
}

async function read(stream: NetworkStream): Promise<Uint8Array> {
  const parts = []
  for await (const part of stream.source) parts.push(part instanceof Uint8Array ? part : part.subarray())
  return new Uint8Array(await new Blob(parts as BlobPart[]).arrayBuffer())
}

Object.defineProperty(globalThis, 'WebSocket', { value: CountingWebSocket })

self.addEventListener('message', async ({ data }: MessageEvent<{ rtc: MessagePort } | Ask>) => {
  if ('rtc' in data) return installRtc(data.rtc)
  const { n, method, args } = data
  try {
    const call = peer[method] as (...args: unknown[]) => Promise<unknown>
    self.postMessage({ n, result: await call(...args) } satisfies Answer)
  } catch (error) {
    self.postMessage({ n, error: String(error) } satisfies Answer)
  }
})
