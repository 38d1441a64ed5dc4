import { CircleCheck, CircleDashed, CloudOff, RotateCw, TriangleAlert, X } from 'lucide-react'
import { Bar, Button, IconButton, Spinner } from '../app/controls.js'
import { formatBytes } from '../app/format.js'
import { ItemName } from '../files/item-name.js'
import { baseName } from '../files/names.js'
import styles from './transfers-panel.module.css'
import { isFinished, type Upload } from './types.js'

export interface UploadRowProps {
  upload: Upload
  /** The browser can give the file again by itself. */
  canReopen: boolean
  onCancel: () => void
  onRetry: () => void
  onReopen: () => void
  onChoose: () => void
}

export function UploadRow({ upload, canReopen, onCancel, onRetry, onReopen, onChoose }: UploadRowProps) {
  const name = baseName(upload.path)
  return (
    <div className={styles.row} data-state={upload.state}>
      <StateIcon state={upload.state} />
      <div className={styles.facts}>
        <ItemName name={name} />
        <span className={styles.detail}>{detailOf(upload)}</span>
        {upload.state === 'running' && (
          <Bar
            label={`Progress of ${name}`}
            value={upload.size === 0 ? undefined : upload.done / upload.size}
          />
        )}
      </div>
      {upload.state === 'failed' && (
        <IconButton label={`Try ${name} again`} onPress={onRetry}>
          <RotateCw size={16} aria-hidden />
        </IconButton>
      )}
      {upload.state === 'lost' && (
        <Button
          onPress={canReopen ? onReopen : onChoose}
          aria-label={`${canReopen ? 'Resume' : 'Choose'} ${name}`}
        >
          {canReopen ? 'Resume' : 'Choose again'}
        </Button>
      )}
      {!isFinished(upload) && (
        <IconButton label={`Cancel ${name}`} onPress={onCancel}>
          <X size={16} aria-hidden />
        </IconButton>
      )}
    </div>
  )
}

function StateIcon({ state }: { state: Upload['state'] }) {
  if (state === 'running') return <Spinner />
  if (state === 'saved') return <CircleCheck size={17} aria-hidden className={styles.good} />
  if (state === 'kept') return <CloudOff size={17} aria-hidden className={styles.warn} />
  if (state === 'failed' || state === 'lost')
    return <TriangleAlert size={17} aria-hidden className={styles.bad} />
  return <CircleDashed size={17} aria-hidden className={styles.soft} />
}

function detailOf({ state, done, size, failure }: Upload): string {
  switch (state) {
    case 'waiting':
      return `Waiting · ${formatBytes(size)}`
    case 'running':
      return `${formatBytes(done)} of ${formatBytes(size)}`
    case 'kept':
      return 'On this browser only'
    case 'saved':
      return 'Saved on another device'
    case 'lost':
      return failure?.message ?? 'The page was closed: the browser needs the file again'
    case 'cancelled':
      return 'Cancelled'
    case 'failed':
      return failure === undefined ? 'Failed' : `${failure.message} (${failure.code})`
  }
}
