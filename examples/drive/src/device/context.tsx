import type { Peerfold, Status, WorkspaceStatus } from '@peerfold/core'
import { createContext, useContext, useMemo } from 'react'
import { useLive } from './use-live.js'

const PeerfoldContext = createContext<Peerfold | undefined>(undefined)

export const PeerfoldProvider = PeerfoldContext.Provider

export function usePeerfold(): Peerfold {
  const peerfold = useContext(PeerfoldContext)
  if (peerfold === undefined) throw new Error('there is no device above this component')
  return peerfold
}

/** Only where the device has an identity. */
export function useStatus(): Status {
  return useLive(usePeerfold().status)
}

const names = new Intl.Collator(undefined, { numeric: true })

/** By name. */
export function useWorkspaces(): WorkspaceStatus[] {
  const { workspaces } = useStatus()
  return useMemo(() => [...workspaces].sort((a, b) => names.compare(a.name, b.name)), [workspaces])
}
