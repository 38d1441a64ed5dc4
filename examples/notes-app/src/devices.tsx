import type { Peerfold, Status, WorkspaceStatus } from '@peerfold/core'
import { useActionState, useEffect, useRef, useState } from 'react'
import { messageOf, useLive } from './live.js'

/** At the foot of the list: in sync or not, on how many machines, and the way to one more. */
export function Devices({ peerfold, workspace }: { peerfold: Peerfold; workspace: string }) {
  const status = useLive(peerfold.status)
  const dialog = useRef<HTMLDialogElement>(null)
  const [isOpen, setOpen] = useState(false)
  const notes = status.workspaces.find(({ id }) => id === workspace)
  return (
    <footer>
      <p role="status" data-state={notes?.state}>
        {describe(status, notes)}
      </p>
      <button
        type="button"
        onClick={() => {
          dialog.current?.showModal()
          setOpen(true)
        }}
      >
        Invite a device
      </button>
      <dialog ref={dialog} aria-labelledby="invite" onClose={() => setOpen(false)}>
        <h2 id="invite">Invite a device</h2>
        {/* An invitation is made when it is looked at, and worthless afterwards. */}
        {isOpen && <Invitation peerfold={peerfold} status={status} />}
        <form method="dialog">
          <button type="submit">Close</button>
        </form>
      </dialog>
    </footer>
  )
}

function describe({ problem, peers }: Status, notes: WorkspaceStatus | undefined): string {
  if (notes === undefined) return 'Opening…'
  const { state, error, pending, copies } = notes
  if (error !== undefined) return error.message
  if (pending.files > 0) return `Waiting for ${pending.files} of ${notes.files} files`
  if (state === 'syncing') return 'Syncing…'
  // A browser may wipe what a page keeps, so it is none of the copies.
  const kept =
    copies.min === 0
      ? 'in browsers only'
      : `kept on ${copies.min} ${copies.min === 1 ? 'machine' : 'machines'}`
  if (peers.length === 0) return 'Only in this browser'
  if (state === 'offline' || problem !== undefined) return `Offline · ${kept}`
  return `In sync · ${kept}`
}

function Invitation({ peerfold, status }: { peerfold: Peerfold; status: Status }) {
  const [ticket, setTicket] = useState('')
  const [outcome, setOutcome] = useState<string>()
  const [isCopied, setCopied] = useState(false)
  // Nobody can call a browser. Others reach it through a relay, by a circuit that it keeps open there.
  const isReachable = status.addresses.some((address) => address.includes('/p2p-circuit'))
  useEffect(() => {
    if (!isReachable) return
    const controller = new AbortController()
    const { signal } = controller
    const invite = async () => {
      await using made = await peerfold.devices.invite({ signal })
      setTicket(made.ticket)
      const { name } = await made.accepted({ signal })
      setOutcome(`“${name}” has joined.`)
    }
    invite().catch((error: unknown) => {
      if (!signal.aborted) setOutcome(messageOf(error))
    })
    return () => controller.abort()
  }, [peerfold, isReachable])

  if (outcome !== undefined) return <p role="status">{outcome}</p>
  if (status.relays.length === 0) return <AddRelay peerfold={peerfold} />
  if (ticket === '') return <p role="status">Reaching the relay…</p>
  return (
    <>
      <label htmlFor="invitation">
        Paste this into the app on the other device. It works once, for ten minutes.
      </label>
      <textarea id="invitation" value={ticket} readOnly rows={6} onFocus={(event) => event.target.select()} />
      <button
        type="button"
        className="primary"
        onClick={() => void navigator.clipboard.writeText(ticket).then(() => setCopied(true))}
      >
        {isCopied ? 'Copied' : 'Copy'}
      </button>
    </>
  )
}

/** The address may be given with the app's own: `?relay=/dns4/…`. */
function AddRelay({ peerfold }: { peerfold: Peerfold }) {
  const given = new URLSearchParams(location.search).get('relay') ?? ''
  const [failure, add, adding] = useActionState(async (_: string | undefined, form: FormData) => {
    try {
      await peerfold.relays.add(String(form.get('relay')).trim())
      return undefined
    } catch (error) {
      return messageOf(error)
    }
  }, undefined)
  return (
    <form action={add}>
      <label htmlFor="relay">
        Browsers meet at a relay. It is always on, keeps your notes sealed, and cannot read them. Its address:
      </label>
      <input
        id="relay"
        name="relay"
        defaultValue={given}
        placeholder="/dns4/…/p2p/…"
        required
        spellCheck="false"
      />
      <button type="submit" className="primary" disabled={adding}>
        Use this relay
      </button>
      {failure !== undefined && <p role="alert">{failure}</p>}
    </form>
  )
}
