import { sayFailed } from '../app/toasts.js'
import { addressOf } from '../device/files.js'

/** The browser has begun its download long before. */
const FRAME_MS = 60_000

/** Hands a file to the browser's own downloads: it streams through the service worker, whatever its size. */
export function saveFile(workspace: string, path: string, version?: string): void {
  addressOf({ workspace, path, version, download: true }).then(
    (url) => {
      // In a frame: what fails there does not take the page away.
      const frame = document.createElement('iframe')
      frame.hidden = true
      frame.src = url
      document.body.append(frame)
      setTimeout(() => frame.remove(), FRAME_MS)
    },
    (error: unknown) => sayFailed('The download did not start', error),
  )
}
