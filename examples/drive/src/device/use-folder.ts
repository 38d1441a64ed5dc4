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
    let settled = false
    const stop = live.subscribe((items) => {
      if (items.length === 0 && !settled) return
      settled = true
      setView({ state: 'ready', items })
    })
    // A live value is empty until it is known: only the folder itself tells whether it is.
    exists(workspace, path, controller.signal).then(
      () => {
        settled = true
        setView({ state: 'ready', items: live.value })
      },
      (error: unknown) => {
        if (controller.signal.aborted || settled) return
        setView({ state: 'failed', items: [], failure: describeFailure(error) })
      },
    )
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
