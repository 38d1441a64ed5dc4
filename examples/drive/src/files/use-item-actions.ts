import type { Item, Workspace } from '@peerfold/core'
import { useMemo } from 'react'
import { count } from '../app/format.js'
import { say, sayFailed } from '../app/toasts.js'
import { bringBack, moveBack, moveItems, removeItems, renameItem } from './file-actions.js'
import { baseName } from './names.js'

export interface ItemActions {
  rename(item: Item, name: string): Promise<void>
  move(paths: readonly string[], folder: string): Promise<void>
  remove(items: readonly Item[]): Promise<void>
}

/** What people do with items, with a word about how it went and a way back. */
export function useItemActions(workspace: Workspace): ItemActions {
  return useMemo(() => {
    const undo = (what: string, work: () => Promise<void>) => ({
      label: 'Undo',
      run: () => void work().catch((error: unknown) => sayFailed(what, error)),
    })
    return {
      async rename(item, name) {
        await renameItem(workspace, item, name).catch((error: unknown) =>
          sayFailed(`“${item.name}” could not be renamed`, error),
        )
      },
      async move(paths, folder) {
        try {
          const moved = await moveItems(workspace, paths, folder)
          if (moved.length === 0) return
          const what =
            moved.length === 1 ? `“${baseName(moved[0]?.from ?? '')}”` : count(moved.length, 'item')
          const where = folder === '' ? workspace.name : baseName(folder)
          say(
            `Moved ${what} to “${where}”`,
            undo('It could not be moved back', () => moveBack(workspace, moved)),
          )
        } catch (error) {
          sayFailed('Nothing was moved', error)
        }
      },
      async remove(items) {
        try {
          const removed = await removeItems(workspace, items)
          const what = items.length === 1 ? `“${items[0]?.name}”` : count(items.length, 'item')
          say(
            `Deleted ${what}`,
            undo('Not all could be brought back', () => bringBack(workspace, removed)),
          )
        } catch (error) {
          sayFailed('Nothing was deleted', error)
        }
      },
    }
  }, [workspace])
}
