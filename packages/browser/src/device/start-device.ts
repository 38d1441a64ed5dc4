import { PeerfoldError } from '@peerfold/core'
import { bridgeRtc } from '../net/rtc/bridge-rtc.js'
import { fromWireError } from '../remote/wire-error.js'
import { parseOffer } from '../tabs/greeting.js'
import type { StartDevice } from '../tabs/leader.js'
import type { FromWorker, ToWorker } from './messages.js'

export interface DeviceInit {
  home: string
  name: string
  iceServers: readonly RTCIceServer[]
}

/** Starts a worker with the device of this origin, lends it this page's WebRTC, and ends it when the signal says so. */
export function startDeviceWith(init: DeviceInit): StartDevice {
  return async ({ token, signal }) => {
    signal.throwIfAborted()
    const worker = new Worker(new URL('./device-worker.js', import.meta.url), {
      type: 'module',
      name: `peerfold ${init.home}`,
    })
    const { port1: rtc, port2: remote } = new MessageChannel()
    const bridge = bridgeRtc(rtc)
    const tell: Tell = (message, transfer = []) => worker.postMessage(message, transfer)
    const close = () => tell({ type: 'close' })
    signal.addEventListener('abort', close, { once: true })
    const stopPassing = passPorts(init.home, tell)
    const { ready, ended } = follow(worker)
    const over = ended.finally(() => {
      signal.removeEventListener('abort', close)
      stopPassing()
      bridge.close()
      worker.terminate()
    })
    over.catch(() => {})
    tell({ type: 'open', ...init, token, rtc: remote }, [remote])
    await Promise.race([ready, over])
    return { ended: over }
  }
}

type Tell = (message: ToWorker, transfer?: Transferable[]) => void

/** Ports that the service worker offers to the device go to its worker. */
function passPorts(home: string, tell: Tell): () => void {
  const { serviceWorker } = navigator as { serviceWorker?: ServiceWorkerContainer }
  const pass = ({ data, ports: [port] }: MessageEvent) => {
    const offer = parseOffer(data, home)
    if (offer === undefined || port === undefined) return
    const { client, version } = offer
    tell({ type: 'client', hello: { client, version }, port }, [port])
  }
  serviceWorker?.addEventListener('message', pass)
  serviceWorker?.startMessages()
  return () => serviceWorker?.removeEventListener('message', pass)
}

/** `ended` rejects when the device failed. */
function follow(worker: Worker): { ready: Promise<void>; ended: Promise<void> } {
  const hear = (listener: (message: FromWorker) => void) =>
    worker.addEventListener('message', ({ data }: MessageEvent<FromWorker>) => listener(data))
  const ready = new Promise<void>((resolve) => {
    hear(({ type }) => {
      if (type === 'ready') resolve()
    })
  })
  const ended = new Promise<void>((resolve, reject) => {
    hear((message) => {
      if (message.type !== 'ended') return
      if (message.error === undefined) resolve()
      else reject(fromWireError(message.error))
    })
    worker.addEventListener('error', ({ message }) =>
      reject(new PeerfoldError('INTERNAL', `the device's worker failed: ${message || 'it does not load'}`)),
    )
  })
  return { ready, ended }
}
