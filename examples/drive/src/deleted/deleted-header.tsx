import type { Workspace } from '@peerfold/core'
import { ChevronLeft, ChevronRight, RotateCcw } from 'lucide-react'
import type { ReactNode } from 'react'
import { Breadcrumb, Breadcrumbs, Link } from 'react-aria-components'
import { Button, classes } from '../app/controls.js'
import { formatDeleted, formatRoute } from '../app/route.js'
import viewStyles from '../files/files-view.module.css'
import { ItemName } from '../files/item-name.js'
import pathStyles from '../files/path-bar.module.css'
import { SelectionBar } from '../files/toolbar.js'

export interface DeletedHeaderProps {
  workspace: Workspace
  narrow: boolean
  /** How many files are selected. */
  selected: number
  restoring: boolean
  onRestore: () => void
  onClear: () => void
  start: ReactNode
  end: ReactNode
}

/** Where one is, and what can be done with what is selected. */
export function DeletedHeader({ workspace, narrow, start, end, ...selection }: DeletedHeaderProps) {
  const toolbar = selection.selected > 0 && <RestoreToolbar {...selection} />
  return (
    <>
      <header className={viewStyles.header}>
        {start}
        <DeletedPath workspace={workspace} narrow={narrow} />
        {narrow ? end : toolbar}
      </header>
      {narrow && toolbar && <div className={viewStyles.second}>{toolbar}</div>}
    </>
  )
}

/** On phones the way back is an arrow: there is no room for two names. */
function DeletedPath({ workspace: { id, name }, narrow }: Pick<DeletedHeaderProps, 'workspace' | 'narrow'>) {
  const back = formatRoute({ workspace: id, path: '' })
  return (
    <nav aria-label="Folder" className={pathStyles.nav}>
      <Breadcrumbs className={pathStyles.crumbs}>
        <Breadcrumb className={classes(pathStyles.crumb, narrow && pathStyles.icon)}>
          <Link href={back} className={pathStyles.link} {...(narrow && { 'aria-label': name })}>
            {narrow ? <ChevronLeft size={20} aria-hidden /> : <ItemName name={name} />}
          </Link>
        </Breadcrumb>
        <Breadcrumb className={classes(pathStyles.crumb, pathStyles.present)}>
          {!narrow && <ChevronRight size={15} aria-hidden className={pathStyles.arrow} />}
          <Link href={formatDeleted(id)} className={pathStyles.link}>
            <ItemName name="Deleted files" />
          </Link>
        </Breadcrumb>
      </Breadcrumbs>
    </nav>
  )
}

type RestoreToolbarProps = Pick<DeletedHeaderProps, 'selected' | 'restoring' | 'onRestore' | 'onClear'>

function RestoreToolbar({ selected, restoring, onRestore, onClear }: RestoreToolbarProps) {
  return (
    <SelectionBar selected={selected} onClear={onClear}>
      <Button look="quiet" onPress={onRestore} isDisabled={restoring}>
        <RotateCcw size={15} aria-hidden /> Restore
      </Button>
    </SelectionBar>
  )
}
