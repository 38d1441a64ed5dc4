import type { Peerfold, Status } from '@peerfold/core'
import { createContext, useContext } from 'react'
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
