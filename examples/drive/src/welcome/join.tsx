import { useState } from 'react'
import { TextField } from '../app/controls.js'
import { forgetHash } from '../app/route.js'
import { usePeerfold } from '../device/context.js'
import { deviceName } from '../device/device-name.js'
import { useTask } from '../device/use-task.js'
import { NameField } from './name-field.js'
import { Step } from './step.js'
import { ticketIn } from './ticket-text.js'

export interface JoinProps {
  /** From the link that opened the page. */
  ticket: string | undefined
  onBack: () => void
  onReady: () => void
}

export function Join({ ticket: given, onBack, onReady }: JoinProps) {
  const peerfold = usePeerfold()
  const [pasted, setPasted] = useState('')
  const [name, setName] = useState(() => deviceName(navigator.userAgent))
  const ticket = given ?? ticketIn(pasted)
  const task = useTask(async (signal) => {
    const joined = await peerfold.devices.join(ticket, { name: name.trim(), signal })
    for (const workspace of joined) await workspace.close()
    forgetHash()
    onReady()
  })
  const leave = () => {
    if (given !== undefined) forgetHash()
    onBack()
  }
  return (
    <Step
      title="Join my other devices"
      lead={
        given === undefined
          ? 'On a device that you use already, choose “Invite a device” (or run “peerfold invite”), and paste what it shows.'
          : 'You opened an invitation. Join, and your files appear here and stay the same as on your other devices.'
      }
      task={task}
      waiting="Reaching the device that made the invitation…"
      submit="Join"
      ready={ticket !== '' && name.trim() !== ''}
      onBack={leave}
    >
      {given === undefined && (
        <TextField
          label="Invitation"
          value={pasted}
          onChange={setPasted}
          isDisabled={task.running}
          rows={4}
          mono
          placeholder="peerfold:…"
          autoComplete="off"
          spellCheck="false"
          autoFocus
        />
      )}
      <NameField value={name} onChange={setName} isDisabled={task.running} />
    </Step>
  )
}
