import { CircleCheck, FolderDown, TriangleAlert, X } from 'lucide-react'
import { Bar, IconButton } from '../app/controls.js'
import { count, formatBytes } from '../app/format.js'
import { ItemName } from '../files/item-name.js'
import type { Download } from './download-list.js'
import styles from './transfers-panel.module.css'

export function DownloadRow({ download, onCancel }: { download: Download; onCancel: () => void }) {
  const { title, state, bytes } = download
  return (
    <div className={styles.row}>
      {state === 'done' && <CircleCheck size={17} aria-hidden className={styles.good} />}
      {state === 'failed' && <TriangleAlert size={17} aria-hidden className={styles.bad} />}
      {(state === 'running' || state === 'cancelled') && (
        <FolderDown size={17} aria-hidden className={styles.soft} />
      )}
      <div className={styles.facts}>
        <ItemName name={title} />
        <span className={styles.detail}>{detailOf(download)}</span>
        {state === 'running' && (
          <Bar
            label={`Download of ${title}`}
            value={bytes.total === 0 ? undefined : bytes.done / bytes.total}
          />
        )}
      </div>
      {state === 'running' && (
        <IconButton label={`Cancel download of ${title}`} onPress={onCancel}>
          <X size={16} aria-hidden />
        </IconButton>
      )}
    </div>
  )
}

function detailOf({ state, files, bytes, failure }: Download): string {
  if (state === 'failed') return failure === undefined ? 'Failed' : `${failure.message} (${failure.code})`
  if (state === 'cancelled') return 'Cancelled'
  if (state === 'done') return `Downloaded ${count(files.total, 'file')}`
  return `${files.done} of ${count(files.total, 'file')} · ${formatBytes(bytes.total)}`
}
