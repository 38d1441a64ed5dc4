import type { Item, Workspace } from '@peerfold/core'
import { type ChangeEvent, useCallback, useEffect, useState } from 'react'
import { useOpened } from './live.js'
import { attach, attachmentsOf } from './notes.js'

/** Shown inline when they are no larger, in bytes. */
const MAX_SHOWN = 20_000_000
const IMAGES: Record<string, string> = {
  avif: 'image/avif',
  gif: 'image/gif',
  jpeg: 'image/jpeg',
  jpg: 'image/jpeg',
  png: 'image/png',
  webp: 'image/webp',
}
const imageType = (name: string) => IMAGES[name.slice(name.lastIndexOf('.') + 1).toLowerCase()]

interface AttachmentsProps {
  workspace: Workspace
  note: string
  onFailure: (error: unknown) => void
}

/** The files beside a note. */
export function Attachments({ workspace, note, onFailure }: AttachmentsProps) {
  const { value: items = [] } = useOpened(
    useCallback(() => workspace.live(attachmentsOf(note)), [workspace, note]),
  )
  const [sending, setSending] = useState<{ name: string; done: number; cancel: () => void }>()

  const add = async ({ target }: ChangeEvent<HTMLInputElement>) => {
    const files = [...(target.files ?? [])]
    target.value = '' // The same file can be chosen again.
    const { signal, cancel } = cancellable()
    try {
      for (const file of files) {
        const show = ({ bytes }: { bytes: number }) =>
          setSending({ name: file.name, done: bytes / Math.max(1, file.size), cancel })
        show({ bytes: 0 })
        await attach(workspace, note, file, { signal, onProgress: show })
      }
    } catch (error) {
      if (!signal.aborted) onFailure(error)
    } finally {
      setSending(undefined)
    }
  }
  return (
    <section aria-labelledby="attachments" className="attachments">
      <header>
        <h2 id="attachments">Attachments</h2>
        {sending === undefined ? (
          <label className="file">
            Attach files
            <input type="file" multiple onChange={(event) => void add(event)} />
          </label>
        ) : (
          <p className="row">
            <progress value={sending.done} aria-label={`Attaching ${sending.name}`} /> {sending.name}
            <button type="button" onClick={sending.cancel}>
              Cancel
            </button>
          </p>
        )}
      </header>
      <ul>
        {items.map((item) => (
          <Attachment key={item.id} workspace={workspace} item={item} onFailure={onFailure} />
        ))}
      </ul>
    </section>
  )
}

function Attachment({ workspace, item, onFailure }: Omit<AttachmentsProps, 'note'> & { item: Item }) {
  const { name, path, size } = item
  const isImage = imageType(name) !== undefined && size <= MAX_SHOWN
  return (
    <li>
      {isImage && <Picture workspace={workspace} item={item} />}
      <p className="name" title={name}>
        {name}
      </p>
      <p className="row">
        <small>{Intl.NumberFormat(undefined, { notation: 'compact' }).format(size)}B</small>
        <button
          type="button"
          aria-label={`Download ${name}`}
          onClick={() => void download(workspace, path, name).catch(onFailure)}
        >
          Download
        </button>
        <button
          type="button"
          aria-label={`Remove ${name}`}
          onClick={() => void workspace.remove(path).catch(onFailure)}
        >
          Remove
        </button>
      </p>
    </li>
  )
}

function Picture({ workspace, item: { path, name, version } }: { workspace: Workspace; item: Item }) {
  const [url, setUrl] = useState<string>()
  // biome-ignore lint/correctness/useExhaustiveDependencies: another version is another picture.
  useEffect(() => {
    const { signal, cancel } = cancellable()
    toBlob(workspace, path, name, signal).then(
      (blob) => {
        if (!signal.aborted) setUrl(URL.createObjectURL(blob))
      },
      () => {}, // It is named below, and can be asked for by "Download".
    )
    return cancel
  }, [workspace, path, version])
  // The browser keeps a blob for as long as its URL is not given back.
  useEffect(() => () => URL.revokeObjectURL(url ?? ''), [url])
  return url === undefined ? <div className="picture" /> : <img src={url} alt={name} className="picture" />
}

/** From a stream, so that the browser may lay it on disk: the page does not hold the file. */
async function toBlob(workspace: Workspace, path: string, name: string, signal?: AbortSignal): Promise<Blob> {
  const headers = { 'content-type': imageType(name) ?? 'application/octet-stream' }
  return await new Response(workspace.read(path, { signal }).stream(), { headers }).blob()
}

async function download(workspace: Workspace, path: string, name: string): Promise<void> {
  const link = document.createElement('a')
  link.href = URL.createObjectURL(await toBlob(workspace, path, name))
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000)
}

function cancellable(): { signal: AbortSignal; cancel: () => void } {
  const controller = new AbortController()
  return { signal: controller.signal, cancel: () => controller.abort() }
}
