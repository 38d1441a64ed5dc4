import type { RemovedItem } from '@peerfold/core'
import type { ReactNode } from 'react'
import { GridList, ListLayout, type Selection, Virtualizer } from 'react-aria-components'
import listStyles from '../files/item-list.module.css'
import { DeletedRow } from './deleted-row.js'
import rowStyles from './deleted-row.module.css'

export interface DeletedListProps {
  files: readonly RemovedItem[]
  /** Name of the workspace. */
  root: string
  narrow: boolean
  /** Takes the focus when it appears. */
  focus: boolean
  selected: Selection
  onSelect: (selected: Selection) => void
  onRestore: (file: RemovedItem) => void
  empty: ReactNode
}

const ROW = 44
const NARROW_ROW = 60
const SPACE = 8

/** Removed files; only those in sight are in the document. */
export function DeletedList(props: DeletedListProps) {
  const { files, root, narrow, focus, selected, onSelect, onRestore, empty } = props
  return (
    <Virtualizer layout={ListLayout} layoutOptions={{ rowSize: narrow ? NARROW_ROW : ROW, padding: SPACE }}>
      <GridList
        aria-label={`Deleted files of ${root}`}
        className={listStyles.items}
        items={files}
        dependencies={[onRestore]}
        selectionMode="multiple"
        selectedKeys={selected}
        onSelectionChange={onSelect}
        autoFocus={focus}
        keyboardNavigationBehavior="tab"
        renderEmptyState={() => empty}
      >
        {(file) => <DeletedRow file={file} root={root} onRestore={onRestore} />}
      </GridList>
    </Virtualizer>
  )
}

/** Above the list, where there is room for columns; each row says the same to screen readers. */
export function DeletedColumns() {
  return (
    <div className={rowStyles.columns} aria-hidden="true">
      <span className={rowStyles.title}>Name</span>
      <span className={rowStyles.folder}>Folder</span>
      <span className={rowStyles.time}>Deleted</span>
      <span className={rowStyles.size}>Size</span>
    </div>
  )
}
