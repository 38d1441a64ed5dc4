import type { Item, Workspace } from '@peerfold/core'
import { kindOf } from '../files/kinds.js'
import type { ThumbnailReply, ThumbnailRequest } from './protocol.js'
import { videoFrame } from './video-frame.js'

/** Pictures in memory: as many as a person scrolls through at a time. */
const MAX_SHOWN = 600
/** Contents that are read at once to draw them. */
const MAX_READS = 2

type Request = ThumbnailRequest extends infer R ? (R extends { id: number } ? Omit<R, 'id'> : never) : never

/** Makes and keeps thumbnails. One for the page; its worker starts with the first picture. */
class Thumbnails {
  readonly #urls = new Map<string, string>()
  readonly #hopeless = new Set<string>()
  readonly #waiting: Array<() => void> = []
  readonly #replies = new Map<number, (picture: Blob | undefined) => void>()
  #worker: Worker | undefined
  #reading = 0
  #lastId = 0

  /** The address of a picture that is in memory. */
  known(workspace: Workspace, item: Item): string | undefined {
    return this.#urls.get(keyOf(workspace, item))
  }

  /**
   * The address of an item's picture, made when there is none yet; undefined when there can be none.
   * @throws the signal's reason, and what reading throws: the content may come later
   */
  async load(workspace: Workspace, item: Item, signal: AbortSignal): Promise<string | undefined> {
    const key = keyOf(workspace, item)
    if (this.#hopeless.has(key)) return undefined
    const kept = await this.#ask({ type: 'get', key })
    signal.throwIfAborted()
    const picture = kept ?? (await this.#make(key, workspace, item, signal))
    if (picture === undefined) {
      this.#hopeless.add(key)
      return undefined
    }
    return this.#show(key, picture)
  }

  async #make(key: string, workspace: Workspace, item: Item, signal: AbortSignal): Promise<Blob | undefined> {
    await this.#turn(signal)
    try {
      const source = await readSource(workspace, item, signal)
      return source && (await this.#ask({ type: 'make', key, source }))
    } finally {
      this.#reading--
      this.#waiting.shift()?.()
    }
  }

  /** Waits until few enough contents are being read. */
  async #turn(signal: AbortSignal): Promise<void> {
    while (this.#reading >= MAX_READS) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
      if (signal.aborted) {
        this.#waiting.shift()?.()
        signal.throwIfAborted()
      }
    }
    this.#reading++
  }

  #show(key: string, picture: Blob): string {
    const known = this.#urls.get(key)
    if (known !== undefined) return known
    const url = URL.createObjectURL(picture)
    this.#urls.set(key, url)
    for (const [oldest, old] of this.#urls) {
      if (this.#urls.size <= MAX_SHOWN) break
      this.#urls.delete(oldest)
      URL.revokeObjectURL(old)
    }
    return url
  }

  #ask(request: Request): Promise<Blob | undefined> {
    const id = ++this.#lastId
    return new Promise((resolve) => {
      this.#replies.set(id, resolve)
      this.#start().postMessage({ ...request, id }, 'source' in request ? transfers(request.source) : [])
    })
  }

  #start(): Worker {
    if (this.#worker !== undefined) return this.#worker
    const worker = new Worker(new URL('./thumbnail-worker.ts', import.meta.url), { type: 'module' })
    worker.onmessage = ({ data }: MessageEvent<ThumbnailReply>) => {
      this.#replies.get(data.id)?.(data.picture)
      this.#replies.delete(data.id)
    }
    // Without a worker there are icons.
    worker.onerror = () => {
      for (const reply of this.#replies.values()) reply(undefined)
      this.#replies.clear()
    }
    this.#worker = worker
    return worker
  }
}

function keyOf(workspace: Workspace, item: Item): string {
  return `${workspace.id}/${item.version}`
}

function transfers(source: Blob | ImageBitmap): Transferable[] {
  return source instanceof ImageBitmap ? [source] : []
}

async function readSource(
  workspace: Workspace,
  item: Item,
  signal: AbortSignal,
): Promise<Blob | ImageBitmap | undefined> {
  if (kindOf(item) === 'video') return await videoFrame(workspace, item, signal)
  const bytes = await workspace
    .read(item.path, { signal, ...(item.version && { version: item.version }) })
    .bytes()
  return new Blob([bytes as Uint8Array<ArrayBuffer>])
}

export const thumbnails = new Thumbnails()
