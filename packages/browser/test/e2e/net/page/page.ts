import { bridgeRtc } from '../../../../src/net/rtc/bridge-rtc.js'
import type { Answer, Ask, Peer } from './worker.js'

declare global {
  /** What a test calls: the peer in this page's worker. */
  var call: (method: keyof Peer, args: unknown[]) => Promise<unknown>
  var closeBridge: () => void
  /** Whom this page's connections ask for their addresses. */
  var iceServers: unknown[]
}

globalThis.iceServers = []
globalThis.RTCPeerConnection = class extends RTCPeerConnection {
  constructor(configuration?: RTCConfiguration) {
    super(configuration)
    globalThis.iceServers.push(configuration?.iceServers)
  }
}

const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' })
const { port1, port2 } = new MessageChannel()
const bridge = bridgeRtc(port1)
worker.postMessage({ rtc: port2 }, [port2])

const waiting = new Map<number, (answer: Answer) => void>()
worker.addEventListener('message', ({ data }: MessageEvent<Answer>) => {
  waiting.get(data.n)?.(data)
  waiting.delete(data.n)
})
let last = 0
globalThis.call = (method, args) => {
  const n = ++last
  worker.postMessage({ n, method, args } satisfies Ask)
  return new Promise((resolve, reject) => {
    waiting.set(n, ({ result, error }) => (error === undefined ? resolve(result) : reject(new Error(error))))
  })
}
globalThis.closeBridge = () => bridge.close()
