import type { Peerfold } from '@peerfold/core'
import { useActionState, useState } from 'react'
import { messageOf } from './live.js'

interface WelcomeProps {
  peerfold: Peerfold
  onReady: () => void
}

/** A device belongs to nobody at first: it becomes the first one of a new user, or joins the others of one. */
export function Welcome({ peerfold, onReady }: WelcomeProps) {
  const [phrase, setPhrase] = useState<string>()
  const [failure, create, creating] = useActionState(async () => {
    try {
      setPhrase((await peerfold.identity.create()).phrase)
      return undefined
    } catch (error) {
      return messageOf(error)
    }
  }, undefined)

  if (phrase !== undefined) return <Phrase phrase={phrase} onKept={onReady} />
  return (
    <main className="card">
      <h1>Notes</h1>
      <p>
        They stay on your devices, and are the same on all of them. There is no account, and nobody else can
        read them.
      </p>
      <form action={create}>
        <button type="submit" className="primary" disabled={creating}>
          {creating ? 'Making your keys…' : 'Start a new notebook'}
        </button>
        {failure !== undefined && <p role="alert">{failure}</p>}
      </form>
      <Join peerfold={peerfold} onReady={onReady} />
    </main>
  )
}

function Join({ peerfold, onReady }: WelcomeProps) {
  const [{ ticket, failure }, join, joining] = useActionState(
    async (_: { ticket: string; failure?: string }, form: FormData) => {
      const ticket = String(form.get('ticket')).trim()
      try {
        await peerfold.devices.join(ticket, { signal: AbortSignal.timeout(60_000) })
        onReady()
        return { ticket }
      } catch (error) {
        return { ticket, failure: messageOf(error) }
      }
    },
    { ticket: '' },
  )
  return (
    <form action={join}>
      <h2>Or join your other devices</h2>
      <label htmlFor="ticket">Invitation, made there with “Invite a device”</label>
      {/* React resets a form after its action: what was pasted stays. */}
      <textarea
        id="ticket"
        name="ticket"
        key={ticket}
        defaultValue={ticket}
        rows={4}
        required
        spellCheck="false"
      />
      <button type="submit" disabled={joining}>
        {joining ? 'Reaching the other device…' : 'Join'}
      </button>
      {failure !== undefined && <p role="alert">{failure}</p>}
    </form>
  )
}

/** Shown once and kept nowhere: with it, and a relay, everything comes back when all devices are lost. */
function Phrase({ phrase, onKept }: { phrase: string; onKept: () => void }) {
  return (
    <main className="card">
      <h1>Your recovery phrase</h1>
      <p>
        Write these 24 words down, in this order, and keep them safe. Whoever has them can read your notes;
        without them, notes are gone when all your devices are.
      </p>
      <ol className="phrase">
        {phrase.split(' ').map((word, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: words may be there twice, and never move.
          <li key={index}>{word}</li>
        ))}
      </ol>
      <button type="button" className="primary" onClick={onKept}>
        I have written them down
      </button>
    </main>
  )
}
