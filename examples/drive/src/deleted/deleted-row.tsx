import type { RemovedItem } from '@peerfold/core'
import { RotateCcw } from 'lucide-react'
import { GridListItem } from 'react-aria-components'
import { Checkbox } from '../app/checkbox.js'
import { Button } from '../app/controls.js'
import { formatBytes, formatDate, formatMoment } from '../app/format.js'
import { FileIcon } from '../files/file-icon.js'
import { ItemName } from '../files/item-name.js'
import { parentPath } from '../files/names.js'
import styles from './deleted-row.module.css'

export interface DeletedRowProps {
  file: RemovedItem
  /** Of the workspace: where files of no folder were. */
  root: string
  onRestore: (file: RemovedItem) => void
}

/** A removed file: one line, two on phones. */
export function DeletedRow({ file, root, onRestore }: DeletedRowProps) {
  const folder = parentPath(file.path) || root
  return (
    <GridListItem
      id={file.id}
      value={file}
      textValue={`${file.name}, from ${folder}, deleted ${formatMoment(file.time)}`}
      className={styles.row}
    >
      <Checkbox slot="selection" className={styles.select} />
      <span className={styles.icon}>
        <FileIcon item={file} size={24} />
      </span>
      <span className={styles.title}>
        <ItemName name={file.name} />
        <span className={styles.meta} aria-hidden="true">
          {folder} · {formatDate(file.time)}
        </span>
      </span>
      <span className={styles.folder}>
        <ItemName name={folder} />
      </span>
      <span className={styles.time} title={formatMoment(file.time)}>
        {formatDate(file.time)}
      </span>
      <span className={styles.size}>{formatBytes(file.size)}</span>
      <Button
        look="quiet"
        className={styles.restore}
        aria-label={`Restore ${file.name}`}
        onPress={() => onRestore(file)}
      >
        <RotateCcw size={15} aria-hidden /> <span>Restore</span>
      </Button>
    </GridListItem>
  )
}
