import type { Item, Version, Workspace } from '@peerfold/core'
import { Download, RotateCcw } from 'lucide-react'
import { useEffect, useState } from 'react'
import { Button, IconButton } from '../app/controls.js'
import { Dialog } from '../app/dialog.js'
import { Waiting } from '../app/empty-state.js'
import { FailureNotice } from '../app/failure-notice.js'
import { formatBytes, formatMoment } from '../app/format.js'
import { say } from '../app/toasts.js'
import { useTask } from '../device/use-task.js'
import { saveFile } from '../transfers/save-file.js'
import styles from './versions-dialog.module.css'

export interface VersionsDialogProps {
  workspace: Workspace
  item: Item
  onClose: () => void
}

/** All versions of a file that are kept, newest first; each can be made the present one again. */
export default function VersionsDialog({ workspace, item, onClose }: VersionsDialogProps) {
  const [versions, setVersions] = useState<Version[]>()
  const listing = useTask(async (signal) => {
    const found: Version[] = []
    for await (const version of workspace.versions(item.path, { signal })) found.push(version)
    if (!signal.aborted) setVersions(found)
  })
  const restoring = useTask(async (signal, version: Version) => {
    await workspace.restore(item.path, version.id, { signal })
    say(`“${item.name}” is as of ${formatMoment(version.time)} again`)
    onClose()
  })
  const { run } = listing
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new version is listed as soon as it is there.
  useEffect(() => void run(), [run, item.version])

  return (
    <Dialog title={`Versions of “${item.name}”`} onClose={onClose}>
      {listing.failure !== undefined && <FailureNotice failure={listing.failure} />}
      {restoring.failure !== undefined && <FailureNotice failure={restoring.failure} />}
      {restoring.running && <Waiting onCancel={restoring.cancel}>Bringing the old content back…</Waiting>}
      {versions === undefined && listing.running && <Waiting>Looking for versions…</Waiting>}
      <ol className={styles.versions}>
        {versions?.map((version) => (
          <VersionRow
            key={version.id}
            version={version}
            present={version.id === item.version}
            onSave={() => saveFile(workspace.id, item.path, version.id)}
            onRestore={() => void restoring.run(version)}
            isDisabled={restoring.running}
          />
        ))}
      </ol>
    </Dialog>
  )
}

interface VersionRowProps {
  version: Version
  present: boolean
  isDisabled: boolean
  onSave: () => void
  onRestore: () => void
}

function VersionRow({ version, present, isDisabled, onSave, onRestore }: VersionRowProps) {
  const moment = formatMoment(version.time)
  return (
    <li className={styles.version}>
      <div className={styles.facts}>
        <span className={styles.moment}>
          {moment}
          {present && <span className={styles.present}>Present</span>}
        </span>
        <span className={styles.origin}>
          {version.deviceName ?? 'An unknown device'} · {formatBytes(version.size)}
        </span>
      </div>
      <IconButton label={`Download the version of ${moment}`} onPress={onSave}>
        <Download size={16} aria-hidden />
      </IconButton>
      {!present && (
        <Button onPress={onRestore} isDisabled={isDisabled} aria-label={`Restore the version of ${moment}`}>
          <RotateCcw size={14} aria-hidden /> Restore
        </Button>
      )}
    </li>
  )
}
