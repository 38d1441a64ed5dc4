import { useState } from 'react'
import { Form } from 'react-aria-components'
import { usePeerfold } from '../device/context.js'
import { useTask } from '../device/use-task.js'
import { Button, TextField } from './controls.js'
import { Dialog } from './dialog.js'
import { FailureNotice } from './failure-notice.js'
import { navigate } from './route.js'

export default function NewWorkspaceDialog({ onClose }: { onClose: () => void }) {
  const peerfold = usePeerfold()
  const [name, setName] = useState('')
  const task = useTask(async (signal) => {
    await using workspace = await peerfold.workspaces.create(name.trim(), { signal })
    navigate({ workspace: workspace.id, path: '' })
    onClose()
  })
  return (
    <Dialog title="New workspace" onClose={onClose}>
      <Form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault()
          if (name.trim() !== '') void task.run()
        }}
      >
        <TextField
          label="Name"
          description="A drive of its own, the same on all your devices."
          value={name}
          onChange={setName}
          maxLength={200}
          autoFocus
          autoComplete="off"
        />
        {task.failure !== undefined && <FailureNotice failure={task.failure} />}
        <div className="buttons">
          <Button onPress={onClose}>Cancel</Button>
          <Button type="submit" look="primary" isDisabled={name.trim() === '' || task.running}>
            Create
          </Button>
        </div>
      </Form>
    </Dialog>
  )
}
