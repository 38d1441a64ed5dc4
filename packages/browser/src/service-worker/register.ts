import { type AbortOptions, PeerfoldError } from '@peerfold/core'
import { raceSignal, withDeadline } from '@peerfold/core/async'
import { systemClock } from '@peerfold/core/platform'
import { ASK, CLAIM, STAY } from './keep-alive.js'

/** Longer than a worker takes to be installed. */
const CONTROL_MS = 30_000

export interface RegisterFilesOptions extends AbortOptions {
  /** @default the folder of the worker's script */
  scope?: string
  /** @default 'module' */
  type?: WorkerType
}

/**
 * Registers the app's service worker, which calls `serveFiles`, and waits until it controls this page: from then on file URLs work.
 *
 * @param url of the worker's script
 * @throws {PeerfoldError} `TIMEOUT`; `INTERNAL` where there are no service workers; the signal's reason
 * @example
 * ```ts
 * await registerFiles('/service-worker.js')
 * image.src = fileUrl(workspace.id, 'holiday/beach.jpg')
 * ```
 */
export async function registerFiles(
  url: string | URL,
  { scope, type = 'module', signal }: RegisterFilesOptions = {},
): Promise<ServiceWorkerRegistration> {
  const { serviceWorker } = navigator as { serviceWorker?: ServiceWorkerContainer }
  if (serviceWorker === undefined)
    throw new PeerfoldError('INTERNAL', 'service workers are missing', {
      hint: 'Browsers offer them on HTTPS pages and on localhost only.',
    })
  return await withDeadline(
    systemClock,
    CONTROL_MS,
    'starting the service worker',
    async (signal) => {
      const registration = await serviceWorker.register(url, {
        type,
        ...(scope === undefined ? {} : { scope }),
      })
      await controlled(serviceWorker, signal)
      answerWorker(serviceWorker)
      return registration
    },
    { signal },
  )
}

async function controlled(serviceWorker: ServiceWorkerContainer, signal: AbortSignal): Promise<void> {
  const { active } = await raceSignal(serviceWorker.ready, signal)
  while (serviceWorker.controller === null) {
    const changed = new Promise((resolve) =>
      serviceWorker.addEventListener('controllerchange', resolve, { once: true, signal }),
    )
    active?.postMessage({ type: CLAIM })
    await raceSignal(changed, signal)
  }
}

const answering = new WeakSet<ServiceWorkerContainer>()

/** A worker that streams asks for messages: without any the browser would end it. */
function answerWorker(serviceWorker: ServiceWorkerContainer): void {
  if (answering.has(serviceWorker)) return
  answering.add(serviceWorker)
  serviceWorker.addEventListener('message', ({ data, source }) => {
    if (data?.type === ASK) (source as ServiceWorker | null)?.postMessage({ type: STAY })
  })
  serviceWorker.startMessages()
}
