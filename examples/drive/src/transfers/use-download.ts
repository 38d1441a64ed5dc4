import type { Item, Workspace } from '@peerfold/core'
import { sayFailed } from '../app/toasts.js'
import { useTransfers } from './context.js'
import { canPickTarget, pickTarget } from './pick.js'
import { saveFile } from './save-file.js'

/** Between two downloads: browsers drop some of those that a page starts at once. */
const PAUSE_MS = 400

/** Downloads a file by the browser's own means; several, and folders, into a folder that is chosen, or one after the other. */
export function useDownload(workspace: Workspace): (items: readonly Item[]) => Promise<void> {
  const { downloads } = useTransfers()
  return async (items) => {
    const [first] = items
    if (items.length === 1 && first?.kind === 'file') return saveFile(workspace.id, first.path)
    try {
      if (!canPickTarget) return await saveOneByOne(workspace, items)
      const target = await pickTarget()
      if (target !== undefined) await downloads.start(workspace, items, target)
    } catch (error) {
      sayFailed('The download did not start', error)
    }
  }
}

async function saveOneByOne(workspace: Workspace, items: readonly Item[]): Promise<void> {
  for (const item of items) {
    if (item.kind === 'file') await saveAndPause(workspace, item)
    else
      for await (const below of workspace.list(item.path, { recursive: true }))
        await saveAndPause(workspace, below)
  }
}

async function saveAndPause(workspace: Workspace, item: Item): Promise<void> {
  if (item.type !== 'file') return
  saveFile(workspace.id, item.path)
  await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
}
