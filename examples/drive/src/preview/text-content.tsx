import { useCallback, useEffect, useState } from 'react'
import { Button } from '../app/controls.js'
import { Waiting } from '../app/empty-state.js'
import { FailureNotice } from '../app/failure-notice.js'
import { formatBytes } from '../app/format.js'
import { useTask } from '../device/use-task.js'
import type { ContentProps } from './content.js'
import styles from './preview.module.css'

/** So much is shown at first, and more with each wish for it. */
const STEP_BYTES = 1024 * 1024

export function TextContent({ workspace, item }: ContentProps) {
  const [text, setText] = useState('')
  const [end, setEnd] = useState(0)
  const { path, size, version } = item
  const task = useTask(async (signal) => {
    const length = Math.min(size, end + STEP_BYTES)
    // From the start each time: a character may lie across a border.
    const bytes = await workspace.read(path, { length, signal, ...(version && { version }) }).bytes()
    setText(new TextDecoder().decode(bytes))
    setEnd(length)
  })
  const { run } = task
  const more = useCallback(() => void run(), [run])
  useEffect(more, [more])
  return (
    <div className={styles.text}>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, and must do so by keys, too. */}
      <pre tabIndex={0}>{text}</pre>
      {task.running && <Waiting onCancel={task.cancel}>Reading…</Waiting>}
      {task.failure !== undefined && <FailureNotice failure={task.failure} />}
      {!task.running && end < size && (
        <div className={styles.more}>
          <Button onPress={more}>
            Show more ({formatBytes(end)} of {formatBytes(size)})
          </Button>
        </div>
      )}
    </div>
  )
}
