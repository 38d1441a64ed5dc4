import type { DeviceId, PeerStatus, Status } from '@peerfold/core'
import { Laptop, Plus, Trash2 } from 'lucide-react'
import { lazy, Suspense, useState } from 'react'
import { Button, classes, IconButton } from '../app/controls.js'
import { Dialog } from '../app/dialog.js'
import { FailureNotice } from '../app/failure-notice.js'
import { say } from '../app/toasts.js'
import { usePeerfold } from '../device/context.js'
import { useTask } from '../device/use-task.js'
import { describeWay } from './describe.js'
import styles from './panel.module.css'

const InviteDialog = lazy(() => import('./invite-dialog.js'))

/** This device and the user's others: who is connected, and by which way. */
export function Devices({ status }: { status: Status }) {
  const [inviting, setInviting] = useState(false)
  const [leaving, setLeaving] = useState<PeerStatus>()
  const others = status.peers.filter(({ kind }) => kind === 'device')
  return (
    <section className={styles.section} aria-labelledby="status-devices">
      <div className={styles.headingRow}>
        <h3 id="status-devices" className={styles.heading}>
          Devices
        </h3>
        <Button onPress={() => setInviting(true)}>
          <Plus size={15} aria-hidden /> Invite a device
        </Button>
      </div>
      <ul className={styles.peers}>
        <li className={styles.peer}>
          <Laptop size={17} aria-hidden />
          <PeerText name={status.device.name} detail="This browser" />
        </li>
        {others.map((peer) => (
          <li key={peer.id} className={styles.peer}>
            <Laptop size={17} aria-hidden />
            <PeerText name={peer.name} detail={describeWay(peer)} connected={peer.connected} />
            <IconButton label={`Remove ${peer.name}`} onPress={() => setLeaving(peer)}>
              <Trash2 size={15} aria-hidden />
            </IconButton>
          </li>
        ))}
      </ul>
      {inviting && (
        <Suspense>
          <InviteDialog onClose={() => setInviting(false)} />
        </Suspense>
      )}
      {leaving !== undefined && <RemoveDialog device={leaving} onClose={() => setLeaving(undefined)} />}
    </section>
  )
}

export function PeerText({ name, detail, connected }: { name: string; detail: string; connected?: boolean }) {
  return (
    <span className={styles.peerText}>
      <span className={styles.peerName} title={name}>
        {name}
      </span>
      <span className={styles.peerDetail}>
        {connected !== undefined && <span className={classes(styles.dot, connected && styles.on)} />}
        {detail}
      </span>
    </span>
  )
}

function RemoveDialog({ device, onClose }: { device: PeerStatus; onClose: () => void }) {
  const peerfold = usePeerfold()
  const task = useTask(async (signal) => {
    await peerfold.devices.revoke(device.id as DeviceId, { signal })
    say(`“${device.name}” was removed`)
    onClose()
  })
  return (
    <Dialog
      title={`Remove “${device.name}”?`}
      role="alertdialog"
      onClose={onClose}
      actions={
        <>
          <Button onPress={onClose}>Keep it</Button>
          <Button look="danger" isDisabled={task.running} onPress={() => void task.run()}>
            Remove
          </Button>
        </>
      }
    >
      <p>
        It gets nothing new from now on: your workspaces get new keys. What it holds already stays there. To
        use it again, invite it again.
      </p>
      {task.failure !== undefined && <FailureNotice failure={task.failure} />}
    </Dialog>
  )
}
