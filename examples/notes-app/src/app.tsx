import { openPeerfold } from '@peerfold/browser'
import type { Peerfold, Workspace } from '@peerfold/core'
import { useEffect, useState } from 'react'
import { messageOf } from './live.js'
import { Notebook } from './notebook.js'
import { openNotes } from './notes.js'
import { Welcome } from './welcome.js'

interface Opened {
  peerfold?: Peerfold
  /** Only where the device has an identity. */
  notes?: Workspace
  failure?: string
}

// Once for the page, not once for a component: React may mount those twice. All tabs of the app share one device; nothing has to be closed, since a
// tab that goes hands it on to the next.
const device = openPeerfold({ name: 'Notes in a browser' })
device.catch(() => {}) // Said by the component.

let notebook: Promise<Workspace> | undefined

async function open(): Promise<Opened> {
  const peerfold = await device
  if (!peerfold.hasIdentity) return { peerfold }
  notebook ??= openNotes(peerfold)
  return { peerfold, notes: await notebook }
}

export function App() {
  const [{ peerfold, notes, failure }, setOpened] = useState<Opened>({})
  const openAgain = () =>
    open()
      .catch((error: unknown) => ({ failure: messageOf(error) }))
      .then(setOpened)
  // biome-ignore lint/correctness/useExhaustiveDependencies: once, at the beginning.
  useEffect(() => void openAgain(), [])

  if (failure !== undefined) {
    return (
      <main className="card">
        <h1>Notes cannot be opened</h1>
        <p role="alert">{failure}</p>
        <button type="button" onClick={() => location.reload()}>
          Try again
        </button>
      </main>
    )
  }
  if (peerfold === undefined) return <p className="hint opening">Opening your notes…</p>
  if (notes === undefined) return <Welcome peerfold={peerfold} onReady={openAgain} />
  return <Notebook peerfold={peerfold} workspace={notes} />
}
