import type { RemovedItem, Workspace } from '@peerfold/core'
import { useState } from 'react'
import { count } from '../app/format.js'
import { navigate } from '../app/route.js'
import { say } from '../app/toasts.js'
import { type Task, useTask } from '../device/use-task.js'
import { baseName, parentPath } from '../files/names.js'
import { restoreFile } from '../files/restore-file.js'

export interface Restoring extends Pick<Task<[]>, 'running' | 'failure' | 'cancel'> {
  /** Files that are back, and those that are to come back, of the present run. */
  done: number
  total: number
  restore: (files: readonly RemovedItem[]) => Promise<boolean>
}

/** Brings removed files back, one after the other, and says where they are. */
export function useRestoring(workspace: Workspace): Restoring {
  const [{ done, total }, setProgress] = useState({ done: 0, total: 0 })
  const { running, failure, cancel, run } = useTask(async (signal, files: readonly RemovedItem[]) => {
    const paths: string[] = []
    setProgress({ done: 0, total: files.length })
    for (const file of files) {
      paths.push(await restoreFile(workspace, file, signal))
      setProgress({ done: paths.length, total: files.length })
    }
    sayRestored(workspace, paths)
  })
  return { running, failure, cancel, done, total, restore: run }
}

function sayRestored(workspace: Workspace, paths: readonly string[]): void {
  const [first] = paths
  if (first === undefined) return
  const folder = parentPath(first)
  const show = { label: 'Show', run: () => navigate({ workspace: workspace.id, path: folder }) }
  if (paths.length === 1) {
    say(`“${baseName(first)}” is in “${folder === '' ? workspace.name : baseName(folder)}” again`, show)
  } else {
    const together = paths.every((path) => parentPath(path) === folder)
    say(`${count(paths.length, 'file is', 'files are')} back`, together ? show : undefined)
  }
}
