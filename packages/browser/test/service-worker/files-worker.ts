import { type ServiceWorkerScope, serveFiles } from '../../src/service-worker/serve-files.js'

/** The service worker of an app that does nothing else, with an empty page to try it from. */
const scope = globalThis as unknown as ServiceWorkerScope & { skipWaiting(): Promise<void> }
const { searchParams } = new URL(location.href)

serveFiles(scope, { home: searchParams.get('home') ?? '' })
scope.addEventListener('install', () => void scope.skipWaiting())
scope.addEventListener('fetch', (event) => {
  const { pathname } = new URL(event.request.url)
  if (pathname.endsWith('/page'))
    event.respondWith(new Response('<!doctype html>', { headers: { 'Content-Type': 'text/html' } }))
})
