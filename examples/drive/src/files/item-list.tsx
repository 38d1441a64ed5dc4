import type { Item, Workspace } from '@peerfold/core'
import type { ReactNode } from 'react'
import { useMemo } from 'react'
import {
  type DragAndDropHooks,
  GridLayout,
  GridList,
  ListLayout,
  type Selection,
  Size,
  Virtualizer,
} from 'react-aria-components'
import styles from './item-list.module.css'
import type { MenuAnchor } from './item-menu.js'
import { ItemRow, ItemTile } from './item-row.js'

export type View = 'list' | 'grid'

export interface ItemListProps {
  label: string
  view: View
  narrow: boolean
  /** Takes the focus when it appears. */
  focus: boolean
  workspace: Workspace
  items: readonly Item[]
  selected: Selection
  onSelect: (selected: Selection) => void
  onOpen: (item: Item) => void
  onMenu: (item: Item, anchor: MenuAnchor) => void
  dragAndDropHooks: DragAndDropHooks<Item>
  empty: ReactNode
}

const ROW = 44
const NARROW_ROW = 60
const SPACE = 8

/** Rows of one height: thousands of tiles need not be measured. */
const EVEN = { preserveAspectRatio: true, minSpace: new Size(SPACE, SPACE) }
const GRID = { ...EVEN, minItemSize: new Size(172, 184), maxItemSize: new Size(250, 300) }
const NARROW_GRID = { ...EVEN, minItemSize: new Size(150, 176), maxItemSize: new Size(220, 280) }

/** A folder's items. Only those in sight are in the document: folders may hold many thousands. */
export function ItemList({ view, narrow, ...props }: ItemListProps) {
  if (view === 'grid') {
    return (
      <Virtualizer key="grid" layout={GridLayout} layoutOptions={narrow ? NARROW_GRID : GRID}>
        <Items {...props} view={view} />
      </Virtualizer>
    )
  }
  return (
    <Virtualizer
      key="list"
      layout={ListLayout}
      layoutOptions={{ rowSize: narrow ? NARROW_ROW : ROW, padding: SPACE }}
    >
      <Items {...props} view={view} />
    </Virtualizer>
  )
}

function Items(props: Omit<ItemListProps, 'narrow'>) {
  const {
    label,
    view,
    focus,
    workspace,
    items,
    selected,
    onSelect,
    onOpen,
    onMenu,
    dragAndDropHooks,
    empty,
  } = props
  const byId = useMemo(() => new Map<unknown, Item>(items.map((item) => [item.id, item])), [items])
  const Entry = view === 'grid' ? ItemTile : ItemRow
  const selecting = selected === 'all' || selected.size > 0
  return (
    <GridList
      aria-label={label}
      className={styles.items}
      data-selecting={selecting || undefined}
      layout={view === 'grid' ? 'grid' : 'stack'}
      items={items}
      dependencies={[workspace, onMenu]}
      selectionMode="multiple"
      selectionBehavior="replace"
      selectedKeys={selected}
      onSelectionChange={onSelect}
      onAction={(key) => {
        const item = byId.get(key)
        if (item !== undefined) onOpen(item)
      }}
      autoFocus={focus}
      keyboardNavigationBehavior="tab"
      dragAndDropHooks={dragAndDropHooks}
      renderEmptyState={() => empty}
    >
      {(item) => <Entry item={item} workspace={workspace} onMenu={onMenu} />}
    </GridList>
  )
}
