import { HardDrive, Menu } from 'lucide-react'
import { lazy, type ReactNode, Suspense, useEffect, useRef, useState } from 'react'
import { VisuallyHidden } from 'react-aria-components'
import { useStatus, useWorkspaces } from '../device/context.js'
import { useWorkspace } from '../device/use-workspace.js'
import { FilesView } from '../files/files-view.js'
import { StatusButton } from '../status/status-button.js'
import { TransfersProvider } from '../transfers/context.js'
import { TransfersPanel } from '../transfers/transfers-panel.js'
import { Button, IconButton } from './controls.js'
import styles from './drive.module.css'
import { EmptyState, Waiting } from './empty-state.js'
import { FailureNotice } from './failure-notice.js'
import { forgetHash, parseDeleted, parseJoin, parseRoute, useHash } from './route.js'
import { Sidebar, SidebarDrawer } from './sidebar.js'
import { say } from './toasts.js'
import { useNarrow } from './use-media.js'
import { useStored } from './use-stored.js'

const DeletedView = lazy(() => import('../deleted/deleted-view.js'))
const NewWorkspaceDialog = lazy(() => import('./new-workspace-dialog.js'))
const StatusPanel = lazy(() => import('../status/status-panel.js'))

/** In place of a folder: the workspace's deleted files. */
const DELETED = 'deleted'

/** The drive of a browser that has an identity. */
export function Drive() {
  const hash = useHash()
  const workspaces = useWorkspaces()
  const route = parseRoute(hash)
  const deleted = parseDeleted(hash)
  const narrow = useNarrow()
  const [drawer, setDrawer] = useState(false)
  const [panel, setPanel] = useState(false)
  const [creating, setCreating] = useState(false)
  const [last, setLast] = useStored<string>('drive/workspace', (stored) => stored ?? '')
  const known = workspaces.find(({ id }) => id === last) ?? workspaces[0]
  const named = route?.workspace ?? deleted
  const current = named ?? known?.id
  const place = deleted === undefined ? { path: route?.path ?? '' } : DELETED

  // biome-ignore lint/correctness/useExhaustiveDependencies: remembered when it changes.
  useEffect(() => {
    if (named !== undefined && named !== last) setLast(named)
  }, [named])
  useEffect(() => {
    if (parseJoin(hash) === undefined) return
    forgetHash()
    say('This browser has joined already; the invitation was not used')
  }, [hash])
  // biome-ignore lint/correctness/useExhaustiveDependencies: whoever goes somewhere wants to see it.
  useEffect(() => setDrawer(false), [hash])

  const sidebar = {
    current,
    deleted: place === DELETED,
    onNew: () => setCreating(true),
    onStatus: () => setPanel(true),
  }
  const bar = {
    start: (
      <IconButton label="Workspaces" onPress={() => setDrawer(true)}>
        <Menu size={20} aria-hidden />
      </IconButton>
    ),
    end: <StatusButton workspace={current} compact onPress={() => setPanel(true)} />,
  }
  return (
    <TransfersProvider>
      <div className={styles.shell}>
        {!narrow && <Sidebar {...sidebar} />}
        <main className={styles.main}>
          {narrow && <VisuallyHidden elementType="h1">Peerfold Drive</VisuallyHidden>}
          {current === undefined ? (
            <>
              <Bar {...(narrow && bar)} />
              <NoWorkspace onNew={() => setCreating(true)} />
            </>
          ) : (
            <Opened key={current} id={current} place={place} {...(narrow && bar)} />
          )}
        </main>
      </div>
      <TransfersPanel />
      {narrow && drawer && <SidebarDrawer {...sidebar} onClose={() => setDrawer(false)} />}
      <Suspense>
        {panel && <StatusPanel workspace={current} onClose={() => setPanel(false)} />}
        {creating && <NewWorkspaceDialog onClose={() => setCreating(false)} />}
      </Suspense>
    </TransfersProvider>
  )
}

/** On phones: what stands beside the path. */
interface Beside {
  start?: ReactNode
  end?: ReactNode
}

function Bar({ start, end }: Beside) {
  if (start === undefined) return null
  return (
    <header className={styles.bar}>
      {start}
      <span className={styles.space} />
      {end}
    </header>
  )
}

/** What of a workspace is shown. */
type Place = { path: string } | typeof DELETED

function Opened({ id, place, ...beside }: { id: string; place: Place } & Beside) {
  const { workspace, failure } = useWorkspace(id)
  const key = place === DELETED ? DELETED : `/${place.path}`
  // Whoever only opened the drive has not asked for the focus to be anywhere.
  const [first] = useState(key)
  const moved = useRef(false)
  useEffect(() => {
    if (key !== first) moved.current = true
  }, [key, first])
  if (failure !== undefined) {
    return (
      <>
        <Bar {...beside} />
        <EmptyState
          icon={<HardDrive size={44} strokeWidth={1.3} aria-hidden />}
          title="This workspace cannot be opened"
        >
          <FailureNotice failure={failure} />
        </EmptyState>
      </>
    )
  }
  if (workspace === undefined) {
    return (
      <>
        <Bar {...beside} />
        <div className={styles.opening}>
          <Waiting>Opening the workspace…</Waiting>
        </div>
      </>
    )
  }
  const focus = key !== first || moved.current
  if (place === DELETED) {
    return (
      <Suspense>
        <DeletedView workspace={workspace} focus={focus} {...beside} />
      </Suspense>
    )
  }
  return <FilesView key={key} workspace={workspace} path={place.path} focus={focus} {...beside} />
}

function NoWorkspace({ onNew }: { onNew: () => void }) {
  const { peers } = useStatus()
  return (
    <EmptyState
      icon={<HardDrive size={44} strokeWidth={1.3} aria-hidden />}
      title="No workspace yet"
      actions={
        <Button look="primary" onPress={onNew}>
          New workspace
        </Button>
      }
    >
      <p>
        {peers.length > 0
          ? 'Those of your other devices appear as soon as one of them, or your relay, is connected.'
          : 'A workspace is a drive of its own: files and folders that your devices keep the same.'}
      </p>
    </EmptyState>
  )
}
