import {
  ArrowRightLeft,
  Download,
  FolderPlus,
  FolderUp,
  LayoutGrid,
  List,
  Plus,
  Trash2,
  Upload,
  X,
} from 'lucide-react'
import type { ReactNode } from 'react'
import {
  Menu,
  MenuItem,
  MenuTrigger,
  Separator,
  ToggleButton,
  ToggleButtonGroup,
  Toolbar,
} from 'react-aria-components'
import { Button, classes, controlStyles, IconButton, Popover } from '../app/controls.js'
import { count } from '../app/format.js'
import type { View } from './item-list.js'
import type { ItemAction } from './item-menu.js'
import styles from './toolbar.module.css'

export interface FolderToolbarProps {
  view: View
  onView: (view: View) => void
  onUploadFiles: () => void
  onUploadFolder: () => void
  onNewFolder: () => void
}

/** What can be done in a folder. */
export function FolderToolbar({ view, onView, ...add }: FolderToolbarProps) {
  return (
    <Toolbar aria-label="Folder" className={styles.toolbar}>
      <ToggleButtonGroup
        aria-label="View"
        className={styles.views}
        selectionMode="single"
        disallowEmptySelection
        selectedKeys={[view]}
        onSelectionChange={(keys) => onView([...keys][0] as View)}
      >
        <ToggleButton
          id="list"
          aria-label="List"
          className={classes(controlStyles.button, controlStyles.icon)}
        >
          <List size={17} aria-hidden />
        </ToggleButton>
        <ToggleButton
          id="grid"
          aria-label="Grid"
          className={classes(controlStyles.button, controlStyles.icon)}
        >
          <LayoutGrid size={16} aria-hidden />
        </ToggleButton>
      </ToggleButtonGroup>
      <MenuTrigger>
        <Button look="primary" className={styles.add} aria-label="Add files or folders">
          <Plus size={17} aria-hidden /> <span>Add</span>
        </Button>
        <Popover placement="bottom end" className={controlStyles.popover}>
          <AddMenu {...add} />
        </Popover>
      </MenuTrigger>
    </Toolbar>
  )
}

type AddMenuProps = Pick<FolderToolbarProps, 'onUploadFiles' | 'onUploadFolder' | 'onNewFolder'>

function AddMenu({ onUploadFiles, onUploadFolder, onNewFolder }: AddMenuProps) {
  return (
    <Menu className={controlStyles.menu} aria-label="Add">
      <MenuItem onAction={onUploadFiles} className={controlStyles.menuItem}>
        <Upload size={16} aria-hidden /> Upload files…
      </MenuItem>
      <MenuItem onAction={onUploadFolder} className={controlStyles.menuItem}>
        <FolderUp size={16} aria-hidden /> Upload folder…
      </MenuItem>
      <Separator className={controlStyles.separator} />
      <MenuItem onAction={onNewFolder} className={controlStyles.menuItem}>
        <FolderPlus size={16} aria-hidden /> New folder…
      </MenuItem>
    </Menu>
  )
}

export interface SelectionBarProps {
  /** How many are selected. */
  selected: number
  onClear: () => void
  /** What can be done with them. */
  children: ReactNode
}

/** In place of a toolbar while something is selected. */
export function SelectionBar({ selected, onClear, children }: SelectionBarProps) {
  return (
    <Toolbar aria-label="Selection" className={classes(styles.toolbar, styles.selection)}>
      <IconButton label="Clear selection" onPress={onClear}>
        <X size={17} aria-hidden />
      </IconButton>
      <span className={styles.count} role="status">
        {count(selected, 'selected', 'selected')}
      </span>
      {children}
    </Toolbar>
  )
}

export interface SelectionToolbarProps extends Omit<SelectionBarProps, 'children'> {
  onAction: (action: ItemAction) => void
}

/** What can be done with all that is selected. */
export function SelectionToolbar({ onAction, ...selection }: SelectionToolbarProps) {
  return (
    <SelectionBar {...selection}>
      <IconButton label="Download" onPress={() => onAction('download')}>
        <Download size={17} aria-hidden />
      </IconButton>
      <IconButton label="Move" onPress={() => onAction('move')}>
        <ArrowRightLeft size={17} aria-hidden />
      </IconButton>
      <IconButton label="Delete" onPress={() => onAction('remove')}>
        <Trash2 size={17} aria-hidden />
      </IconButton>
    </SelectionBar>
  )
}
