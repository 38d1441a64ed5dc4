import type { Item, Workspace } from '@peerfold/core'
import { lazy, Suspense } from 'react'
import type { MenuAnchor } from './item-menu.js'
import { RenameField } from './rename-field.js'
import type { ItemActions } from './use-item-actions.js'

const ConflictDialog = lazy(() => import('./conflict-dialog.js'))
const MoveDialog = lazy(() => import('./move-dialog.js'))
const NewFolderDialog = lazy(() => import('./new-folder-dialog.js'))
const UnknownDialog = lazy(() => import('./unknown-dialog.js'))
const VersionsDialog = lazy(() => import('./versions-dialog.js'))

export type OpenDialog =
  | { kind: 'folder'; parent: string; taken: ReadonlySet<string> }
  | { kind: 'rename'; item: Item; anchor: MenuAnchor }
  | { kind: 'move'; items: readonly Item[] }
  | { kind: 'versions' | 'conflict' | 'unknown'; item: Item }

export interface ItemDialogsProps {
  dialog: OpenDialog
  workspace: Workspace
  actions: ItemActions
  /** Names in the folder that is shown. */
  taken: ReadonlySet<string>
  onDownload: (item: Item) => void
  onClose: () => void
}

/** The dialog that is open, loaded when it is asked for. */
export function ItemDialogs(props: ItemDialogsProps) {
  return (
    <Suspense>
      <Opened {...props} />
    </Suspense>
  )
}

function Opened({ dialog, workspace, actions, taken, onDownload, onClose }: ItemDialogsProps) {
  switch (dialog.kind) {
    case 'folder':
      return (
        <NewFolderDialog
          workspace={workspace}
          parent={dialog.parent}
          taken={dialog.taken}
          onClose={onClose}
        />
      )
    case 'rename': {
      const { item, anchor } = dialog
      return (
        <RenameField
          item={item}
          anchor={anchor}
          taken={taken}
          onRename={(name) => void actions.rename(item, name)}
          onClose={onClose}
        />
      )
    }
    case 'move': {
      const { items } = dialog
      const paths = items.map(({ path }) => path)
      return (
        <MoveDialog
          workspace={workspace}
          items={items}
          onMove={(folder) => void actions.move(paths, folder)}
          onClose={onClose}
        />
      )
    }
    case 'versions':
      return <VersionsDialog workspace={workspace} item={dialog.item} onClose={onClose} />
    case 'conflict':
      return <ConflictDialog workspace={workspace} item={dialog.item} onClose={onClose} />
    case 'unknown':
      return <UnknownDialog item={dialog.item} onDownload={() => onDownload(dialog.item)} onClose={onClose} />
  }
}
