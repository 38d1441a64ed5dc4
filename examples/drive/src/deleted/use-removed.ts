import type { Workspace } from '@peerfold/core'
import { useEffect, useState } from 'react'
import { describeFailure, type Failure } from '../device/failure.js'
import { followRemoved, type RemovedFiles } from './follow-removed.js'

interface RemovedView extends RemovedFiles {
  state: 'loading' | 'ready' | 'failed'
  failure?: Failure
}

const LOADING: RemovedView = { state: 'loading', files: [], more: false }

/** At most `limit` of the files that were removed from a workspace, kept up to date; `retry` begins anew after a failure. */
export function useRemoved(workspace: Workspace, limit: number): RemovedView & { retry: () => void } {
  const [view, setView] = useState(LOADING)
  const [attempt, setAttempt] = useState(0)
  // biome-ignore lint/correctness/useExhaustiveDependencies: another attempt lists them again.
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
  }, [workspace, limit, attempt])
  const retry = () => {
    setView(LOADING)
    setAttempt(attempt + 1)
  }
  return { ...view, retry }
}
