import type { Item } from '@peerfold/core'
import { useEffect, useRef, useState } from 'react'
import { Dialog, Form } from 'react-aria-components'
import { TextField } from '../app/controls.js'
import { PointPopover } from '../app/point-popover.js'
import type { MenuAnchor } from './item-menu.js'
import { nameProblem, splitExtension } from './names.js'
import styles from './rename-field.module.css'

export interface RenameFieldProps {
  item: Item
  /** Where the item's name is. */
  anchor: MenuAnchor
  taken: ReadonlySet<string>
  onRename: (name: string) => void
  onClose: () => void
}

/** Renames an item where it is: Enter takes the name, Escape leaves it. */
export function RenameField({ item, anchor, taken, onRename, onClose }: RenameFieldProps) {
  const form = useRef<HTMLFormElement>(null)
  const [name, setName] = useState(item.name)
  const changed = name.trim() !== item.name
  const problem = changed ? nameProblem(name.trim(), taken) : undefined

  // The extension stays unless a person wants to change it.
  useEffect(() => {
    const input = form.current?.querySelector('input')
    const stem = item.kind === 'file' ? splitExtension(item.name)[0] : item.name
    input?.focus()
    input?.setSelectionRange(0, stem.length)
  }, [item])

  return (
    <PointPopover point={anchor} onClose={onClose} offset={0} className={styles.popover}>
      <Dialog aria-label={`Rename ${item.name}`} className={styles.dialog}>
        <Form
          ref={form}
          onSubmit={(event) => {
            event.preventDefault()
            if (problem !== undefined) return
            onClose()
            if (changed) onRename(name.trim())
          }}
        >
          <TextField
            label="New name"
            value={name}
            onChange={setName}
            autoComplete="off"
            spellCheck="false"
            description="Enter to rename, Escape to leave it"
            {...(problem !== undefined && { error: problem })}
          />
        </Form>
      </Dialog>
    </PointPopover>
  )
}
