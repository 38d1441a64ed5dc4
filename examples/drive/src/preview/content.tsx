import type { Item, Workspace } from '@peerfold/core'
import { FileQuestion } from 'lucide-react'
import { type ReactNode, useState } from 'react'
import { Button, Spinner } from '../app/controls.js'
import { EmptyState } from '../app/empty-state.js'
import { FailureNotice } from '../app/failure-notice.js'
import { useFileUrl } from '../device/files.js'
import { kindOf } from '../files/kinds.js'
import { saveFile } from '../transfers/save-file.js'
import styles from './preview.module.css'
import { TextContent } from './text-content.js'

export interface ContentProps {
  workspace: Workspace
  item: Item
}

/** The content of a file, streamed by the service worker in the ranges that the browser asks for. */
export function Content({ workspace, item }: ContentProps) {
  const [state, setState] = useState<'loading' | 'shown' | 'failed'>('loading')
  const kind = kindOf(item)
  const { url, failure } = useFileUrl({ workspace: workspace.id, path: item.path, version: item.version })
  const shown = () => setState('shown')
  const failed = () => setState('failed')
  if (kind === 'text') return <TextContent workspace={workspace} item={item} />
  if (failure !== undefined) return <FailureNotice failure={failure} />
  if (state === 'failed') return <CannotShow workspace={workspace} item={item} />
  if (url === undefined) return <Loading />
  const waiting = state === 'loading' && <Loading />
  switch (kind) {
    case 'image':
      return (
        <>
          {waiting}
          <img src={url} alt={item.name} className={styles.image} onLoad={shown} onError={failed} />
        </>
      )
    case 'video':
      return (
        <>
          {waiting}
          {/* biome-ignore lint/a11y/useMediaCaption: a person's own file; there are no captions to offer. */}
          <video
            src={url}
            controls
            autoPlay
            className={styles.video}
            onLoadedMetadata={shown}
            onError={failed}
          />
        </>
      )
    case 'audio':
      return (
        // biome-ignore lint/a11y/useMediaCaption: a person's own file; there are no captions to offer.
        <audio src={url} controls autoPlay className={styles.audio} onError={failed} />
      )
    case 'pdf':
      return <iframe src={url} title={item.name} className={styles.page} />
    default:
      return <CannotShow workspace={workspace} item={item} />
  }
}

function Loading(): ReactNode {
  return (
    <div className={styles.loading} role="status" aria-label="Loading">
      <Spinner />
    </div>
  )
}

function CannotShow({ workspace, item }: ContentProps) {
  return (
    <EmptyState
      icon={<FileQuestion size={44} strokeWidth={1.3} aria-hidden />}
      title="This file cannot be shown"
      actions={<Button onPress={() => saveFile(workspace.id, item.path)}>Download</Button>}
    >
      <p>
        The browser does not know its format, or its content is not here yet and no connected device has it.
      </p>
    </EmptyState>
  )
}
