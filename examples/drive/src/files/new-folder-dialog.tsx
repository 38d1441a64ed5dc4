import type { Workspace } from '@peerfold/core'
import { useState } from 'react'
import { Form } from 'react-aria-components'
import { Button, TextField } from '../app/controls.js'
import { Dialog } from '../app/dialog.js'
import { FailureNotice } from '../app/failure-notice.js'
import { useTask } from '../device/use-task.js'
import { joinPath, nameProblem } from './names.js'

export interface NewFolderDialogProps {
  workspace: Workspace
  parent: string
  taken: ReadonlySet<string>
  onClose: () => void
}

export default function NewFolderDialog({ workspace, parent, taken, onClose }: NewFolderDialogProps) {
  const [name, setName] = useState('')
  const problem = nameProblem(name.trim(), taken)
  const task = useTask(async (signal) => {
    await workspace.mkdir(joinPath(parent, name.trim()), { signal })
    onClose()
  })
  return (
    <Dialog title="New folder" onClose={onClose}>
      <Form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault()
          if (problem === undefined) void task.run()
        }}
      >
        <TextField
          label="Name"
          value={name}
          onChange={setName}
          autoFocus
          autoComplete="off"
          {...(name !== '' && problem !== undefined && { error: problem })}
        />
        {task.failure !== undefined && <FailureNotice failure={task.failure} />}
        <div className="buttons">
          <Button onPress={onClose}>Cancel</Button>
          <Button type="submit" look="primary" isDisabled={problem !== undefined || task.running}>
            Create
          </Button>
        </div>
      </Form>
    </Dialog>
  )
}
