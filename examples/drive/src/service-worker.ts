import { type ServiceWorkerScope, serveFiles } from '@peerfold/browser/service-worker'

/**
 * Serves files (see `serveFiles`), and keeps the page itself: once visited, the drive opens without a network. The list of its files is part of this script (see
 * `build/service-worker-plugin.ts`), so each build is a new worker with a cache of its own; the pages of an older build keep theirs until
 * they are closed.
 */

/** What the worker has of its scope, as far as it is used here. */
interface WorkerScope extends ServiceWorkerScope {
  skipWaiting(): Promise<void>
}

interface LifeEvent {
  waitUntil(work: Promise<unknown>): void
}

interface FetchEvent extends LifeEvent {
  request: Request
  respondWith(response: Promise<Response>): void
}

const scope = globalThis as unknown as WorkerScope

// Before the page's own listeners: what it answers is no business of theirs.
serveFiles(scope, { home: 'default' })

const PREFIX = 'drive/'
const CACHE = PREFIX + import.meta.env.BUILD
const ASSETS = JSON.parse(import.meta.env.ASSETS ?? '[]') as string[]

const urls = new Set(ASSETS.map((asset) => new URL(asset, scope.registration.scope).href))
const page = new URL('index.html', scope.registration.scope).href

scope.addEventListener('install', (event: LifeEvent) => event.waitUntil(install()))
scope.addEventListener('activate', (event: LifeEvent) => event.waitUntil(activate()))
scope.addEventListener('message', ({ data }: MessageEvent) => {
  // A person wants the new build now.
  if (data === 'activate') void scope.skipWaiting()
})
scope.addEventListener('fetch', (event: FetchEvent) => {
  const { request } = event
  if (request.method !== 'GET') return
  if (isPage(request.url) && urls.has(page)) event.respondWith(fromCache(page, request))
  else if (urls.has(request.url)) event.respondWith(fromCache(request.url, request))
})

/** The drive's own address, with whatever query; never a file that is opened or saved. */
function isPage(url: string): boolean {
  const { origin, pathname } = new URL(url)
  return [scope.registration.scope, page].includes(origin + pathname)
}

async function install(): Promise<void> {
  const cache = await caches.open(CACHE)
  await cache.addAll([...urls].map((url) => new Request(url, { cache: 'no-cache' })))
}

async function activate(): Promise<void> {
  for (const name of await caches.keys()) {
    if (name.startsWith(PREFIX) && name !== CACHE) await caches.delete(name)
  }
}

async function fromCache(url: string, request: Request): Promise<Response> {
  const cache = await caches.open(CACHE)
  return (await cache.match(url)) ?? (await fetch(request))
}
