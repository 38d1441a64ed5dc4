import type { RecordId } from '@peerfold/core'
import { fileUrl } from '../device/file-url.js'

/** Hands a file to the browser's own downloads: it streams through the service worker, whatever its size. */
export function saveFile(workspace: string, path: string, version?: RecordId): void {
  const link = document.createElement('a')
  link.href = fileUrl(workspace, path, { download: true, ...(version && { version }) })
  link.download = path.slice(path.lastIndexOf('/') + 1)
  link.click()
}
