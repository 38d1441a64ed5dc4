import type { Item, Workspace } from '@peerfold/core'
import { useEffect, useState } from 'react'
import { FileIcon } from '../files/file-icon.js'
import { hasThumbnail } from '../files/kinds.js'
import styles from './thumbnail.module.css'
import { thumbnails } from './thumbnails.js'

export interface ThumbnailProps {
  item: Item
  workspace: Workspace
  /** Of the icon that stands for what has no picture, in pixels. */
  size: number
}

/** A picture of an item's content where it has one, else an icon of its kind. Fills what is around it. */
export function Thumbnail({ item, workspace, size }: ThumbnailProps) {
  const url = useThumbnail(item, workspace)
  if (url === undefined) return <FileIcon item={item} size={size} />
  return <img src={url} alt="" draggable={false} className={styles.picture} />
}

function useThumbnail(item: Item, workspace: Workspace): string | undefined {
  const wanted = hasThumbnail(item)
  const [url, setUrl] = useState(() => (wanted ? thumbnails.known(workspace, item) : undefined))
  useEffect(() => {
    if (!wanted) return setUrl(undefined)
    setUrl(thumbnails.known(workspace, item))
    const controller = new AbortController()
    thumbnails.load(workspace, item, controller.signal).then(
      (loaded) => {
        if (!controller.signal.aborted) setUrl(loaded)
      },
      // What is not here yet is asked for again when it is shown the next time.
      () => {},
    )
    return () => controller.abort()
  }, [workspace, item, wanted])
  return url
}
