import { useCallback, useEffect, useRef, useState } from 'react'
import { describeFailure, type Failure, isCancelled } from './failure.js'

export interface Task<A extends unknown[]> {
  running: boolean
  failure: Failure | undefined
  /** Resolves true when it went well; a run that is under way is cancelled first. */
  run(...args: A): Promise<boolean>
  cancel(): void
  /** Forgets the failure. */
  clear(): void
}

/** Something asynchronous that a person started, waits for, and can cancel. Ends with the component. */
export function useTask<A extends unknown[]>(
  work: (signal: AbortSignal, ...args: A) => Promise<void>,
): Task<A> {
  const [running, setRunning] = useState(false)
  const [failure, setFailure] = useState<Failure>()
  const controller = useRef<AbortController>(undefined)
  const latest = useRef(work)
  latest.current = work

  useEffect(() => () => controller.current?.abort(), [])

  const run = useCallback(async (...args: A): Promise<boolean> => {
    controller.current?.abort()
    const own = new AbortController()
    controller.current = own
    setRunning(true)
    setFailure(undefined)
    try {
      await latest.current(own.signal, ...args)
      return !own.signal.aborted
    } catch (error) {
      if (!own.signal.aborted && !isCancelled(error)) setFailure(describeFailure(error))
      return false
    } finally {
      if (controller.current === own) setRunning(false)
    }
  }, [])
  const cancel = useCallback(() => {
    controller.current?.abort()
    setRunning(false)
  }, [])
  const clear = useCallback(() => setFailure(undefined), [])
  return { running, failure, run, cancel, clear }
}
