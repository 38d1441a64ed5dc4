import { MAX_SIDE, type ThumbnailReply, type ThumbnailRequest } from './protocol.js'
import { openThumbnailStore } from './thumbnail-store.js'

/** What a dedicated worker has of its scope, as far as it is used here. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<ThumbnailRequest>) => void) | null
  postMessage(reply: ThumbnailReply): void
}

const scope = globalThis as unknown as WorkerScope
const store = openThumbnailStore()

scope.onmessage = ({ data }) => {
  answer(data).then(
    (picture) => scope.postMessage({ id: data.id, ...(picture && { picture }) }),
    // What cannot be drawn (damaged, of an unknown format) is shown by its icon.
    () => scope.postMessage({ id: data.id }),
  )
}

async function answer(request: ThumbnailRequest): Promise<Blob | undefined> {
  const { get, put } = await store
  if (request.type === 'get') return await get(request.key)
  const picture = await draw(request.source)
  await put(request.key, picture)
  return picture
}

async function draw(source: Blob | ImageBitmap): Promise<Blob> {
  const bitmap = await createImageBitmap(source, { imageOrientation: 'from-image' })
  if (source instanceof ImageBitmap) source.close()
  const scale = Math.min(1, MAX_SIDE / Math.max(bitmap.width, bitmap.height))
  const width = Math.max(1, Math.round(bitmap.width * scale))
  const height = Math.max(1, Math.round(bitmap.height * scale))
  const canvas = new OffscreenCanvas(width, height)
  const context = canvas.getContext('2d')
  if (context === null) throw new Error('no canvas')
  context.imageSmoothingQuality = 'high'
  context.drawImage(bitmap, 0, 0, width, height)
  bitmap.close()
  return await canvas.convertToBlob({ type: 'image/webp', quality: 0.8 })
}
