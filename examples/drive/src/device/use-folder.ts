import type { Item, Workspace } from '@peerfold/core'
import { useEffect, useState } from 'react'
import { describeFailure, type Failure } from './failure.js'

export interface FolderView {
  state: 'loading' | 'ready' | 'failed'
  items: readonly Item[]
  failure?: Failure
}

const LOADING: FolderView = { state: 'loading', items: [] }

/** A folder's items, kept up to date. Those that do not change stay the objects that they were: `live` sees to that. */
export function useFolder(workspace: Workspace, path: string): FolderView {
  const [view, setView] = useState(LOADING)
  useEffect(() => {
    setView(LOADING)
    const controller = new AbortController()
    const live = workspace.live(path)
    const stop = live.subscribe((items) => {
      if (items !== undefined) setView({ state: 'ready', items })
    })
    // To a live value a folder that is gone is an empty one.
    exists(workspace, path, controller.signal).catch((error: unknown) => {
      if (controller.signal.aborted || live.value?.length) return
      stop()
      setView({ state: 'failed', items: [], failure: describeFailure(error) })
    })
    return () => {
      controller.abort()
      stop()
      live[Symbol.dispose]()
    }
  }, [workspace, path])
  return view
}

async function exists(workspace: Workspace, path: string, signal: AbortSignal): Promise<void> {
  for await (const _ of workspace.list(path, { signal })) return
}
