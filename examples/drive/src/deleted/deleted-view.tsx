import type { RemovedItem, Workspace } from '@peerfold/core'
import { CircleAlert, Trash2 } from 'lucide-react'
import { type ReactNode, useCallback, useState } from 'react'
import { Button } from '../app/controls.js'
import { EmptyState, Waiting } from '../app/empty-state.js'
import { FailureNotice } from '../app/failure-notice.js'
import { useNarrow } from '../app/use-media.js'
import { useTitle } from '../app/use-title.js'
import viewStyles from '../files/files-view.module.css'
import { useSelection } from '../files/use-selection.js'
import { DeletedHeader } from './deleted-header.js'
import { DeletedColumns, DeletedList } from './deleted-list.js'
import styles from './deleted-view.module.css'
import { useRemoved } from './use-removed.js'
import { useRestoring } from './use-restoring.js'

/** Files that are listed at first; as many more with each wish for them. */
const STEP = 1_000

export interface DeletedViewProps {
  workspace: Workspace
  /** Whether the list takes the focus: after one went here from a folder. */
  focus: boolean
  /** Before and after the heading: on phones these are not beside the files. */
  start?: ReactNode
  end?: ReactNode
}

/** The files that were removed from a workspace, on whichever device, and the way back. */
export default function DeletedView({ workspace, focus, start, end }: DeletedViewProps) {
  const [limit, setLimit] = useState(STEP)
  const removed = useRemoved(workspace, limit)
  const { files } = removed
  const { keys, selected, select, clear } = useSelection(files)
  const narrow = useNarrow()
  const { restore, ...restoring } = useRestoring(workspace)
  useTitle(`Deleted files of ${workspace.name}`)
  const restoreOne = useCallback((file: RemovedItem) => void restore([file]), [restore])

  return (
    <div className={styles.view}>
      <DeletedHeader
        workspace={workspace}
        narrow={narrow}
        selected={selected.length}
        restoring={restoring.running}
        onRestore={() => void restore(selected).then((restored) => restored && clear())}
        onClear={clear}
        start={start}
        end={end}
      />
      {restoring.running && (
        <div className={styles.notice}>
          <Waiting onCancel={restoring.cancel}>
            {restoring.total === 1
              ? 'Bringing the file back…'
              : `Bringing files back: ${restoring.done} of ${restoring.total}…`}
          </Waiting>
        </div>
      )}
      {restoring.failure !== undefined && (
        <div className={styles.notice}>
          <FailureNotice failure={restoring.failure} />
        </div>
      )}
      {files.length > 0 && <DeletedColumns />}
      <div className={styles.files}>
        <DeletedList
          files={files}
          root={workspace.name}
          narrow={narrow}
          focus={focus}
          selected={keys}
          onSelect={select}
          onRestore={restoreOne}
          empty={<Nothing {...removed} />}
        />
      </div>
      {removed.more && (
        <div className={styles.more}>
          <Button onPress={() => setLimit(limit + STEP)}>Show those deleted earlier</Button>
        </div>
      )}
    </div>
  )
}

/** In place of files. */
function Nothing({ state, failure, retry }: ReturnType<typeof useRemoved>) {
  if (state === 'loading') {
    return (
      <div className={viewStyles.loading}>
        <Waiting>Looking for deleted files…</Waiting>
      </div>
    )
  }
  if (failure !== undefined) {
    return (
      <EmptyState
        icon={<CircleAlert size={44} strokeWidth={1.3} aria-hidden />}
        title="Deleted files cannot be shown"
        actions={<Button onPress={retry}>Try again</Button>}
      >
        <FailureNotice failure={failure} />
      </EmptyState>
    )
  }
  return (
    <EmptyState icon={<Trash2 size={44} strokeWidth={1.3} aria-hidden />} title="No deleted files">
      <p>What you delete, here or on another device, can be brought back from this page.</p>
    </EmptyState>
  )
}
