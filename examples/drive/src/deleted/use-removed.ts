import type { Workspace } from '@peerfold/core'
import { useEffect, useState } from 'react'
import { describeFailure, type Failure } from '../device/failure.js'
import { followRemoved, type RemovedFiles } from './follow-removed.js'

export interface RemovedView extends RemovedFiles {
  state: 'loading' | 'ready' | 'failed'
  failure?: Failure
}

const LOADING: RemovedView = { state: 'loading', files: [], more: false }

/** At most `limit` of the files that were removed from a workspace, kept up to date. */
export function useRemoved(workspace: Workspace, limit: number): RemovedView {
  const [view, setView] = useState(LOADING)
  useEffect(() => {
    const controller = new AbortController()
    const { signal } = controller
    followRemoved(workspace, {
      limit,
      signal,
      onFiles: (removed) => {
        if (!signal.aborted) setView({ state: 'ready', ...removed })
      },
    }).catch((error: unknown) => {
      if (!signal.aborted)
        setView({ state: 'failed', files: [], more: false, failure: describeFailure(error) })
    })
    return () => controller.abort()
  }, [workspace, limit])
  return view
}
