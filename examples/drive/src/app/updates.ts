import { startFiles } from '../device/files.js'
import { say, sayFailed } from './toasts.js'

/** Starts the service worker, and says when a newer build of the drive waits to be used. */
export async function followUpdates(): Promise<void> {
  try {
    const registration = await startFiles()
    if (registration.waiting !== null) offer(registration.waiting)
    registration.addEventListener('updatefound', () => {
      const worker = registration.installing
      worker?.addEventListener('statechange', () => {
        if (worker.state === 'installed') offer(worker)
      })
    })
  } catch (error) {
    sayFailed('Files cannot be shown or downloaded here', error)
  }
}

function offer(worker: ServiceWorker): void {
  say('A new version of the drive is ready', {
    label: 'Use it now',
    run: () => {
      navigator.serviceWorker.addEventListener('controllerchange', () => globalThis.location.reload(), {
        once: true,
      })
      worker.postMessage('activate')
    },
  })
}
