import type { Item, Workspace } from '@peerfold/core'
import { addressOf } from '../device/files.js'

const PATIENCE_MS = 20_000
/** The very first frame is often black. */
const AT_SECONDS = 1

/** A frame of a video: only the ranges that the browser needs for it are read. */
export async function videoFrame(
  workspace: Workspace,
  item: Item,
  signal: AbortSignal,
): Promise<ImageBitmap | undefined> {
  const video = document.createElement('video')
  video.muted = true
  video.preload = 'auto'
  const patience = AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)])
  try {
    const url = await addressOf({ workspace: workspace.id, path: item.path, version: item.version })
    const loaded = once(video, 'loadedmetadata', patience)
    video.src = url
    await loaded
    const seeked = once(video, 'seeked', patience)
    video.currentTime = Math.min(AT_SECONDS, (video.duration || 0) / 2)
    await seeked
    return await createImageBitmap(video)
  } catch (error) {
    if (patience.aborted) throw error
    return undefined
  } finally {
    video.removeAttribute('src')
    video.load()
  }
}

function once(video: HTMLVideoElement, event: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    video.addEventListener(event, () => resolve(), { once: true, signal })
    video.addEventListener('error', () => reject(video.error), { once: true, signal })
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}
