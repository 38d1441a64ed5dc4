import type { Item, Workspace } from '@peerfold/core'
import { EllipsisVertical, GripVertical, TriangleAlert } from 'lucide-react'
import { Button, GridListItem } from 'react-aria-components'
import { Checkbox } from '../app/checkbox.js'
import { classes } from '../app/controls.js'
import { formatBytes, formatDate, formatMoment } from '../app/format.js'
import { Thumbnail } from '../thumbnails/thumbnail.js'
import type { MenuAnchor } from './item-menu.js'
import { ItemName } from './item-name.js'
import styles from './item-row.module.css'

export interface ItemProps {
  item: Item
  workspace: Workspace
  onMenu: (item: Item, anchor: MenuAnchor) => void
}

/** An item in a list: one line, two on phones. */
export function ItemRow({ item, workspace, onMenu }: ItemProps) {
  return (
    <GridListItem
      id={item.id}
      textValue={item.name}
      className={styles.row}
      onContextMenu={(event) => {
        event.preventDefault()
        onMenu(item, { x: event.clientX, y: event.clientY })
      }}
    >
      <DragHandle />
      <Checkbox slot="selection" className={styles.select} />
      <span className={styles.picture}>
        <Thumbnail item={item} workspace={workspace} size={24} />
      </span>
      <span className={styles.title}>
        <ItemName name={item.name} />
        <span className={styles.meta} aria-hidden="true">
          {metaOf(item)}
        </span>
      </span>
      {item.conflict && <ConflictBadge />}
      <span className={styles.modified} title={item.mtime && formatMoment(item.mtime)}>
        {formatDate(item.mtime)}
      </span>
      <span className={styles.size}>{item.kind === 'file' ? formatBytes(item.size) : ''}</span>
      <MoreButton item={item} onMenu={onMenu} />
    </GridListItem>
  )
}

/** An item in a grid: a picture with its name below. */
export function ItemTile({ item, workspace, onMenu }: ItemProps) {
  return (
    <GridListItem
      id={item.id}
      textValue={item.name}
      className={styles.tile}
      onContextMenu={(event) => {
        event.preventDefault()
        onMenu(item, { x: event.clientX, y: event.clientY })
      }}
    >
      <DragHandle />
      <Checkbox slot="selection" className={classes(styles.select, styles.selectTile)} />
      <span className={styles.face}>
        <Thumbnail item={item} workspace={workspace} size={48} />
        {item.conflict && <ConflictBadge />}
      </span>
      <span className={styles.caption}>
        <span className={styles.title}>
          <ItemName name={item.name} />
          <span className={styles.tileMeta}>{metaOf(item) || 'Folder'}</span>
        </span>
        <MoreButton item={item} onMenu={onMenu} />
      </span>
    </GridListItem>
  )
}

/** Dragging by keyboard and screen reader begins here; the pointer takes the item itself. */
function DragHandle() {
  return (
    <Button slot="drag" className={styles.drag}>
      <GripVertical size={15} aria-hidden />
    </Button>
  )
}

function metaOf(item: Item): string {
  if (item.kind === 'folder') return ''
  return [formatBytes(item.size), formatDate(item.mtime)].filter((part) => part !== '').join(' · ')
}

function ConflictBadge() {
  return (
    <span className={styles.conflict} title="Changed on two devices at once: choose what stays">
      <TriangleAlert size={13} aria-hidden /> Conflict
    </span>
  )
}

function MoreButton({ item, onMenu }: Pick<ItemProps, 'item' | 'onMenu'>) {
  return (
    <Button
      aria-label={`Actions for ${item.name}`}
      className={styles.more}
      onPress={({ target }) => {
        const { left, bottom } = target.getBoundingClientRect()
        onMenu(item, { x: left, y: bottom })
      }}
    >
      <EllipsisVertical size={17} aria-hidden />
    </Button>
  )
}
