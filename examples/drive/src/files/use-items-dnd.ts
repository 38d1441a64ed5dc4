import type { Item, Workspace } from '@peerfold/core'
import { type DragAndDropHooks, type DropItem, useDragAndDrop } from 'react-aria-components'

/** Items of a workspace, as they travel in a drag. */
const DRAG_TYPE = 'application/x-peerfold-items'

interface DragPayload {
  workspace: string
  paths: string[]
}

export interface ItemsDragAndDrop {
  workspace: Workspace
  items: readonly Item[]
  /** Files and folders from outside were dropped, into this folder or one that is shown in it. */
  onFiles: (dropped: DropItem[], folder: Item | undefined) => void
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
    getItems(_, dragged) {
      const payload: DragPayload = { workspace: workspace.id, paths: dragged.map((item) => item.path) }
      return dragged.map((item) => ({
        [DRAG_TYPE]: JSON.stringify(payload),
        'text/plain': item.name,
      }))
    },
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
      else onFiles(event.items, folder)
    },
    onRootDrop: (event) => onFiles(event.items, undefined),
  })
  return dragAndDropHooks
}

/** The paths of dragged items of this workspace; undefined for what came from outside. */
async function draggedPaths(dropped: DropItem[], workspace: Workspace): Promise<string[] | undefined> {
  for (const item of dropped) {
    if (item.kind !== 'text' || !item.types.has(DRAG_TYPE)) continue
    const payload = JSON.parse(await item.getText(DRAG_TYPE)) as DragPayload
    return payload.workspace === workspace.id ? payload.paths : []
  }
  return undefined
}
