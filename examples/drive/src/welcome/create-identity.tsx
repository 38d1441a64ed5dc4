import { useState } from 'react'
import { usePeerfold } from '../device/context.js'
import { deviceName } from '../device/device-name.js'
import { useTask } from '../device/use-task.js'
import { NameField } from './name-field.js'
import { Phrase } from './phrase.js'
import { Step } from './step.js'

const FIRST_WORKSPACE = 'My files'

export function CreateIdentity({ onBack, onReady }: { onBack: () => void; onReady: () => void }) {
  const peerfold = usePeerfold()
  const [name, setName] = useState(() => deviceName(navigator.userAgent))
  const [phrase, setPhrase] = useState<string>()
  const task = useTask(async (signal) => {
    const created = await peerfold.identity.create({ name: name.trim(), signal })
    setPhrase(created.phrase)
  })
  // A first workspace that could not be made is no reason to keep a person here: the drive offers to make one.
  const begin = useTask(async (signal) => {
    const workspace = await peerfold.workspaces.create(FIRST_WORKSPACE, { signal })
    await workspace.close()
  })
  if (phrase !== undefined) {
    return (
      <Phrase
        phrase={phrase}
        onKept={() => {
          void begin.run().then(onReady)
        }}
      />
    )
  }
  return (
    <Step
      title="Start new"
      lead="This makes your keys, here in this browser. There is no account and no password."
      task={task}
      waiting="Making your keys…"
      submit="Create"
      ready={name.trim() !== ''}
      onBack={onBack}
    >
      <NameField value={name} onChange={setName} isDisabled={task.running} />
    </Step>
  )
}
