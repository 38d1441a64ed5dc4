import type { Item } from '@peerfold/core'
import {
  ArrowRightLeft,
  Download,
  Eye,
  FolderOpen,
  GitFork,
  History,
  type LucideIcon,
  Pencil,
  Trash2,
} from 'lucide-react'
import { Menu, MenuItem, Separator } from 'react-aria-components'
import { classes, controlStyles } from '../app/controls.js'
import { PointPopover } from '../app/point-popover.js'
import { canPreview } from './kinds.js'

/** Where a menu opens, in the window's coordinates. */
export interface MenuAnchor {
  x: number
  y: number
}

export type ItemAction = 'open' | 'download' | 'rename' | 'move' | 'versions' | 'conflict' | 'remove'

export interface ItemMenuProps {
  /** What the menu is for: one item, or all that are selected. */
  items: readonly Item[]
  anchor: MenuAnchor
  onAction: (action: ItemAction) => void
  onClose: () => void
}

interface Entry {
  action: ItemAction
  label: string
  icon: LucideIcon
  keys?: string
}

/** The actions that make sense for these items, in groups. */
function entriesFor(items: readonly Item[]): Entry[][] {
  const [first] = items
  const single = items.length === 1 ? first : undefined
  const file = single?.kind === 'file' ? single : undefined
  const open: Entry[] = []
  if (single?.kind === 'folder') open.push({ action: 'open', label: 'Open', icon: FolderOpen, keys: '↵' })
  if (file !== undefined && canPreview(file))
    open.push({ action: 'open', label: 'Open', icon: Eye, keys: '↵' })
  open.push({ action: 'download', label: 'Download', icon: Download })
  const change: Entry[] = []
  if (single !== undefined) change.push({ action: 'rename', label: 'Rename…', icon: Pencil, keys: 'F2' })
  change.push({ action: 'move', label: 'Move…', icon: ArrowRightLeft })
  if (file !== undefined) change.push({ action: 'versions', label: 'Versions…', icon: History })
  if (file?.conflict === true) change.push({ action: 'conflict', label: 'Resolve conflict…', icon: GitFork })
  return [open, change, [{ action: 'remove', label: 'Delete', icon: Trash2, keys: 'Del' }]]
}

export function ItemMenu({ items, anchor, onAction, onClose }: ItemMenuProps) {
  const groups = entriesFor(items)
  return (
    <PointPopover
      point={anchor}
      onClose={onClose}
      offset={2}
      className={controlStyles.popover}
      aria-label="Actions"
    >
      <Menu
        className={controlStyles.menu}
        aria-label="Actions"
        autoFocus="first"
        onAction={(key) => {
          onClose()
          onAction(key as ItemAction)
        }}
      >
        {groups.flatMap((entries, group) => [
          ...(group === 0
            ? []
            : [<Separator key={`separator-${entries[0]?.action}`} className={controlStyles.separator} />]),
          ...entries.map(({ action, label, icon: Icon, keys }) => (
            <MenuItem
              key={action}
              id={action}
              textValue={label}
              className={classes(controlStyles.menuItem, action === 'remove' && controlStyles.destructive)}
            >
              <Icon size={16} aria-hidden />
              {label}
              {keys !== undefined && <kbd>{keys}</kbd>}
            </MenuItem>
          )),
        ])}
      </Menu>
    </PointPopover>
  )
}
