import type { Item, Workspace } from '@peerfold/core'
import type { DropItem } from 'react-aria-components'

/** Items of a workspace, as they travel in a drag. */
export const DRAG_TYPE = 'application/x-peerfold-items'

interface DragPayload {
  workspace: string
  paths: string[]
}

/** What a drag of items carries: for each, all of them, and its name for other programs. */
export function toDragItems(workspace: Workspace, items: readonly Item[]): Array<Record<string, string>> {
  const payload: DragPayload = { workspace: workspace.id, paths: items.map(({ path }) => path) }
  return items.map(({ name }) => ({ [DRAG_TYPE]: JSON.stringify(payload), 'text/plain': name }))
}

/** The paths of dragged items of this workspace; undefined for what came from outside. */
export async function draggedPaths(
  dropped: readonly DropItem[],
  workspace: Pick<Workspace, 'id'>,
): Promise<string[] | undefined> {
  for (const item of dropped) {
    if (item.kind !== 'text' || !item.types.has(DRAG_TYPE)) continue
    const payload = JSON.parse(await item.getText(DRAG_TYPE)) as DragPayload
    return payload.workspace === workspace.id ? payload.paths : []
  }
  return undefined
}
