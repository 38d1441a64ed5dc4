import type { Workspace } from '@peerfold/core'
import { useEffect, useState } from 'react'
import { usePeerfold } from './context.js'
import { describeFailure, type Failure } from './failure.js'

export interface OpenedWorkspace {
  workspace?: Workspace
  failure?: Failure
}

/** Opens a workspace for as long as it is shown. */
export function useWorkspace(id: string): OpenedWorkspace {
  const peerfold = usePeerfold()
  const [opened, setOpened] = useState<OpenedWorkspace>({})
  useEffect(() => {
    const controller = new AbortController()
    const opening = peerfold.workspaces.open(id, { signal: controller.signal })
    opening.then(
      (workspace) => {
        if (!controller.signal.aborted) setOpened({ workspace })
      },
      (error: unknown) => {
        if (!controller.signal.aborted) setOpened({ failure: describeFailure(error) })
      },
    )
    return () => {
      controller.abort()
      setOpened({})
      void opening.then((workspace) => workspace.close(), ignoreFailed)
    }
  }, [peerfold, id])
  return opened
}

/** What could not be opened is said already, and needs no closing. */
function ignoreFailed(): void {}
