import { useState } from 'react'
import { TextField } from '../app/controls.js'
import { usePeerfold } from '../device/context.js'
import { deviceName } from '../device/device-name.js'
import { useTask } from '../device/use-task.js'
import { NameField } from './name-field.js'
import { phraseWords } from './phrase-words.js'
import { Step } from './step.js'

const WORDS = 24

export function Recover({ onBack, onReady }: { onBack: () => void; onReady: () => void }) {
  const peerfold = usePeerfold()
  const [phrase, setPhrase] = useState('')
  const [relay, setRelay] = useState('')
  const [name, setName] = useState(() => deviceName(navigator.userAgent))
  const words = phraseWords(phrase)
  const relays = relay.split(/\s+/).filter((address) => address !== '')
  const task = useTask(async (signal) => {
    await peerfold.identity.recover(words.join(' '), { name: name.trim(), relays, signal })
    onReady()
  })
  return (
    <Step
      title="Recover with my phrase"
      lead="Your phrase makes this browser one of your devices again, even if all others are lost."
      task={task}
      waiting={relays.length > 0 ? 'Asking the relay for your workspaces…' : 'Making the keys…'}
      submit="Recover"
      ready={words.length === WORDS && name.trim() !== ''}
      onBack={onBack}
    >
      <TextField
        label="Recovery phrase"
        description={`${words.length} of ${WORDS} words`}
        value={phrase}
        onChange={setPhrase}
        isDisabled={task.running}
        rows={4}
        mono
        autoComplete="off"
        spellCheck="false"
        autoFocus
      />
      <TextField
        label="Address of your relay"
        description="Your workspaces come from there. Without one they come from your other devices, once these are connected."
        value={relay}
        onChange={setRelay}
        isDisabled={task.running}
        mono
        placeholder="/dns4/relay.example/tcp/443/tls/ws/p2p/…"
        autoComplete="off"
        spellCheck="false"
      />
      <NameField value={name} onChange={setName} isDisabled={task.running} />
    </Step>
  )
}
