import type { Peerfold } from '@peerfold/core'
import type { OfferPorts } from '../tabs/dial.js'
import { joinDevice } from '../tabs/join.js'
import { CLAIM, KeepAlive, type PageMessenger } from './keep-alive.js'
import { offerPortsTo } from './offer-ports.js'
import { errorResponse, respond } from './respond.js'
import { type FileAddress, parseFileUrl } from './urls.js'

/** How long a request waits for a tab that runs the device. */
const DEVICE_MS = 10_000

/** An event of a service worker that holds it alive. */
interface ExtendableEvent extends Event {
  waitUntil(work: Promise<unknown>): void
}

interface FetchEvent extends ExtendableEvent {
  request: Request
  respondWith(response: Promise<Response>): void
}

/** What this needs of `ServiceWorkerGlobalScope`, which TypeScript's DOM library does not know. */
export interface ServiceWorkerScope extends PageMessenger {
  registration: { scope: string }
  clients: PageMessenger['clients'] & { claim(): Promise<void> }
  addEventListener(type: string, listener: (event: any) => void): void
}

export interface ServeFilesOptions {
  /** Name of the device's home, as given to `openPeerfold`. */
  home: string
  /** First part of the path of all file URLs. @default 'peerfold' */
  prefix?: string
}

/**
 * Lets a service worker serve the files of the device that a tab of this origin runs: decrypted on the way, whole or by ranges, streamed. They
 * lie at `<scope>/peerfold/<workspace>/<version or latest>/<path>[?download]`, see `fileUrl`. All other requests are left alone.
 *
 * Answers 404 for what is not there, 416 for ranges that a file does not have, 503 when no tab runs the device. Files that are opened as pages
 * run no scripts and see nothing of the app.
 *
 * @example
 * ```ts
 * // service-worker.ts
 * serveFiles(self, { home: 'default' })
 * ```
 */
export function serveFiles(scope: ServiceWorkerScope, { home, prefix }: ServeFilesOptions): void {
  const device = new DeviceOfTabs(home, offerPortsTo(scope, home))
  const keepAlive = new KeepAlive(scope)
  scope.addEventListener('activate', (event: ExtendableEvent) => event.waitUntil(scope.clients.claim()))
  scope.addEventListener('message', (event: ExtendableEvent & MessageEvent) => {
    if (event.data?.type === CLAIM) event.waitUntil(scope.clients.claim())
  })
  scope.addEventListener('fetch', (event: FetchEvent) => {
    const address = parseFileUrl(new URL(event.request.url), new URL(scope.registration.scope), prefix)
    if (address === undefined) return
    const answered = answer(device, event.request, address)
    event.respondWith(answered.then(({ response }) => response))
    const finished = answered.then((all) => all.finished)
    event.waitUntil(finished)
    keepAlive.until(finished)
  })
}

async function answer(
  device: DeviceOfTabs,
  request: Request,
  address: FileAddress,
): ReturnType<typeof respond> {
  const finished = Promise.resolve()
  if (request.method !== 'GET' && request.method !== 'HEAD')
    return { response: new Response(null, { status: 405, headers: { Allow: 'GET, HEAD' } }), finished }
  try {
    return await respond(await device.get(), request, address)
  } catch (error) {
    return { response: errorResponse(error), finished }
  }
}

/** Connected at the first request, and from then on as long as the worker lives. */
class DeviceOfTabs {
  readonly #home: string
  readonly #offerPorts: OfferPorts
  #peerfold: Promise<Peerfold> | undefined

  constructor(home: string, offerPorts: OfferPorts) {
    this.#home = home
    this.#offerPorts = offerPorts
  }

  async get(): Promise<Peerfold> {
    this.#peerfold ??= joinDevice(this.#home, {
      deadlineMs: DEVICE_MS,
      offerPorts: this.#offerPorts,
    }).catch((error: unknown) => {
      this.#peerfold = undefined
      throw error
    })
    return await this.#peerfold
  }
}
