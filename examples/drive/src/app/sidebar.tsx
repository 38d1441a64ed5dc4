import type { WorkspaceStatus } from '@peerfold/core'
import { HardDrive, Plus, Trash2 } from 'lucide-react'
import { Dialog, Link, Modal, ModalOverlay } from 'react-aria-components'
import { useStatus, useWorkspaces } from '../device/context.js'
import { summariseWorkspace } from '../status/describe.js'
import { StatusButton } from '../status/status-button.js'
import { Button, classes } from './controls.js'
import { Logo } from './logo.js'
import { formatDeleted, formatRoute } from './route.js'
import styles from './sidebar.module.css'

export interface SidebarProps {
  current: string | undefined
  /** Whether its deleted files are shown, not one of its folders. */
  deleted: boolean
  onNew: () => void
  onStatus: () => void
}

export function Sidebar({ current, deleted, onNew, onStatus }: SidebarProps) {
  const workspaces = useWorkspaces()
  return (
    <div className={styles.sidebar}>
      <header className={styles.brand}>
        <Logo size={26} />
        <h1>Peerfold Drive</h1>
      </header>
      <nav aria-label="Workspaces" className={styles.nav}>
        <ul>
          {workspaces.map((workspace) => (
            <li key={workspace.id}>
              <WorkspaceLink workspace={workspace} shown={workspace.id === current && !deleted} />
              {workspace.id === current && <DeletedLink workspace={workspace.id} shown={deleted} />}
            </li>
          ))}
        </ul>
        <Button look="quiet" className={styles.add} onPress={onNew}>
          <Plus size={16} aria-hidden /> New workspace
        </Button>
      </nav>
      <footer className={styles.footer}>
        <StatusButton workspace={current} onPress={onStatus} />
      </footer>
    </div>
  )
}

/** The same on phones, over the files. */
export function SidebarDrawer({ onClose, ...props }: SidebarProps & { onClose: () => void }) {
  return (
    <ModalOverlay
      isOpen
      isDismissable
      onOpenChange={(open) => {
        if (!open) onClose()
      }}
      className={styles.scrim}
    >
      <Modal className={styles.drawer}>
        <Dialog aria-label="Workspaces and status" className={styles.drawerContent}>
          <Sidebar
            {...props}
            onStatus={() => {
              onClose()
              props.onStatus()
            }}
            onNew={() => {
              onClose()
              props.onNew()
            }}
          />
        </Dialog>
      </Modal>
    </ModalOverlay>
  )
}

interface WorkspaceLinkProps {
  workspace: WorkspaceStatus
  /** Whether one of its folders is what the page shows. */
  shown: boolean
}

function WorkspaceLink({ workspace, shown }: WorkspaceLinkProps) {
  const { peers } = useStatus()
  const { tone, headline } = summariseWorkspace(workspace, peers)
  return (
    <Link
      href={formatRoute({ workspace: workspace.id, path: '' })}
      className={classes(styles.workspace, shown && styles.current)}
      {...(shown && { 'aria-current': 'page' as const })}
    >
      <HardDrive size={17} aria-hidden />
      <span className={styles.name} title={workspace.name}>
        {workspace.name}
      </span>
      <span className={classes(styles.dot, styles[tone])} role="img" aria-label={headline} title={headline} />
    </Link>
  )
}

function DeletedLink({ workspace, shown }: { workspace: string; shown: boolean }) {
  return (
    <Link
      href={formatDeleted(workspace)}
      className={classes(styles.workspace, styles.below, shown && styles.current)}
      {...(shown && { 'aria-current': 'page' as const })}
    >
      <Trash2 size={16} aria-hidden />
      <span className={styles.name}>Deleted files</span>
    </Link>
  )
}
