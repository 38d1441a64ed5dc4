import type { Item, Version, Workspace } from '@peerfold/core'
import { Download } from 'lucide-react'
import { Radio } from 'react-aria-components'
import { IconButton } from '../app/controls.js'
import { formatBytes, formatMoment } from '../app/format.js'
import { Content } from '../preview/content.js'
import { saveFile } from '../transfers/save-file.js'
import styles from './conflict-choice.module.css'
import { kindOf } from './kinds.js'

export interface ConflictChoiceProps {
  workspace: Workspace
  item: Item
  version: Version
}

/** One of the contents that a file has: whose it is, since when, and what is in it. */
export function ConflictChoice({ workspace, item, version }: ConflictChoiceProps) {
  const device = version.deviceName ?? 'An unknown device'
  return (
    <div className={styles.choice}>
      <div className={styles.head}>
        <Radio value={version.id} className={styles.radio}>
          <span className={styles.dot} />
          <span className={styles.facts}>
            <span className={styles.device}>{device}</span>
            <span className={styles.origin}>
              {formatMoment(version.time)} · {formatBytes(version.size)}
            </span>
          </span>
        </Radio>
        <IconButton
          label={`Download the content of ${device}`}
          onPress={() => saveFile(workspace.id, item.path, version.id)}
        >
          <Download size={16} aria-hidden />
        </IconButton>
      </div>
      {isShown(item) && (
        // biome-ignore lint/a11y/useSemanticElements: no fields are in it.
        <div role="group" aria-label={`Content of ${device}`} className={styles.content}>
          <Content workspace={workspace} item={{ ...item, version: version.id, size: version.size }} />
        </div>
      )}
    </div>
  )
}

/** What tells more in a small frame than its size does; players would all begin at once. */
function isShown(item: Item): boolean {
  const kind = kindOf(item)
  return kind === 'text' || kind === 'image'
}
