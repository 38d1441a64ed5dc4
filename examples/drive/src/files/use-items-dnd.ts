import type { Item, Workspace } from '@peerfold/core'
import { type DragAndDropHooks, type DropItem, useDragAndDrop } from 'react-aria-components'
import { DRAG_TYPE, draggedPaths, toDragItems } from './dragged-items.js'

export interface ItemsDragAndDrop {
  workspace: Workspace
  items: readonly Item[]
  /** Files and folders from outside were dropped: on a folder that is shown, or between items. */
  onFiles: (dropped: DropItem[], folder: string | undefined) => void
  /** Items were dropped on a folder. */
  onMove: (paths: string[], folder: string) => void
  isDisabled: boolean
}

/** Dragging items onto folders, and dropping files from outside on the list or on one of its folders. */
export function useItemsDragAndDrop(init: ItemsDragAndDrop): DragAndDropHooks<Item> {
  const { workspace, items, onFiles, onMove, isDisabled } = init
  const folderAt = (key: unknown) => items.find((item) => item.id === key && item.kind === 'folder')
  const { dragAndDropHooks } = useDragAndDrop<Item>({
    isDisabled,
    getItems: (_, dragged) => toDragItems(workspace, dragged),
    acceptedDragTypes: 'all',
    shouldAcceptItemDrop: (target) => target.dropPosition === 'on' && folderAt(target.key) !== undefined,
    getDropOperation(target, types) {
      if (!types.has(DRAG_TYPE)) return 'copy'
      return target.type === 'root' ? 'cancel' : 'move'
    },
    onItemDrop: async (event) => {
      const folder = folderAt(event.target.key)
      if (folder === undefined) return
      const paths = await draggedPaths(event.items, workspace)
      if (paths !== undefined) onMove(paths, folder.path)
      else onFiles(event.items, folder.path)
    },
    onRootDrop: (event) => onFiles(event.items, undefined),
  })
  return dragAndDropHooks
}
