import type { Peerfold } from '@peerfold/core'
import { lazy, Suspense, useEffect, useState } from 'react'
import { PeerfoldProvider } from '../device/context.js'
import { describeFailure, type Failure } from '../device/failure.js'
import { openDevice } from '../device/open-device.js'
import { Button } from './controls.js'
import { Drive } from './drive.js'
import { FailureNotice } from './failure-notice.js'
import { Splash } from './splash.js'
import { Toasts } from './toasts.js'
import { followUpdates } from './updates.js'

const Welcome = lazy(() => import('../welcome/welcome.js'))

type Opening =
  | { state: 'opening' }
  | { state: 'failed'; failure: Failure }
  | { state: 'open'; peerfold: Peerfold; known: boolean }

export function App() {
  const [opening, setOpening] = useState<Opening>({ state: 'opening' })
  const [attempt, setAttempt] = useState(0)

  useEffect(() => void followUpdates(), [])
  // biome-ignore lint/correctness/useExhaustiveDependencies: another attempt opens it again.
  useEffect(() => {
    let shown = true
    openDevice().then(
      (peerfold) => shown && setOpening({ state: 'open', peerfold, known: peerfold.hasIdentity }),
      (error: unknown) => shown && setOpening({ state: 'failed', failure: describeFailure(error) }),
    )
    return () => {
      shown = false
    }
  }, [attempt])

  if (opening.state === 'opening') return <Splash>Opening your files in this browser…</Splash>
  if (opening.state === 'failed') {
    const again = () => {
      setOpening({ state: 'opening' })
      setAttempt(attempt + 1)
    }
    return (
      <Splash>
        <FailureNotice failure={opening.failure} />
        <Button onPress={again}>Try again</Button>
      </Splash>
    )
  }
  const { peerfold, known } = opening
  return (
    <PeerfoldProvider value={peerfold}>
      {known ? (
        <Drive />
      ) : (
        <Suspense fallback={<Splash />}>
          <Welcome onReady={() => setOpening({ state: 'open', peerfold, known: true })} />
        </Suspense>
      )}
      <Toasts />
    </PeerfoldProvider>
  )
}
