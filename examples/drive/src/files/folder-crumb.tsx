import { useRef } from 'react'
import { type DropItem, Link, useDrop } from 'react-aria-components'
import { DRAG_TYPE, draggedPaths } from './dragged-items.js'
import { ItemName } from './item-name.js'
import styles from './path-bar.module.css'

/** A folder of a path. */
export interface Crumb {
  path: string
  name: string
}

/** What is dropped on the path's folders. */
export interface FolderDrops {
  /** Items of the workspace. */
  onMove: (paths: string[], folder: string) => void
  /** Files and folders from outside. */
  onFiles: (dropped: DropItem[], folder: string) => void
}

export interface FolderCrumbProps {
  crumb: Crumb
  href: string
  /** The folder that is shown: what is in it is there already, and the list takes what comes from outside. */
  present: boolean
  workspace: string
  drops: FolderDrops
}

/** A folder in the path bar: a way there, for people and for what they drag. By keyboard, Tab goes to it while something is dragged. */
export function FolderCrumb({ crumb, href, present, workspace, drops }: FolderCrumbProps) {
  const ref = useRef<HTMLAnchorElement>(null)
  const { dropProps, isDropTarget } = useDrop({
    ref,
    isDisabled: present,
    getDropOperation: (types) => (types.has(DRAG_TYPE) ? 'move' : 'copy'),
    onDrop: async ({ items }) => {
      const paths = await draggedPaths(items, { id: workspace })
      if (paths === undefined) drops.onFiles(items, crumb.path)
      else drops.onMove(paths, crumb.path)
    },
  })
  return (
    // Links take no part in what a pointer drags; by keyboard it is the link that has the focus.
    <span {...dropProps} className={styles.target} data-drop-target={isDropTarget || undefined}>
      <Link
        ref={ref}
        href={href}
        className={styles.link}
        {...(dropProps['aria-describedby'] && { 'aria-describedby': dropProps['aria-describedby'] })}
      >
        <ItemName name={crumb.name} />
      </Link>
    </span>
  )
}
