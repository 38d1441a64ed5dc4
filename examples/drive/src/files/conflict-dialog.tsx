import type { Conflict, Item, Version, Workspace } from '@peerfold/core'
import { useEffect, useState } from 'react'
import { RadioGroup } from 'react-aria-components'
import { Button } from '../app/controls.js'
import { Dialog } from '../app/dialog.js'
import { Waiting } from '../app/empty-state.js'
import { FailureNotice } from '../app/failure-notice.js'
import { say } from '../app/toasts.js'
import { useTask } from '../device/use-task.js'
import { ConflictChoice } from './conflict-choice.js'
import styles from './conflict-dialog.module.css'
import { keepBoth } from './keep-both.js'

export interface ConflictDialogProps {
  workspace: Workspace
  item: Item
  onClose: () => void
}

/** A file that was changed on several devices at once: which of its contents stays, or all of them. */
export default function ConflictDialog({ workspace, item, onClose }: ConflictDialogProps) {
  const [conflict, setConflict] = useState<Conflict>()
  const [chosen, setChosen] = useState<string>()
  const looking = useTask(async (signal) => {
    for await (const found of workspace.conflicts({ signal })) {
      if (found.item !== item.id) continue
      setConflict(found)
      setChosen(found.versions[0]?.id)
      return
    }
    onClose()
  })
  const deciding = useTask(async (signal, both: boolean) => {
    if (conflict === undefined) return
    if (both) await keepBoth(workspace, conflict, signal)
    else await workspace.resolve(item.path, { version: chosen as Version['id'] }, { signal })
    say(both ? `All versions of “${item.name}” were kept` : `The conflict of “${item.name}” is resolved`)
    onClose()
  })
  const { run } = looking
  useEffect(() => void run(), [run])

  return (
    <Dialog
      title={`“${item.name}” has ${conflict === undefined || conflict.versions.length === 2 ? 'two' : conflict.versions.length} contents`}
      onClose={onClose}
      wide
      actions={
        <>
          <Button
            onPress={() => void deciding.run(true)}
            isDisabled={conflict === undefined || deciding.running}
          >
            {conflict !== undefined && conflict.versions.length > 2 ? 'Keep all' : 'Keep both'}
          </Button>
          <Button
            look="primary"
            onPress={() => void deciding.run(false)}
            isDisabled={chosen === undefined || deciding.running}
          >
            Keep the chosen one
          </Button>
        </>
      }
    >
      <p className={styles.lead}>
        It was changed on several devices before they met. Choose what stays; the rest remains among its
        versions.
      </p>
      {looking.running && <Waiting>Looking at them…</Waiting>}
      {conflict !== undefined && (
        <RadioGroup
          aria-label="Content to keep"
          value={chosen ?? null}
          onChange={setChosen}
          className={styles.choices}
        >
          {conflict.versions.map((version) => (
            <ConflictChoice key={version.id} workspace={workspace} item={item} version={version} />
          ))}
        </RadioGroup>
      )}
      {deciding.running && <Waiting onCancel={deciding.cancel}>Writing it down…</Waiting>}
      {(looking.failure ?? deciding.failure) !== undefined && (
        <FailureNotice
          failure={(looking.failure ?? deciding.failure) as NonNullable<typeof looking.failure>}
        />
      )}
    </Dialog>
  )
}
