import { until } from '../remote/connected.js'

/** A page in the scope of the test's service worker. */
export interface AppFrame {
  window: Window & typeof globalThis
  element: HTMLIFrameElement
  /** As the page itself would fetch it. */
  fetch(url: string, init?: RequestInit): Promise<Response>
  remove(): void
}

const WORKER = new URL('./files-worker.ts', import.meta.url)
/** Path of the worker's scope. */
export const BASE = new URL('./', WORKER).pathname

export async function installWorker(home: string): Promise<ServiceWorkerRegistration> {
  const url = new URL(WORKER)
  url.searchParams.set('home', home)
  const registration = await navigator.serviceWorker.register(url, { type: 'module', scope: BASE })
  await until(() => registration.active?.state === 'activated' && registration.active.scriptURL === url.href)
  return registration
}

/** @param path below the scope. @default one that the worker itself answers */
export async function openFrame(path = `${BASE}page`): Promise<AppFrame> {
  const element = document.createElement('iframe')
  element.src = path
  const loaded = new Promise((resolve) => element.addEventListener('load', resolve, { once: true }))
  document.body.append(element)
  await loaded
  const window = element.contentWindow as Window & typeof globalThis
  return {
    window,
    element,
    fetch: async (url, init) => await window.fetch(url, init),
    remove: () => element.remove(),
  }
}

/** Sound of the given length: 16 bit, stereo, 44.1 kHz. */
export function wav(seconds: number): Blob {
  const bytes = seconds * 44_100 * 4
  const header = new DataView(new ArrayBuffer(44))
  const text = (at: number, value: string) => {
    for (let i = 0; i < value.length; i++) header.setUint8(at + i, value.charCodeAt(i))
  }
  text(0, 'RIFF')
  header.setUint32(4, 36 + bytes, true)
  text(8, 'WAVEfmt ')
  header.setUint32(16, 16, true)
  header.setUint16(20, 1, true)
  header.setUint16(22, 2, true)
  header.setUint32(24, 44_100, true)
  header.setUint32(28, 176_400, true)
  header.setUint16(32, 4, true)
  header.setUint16(34, 16, true)
  text(36, 'data')
  header.setUint32(40, bytes, true)
  const second = new Uint8Array(176_400)
  return new Blob([header, ...Array.from({ length: seconds }, (_, i) => second.map((_, j) => (i + j) % 251))])
}
