import type { Status, WorkspaceStatus } from '@peerfold/core'
import { Dialog } from '../app/dialog.js'
import { FailureNotice } from '../app/failure-notice.js'
import { count, formatBytes } from '../app/format.js'
import { useStatus } from '../device/context.js'
import { copiesElsewhere, describeCopies, describeWaiting, summariseWorkspace } from './describe.js'
import { Devices } from './devices.js'
import styles from './panel.module.css'
import { Relays } from './relays.js'
import { ToneIcon } from './status-button.js'
import { Storage } from './storage.js'

export interface StatusPanelProps {
  workspace: string | undefined
  onClose: () => void
}

/** All that a person may want to know: is it in sync, who holds it, who is connected and how, what is waited for. */
export default function StatusPanel({ workspace: id, onClose }: StatusPanelProps) {
  const status = useStatus()
  const workspace = status.workspaces.find((each) => each.id === id)
  return (
    <Dialog title="Status" place="side" onClose={onClose}>
      {status.problem !== undefined && <FailureNotice failure={status.problem} />}
      {workspace !== undefined && <WorkspaceSection workspace={workspace} status={status} />}
      <Devices status={status} />
      <Relays relays={status.relays} />
      <Storage />
    </Dialog>
  )
}

function WorkspaceSection({ workspace, status }: { workspace: WorkspaceStatus; status: Status }) {
  const { tone, headline } = summariseWorkspace(workspace, status.peers)
  const waiting = describeWaiting(workspace)
  return (
    <section className={styles.section} aria-labelledby="status-workspace">
      <h3 id="status-workspace" className={styles.heading}>
        {workspace.name}
      </h3>
      <div className={styles.state}>
        <ToneIcon tone={tone} />
        <strong>{headline}</strong>
      </div>
      {workspace.error !== undefined && <FailureNotice failure={workspace.error} />}
      <dl className={styles.facts}>
        <Fact name="Content">
          {count(workspace.files, 'file')}, {formatBytes(workspace.bytes)}
        </Fact>
        <Fact name="Copies">{describeCopies(workspace)}</Fact>
        {workspace.pending.files > 0 && (
          <Fact name="To come">
            {count(workspace.pending.files, 'file')}, {formatBytes(workspace.pending.bytes)}
          </Fact>
        )}
        {waiting.length > 0 && <Fact name="Waited for">{waiting.join('; ')}</Fact>}
      </dl>
      <p className={styles.note}>
        {copiesElsewhere(workspace) === 0
          ? 'A browser may throw away what it stores, so this one never counts as a copy. Connect another device or a relay.'
          : 'This browser is not counted: it may throw away what it stores, and gets it back from the copies.'}
      </p>
    </section>
  )
}

function Fact({ name, children }: { name: string; children: React.ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  )
}
