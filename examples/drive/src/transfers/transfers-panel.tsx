import { ChevronDown, ChevronUp, X } from 'lucide-react'
import { useEffect, useRef, useState } from 'react'
import { GridList, GridListItem, ListLayout, Virtualizer } from 'react-aria-components'
import { Bar, Button, IconButton } from '../app/controls.js'
import { count } from '../app/format.js'
import { useLive } from '../device/use-live.js'
import { useTransfers } from './context.js'
import { DownloadRow } from './download-row.js'
import { byUrgency, summarise, type UploadSummary } from './summary.js'
import styles from './transfers-panel.module.css'
import { UploadRow } from './upload-row.js'

const ROW = 58

/** What is on its way, at the lower edge. Not there when there is nothing. */
export function TransfersPanel() {
  const { uploads, downloads } = useTransfers()
  const sent = useLive(uploads)
  const fetched = useLive(downloads)
  const [open, setOpen] = useState(true)
  const input = useRef<HTMLInputElement>(null)
  const summary = summarise(sent)

  // Nobody should lose an upload by closing a tab without a thought.
  useEffect(() => {
    if (summary.open === 0) return
    const warn = (event: BeforeUnloadEvent) => event.preventDefault()
    globalThis.addEventListener('beforeunload', warn)
    return () => globalThis.removeEventListener('beforeunload', warn)
  }, [summary.open])

  if (sent.length + fetched.length === 0) return null
  const busy = summary.open > 0 || fetched.some(({ state }) => state === 'running')
  return (
    <section className={styles.panel} aria-label="Transfers" data-testid="transfers">
      <header className={styles.header}>
        <h2 className={styles.title}>
          <span role="status">{titleOf(summary, fetched.length)}</span>
        </h2>
        <IconButton label={open ? 'Show less' : 'Show transfers'} onPress={() => setOpen(!open)}>
          {open ? <ChevronDown size={17} aria-hidden /> : <ChevronUp size={17} aria-hidden />}
        </IconButton>
        {!busy && (
          <IconButton
            label="Clear list"
            onPress={() => {
              uploads.clear()
              downloads.clear()
            }}
          >
            <X size={17} aria-hidden />
          </IconButton>
        )}
      </header>
      {summary.open > 0 && <Bar label="All uploads" value={summary.progress} />}
      {open && (
        <>
          {fetched.map((download) => (
            <DownloadRow
              key={download.id}
              download={download}
              onCancel={() => downloads.cancel(download.id)}
            />
          ))}
          {sent.length > 0 && (
            <Virtualizer layout={ListLayout} layoutOptions={{ rowSize: ROW }}>
              <GridList
                aria-label="Uploads"
                className={styles.list}
                style={{ height: Math.min(sent.length * ROW, ROW * 4.5) }}
                items={byUrgency(sent)}
                keyboardNavigationBehavior="tab"
              >
                {(upload) => (
                  <GridListItem id={upload.id} textValue={upload.path} className={styles.item}>
                    <UploadRow
                      upload={upload}
                      canReopen={uploads.canReopen(upload.id)}
                      onCancel={() => uploads.cancel(upload.id)}
                      onRetry={() => uploads.retry(upload.id)}
                      onReopen={() => void uploads.reopen(upload.id)}
                      onChoose={() => input.current?.click()}
                    />
                  </GridListItem>
                )}
              </GridList>
            </Virtualizer>
          )}
          {summary.open > 0 && (
            <footer className={styles.footer}>
              <Button look="quiet" onPress={() => uploads.cancelAll()}>
                Cancel all
              </Button>
            </footer>
          )}
        </>
      )}
      <input
        ref={input}
        type="file"
        multiple
        hidden
        aria-label="Files to go on with"
        data-testid="resume-input"
        onChange={({ currentTarget }) => {
          uploads.give([...(currentTarget.files ?? [])])
          currentTarget.value = ''
        }}
      />
    </section>
  )
}

function titleOf({ open, failed, lost, kept, saved }: UploadSummary, downloads: number): string {
  if (open > 0) return `Uploading ${count(open, 'file')}`
  if (lost > 0) return `${count(lost, 'upload was', 'uploads were')} interrupted`
  if (failed > 0) return `${count(failed, 'upload')} failed`
  if (kept > 0) return `${count(kept, 'file')} in this browser only`
  if (saved > 0) return `${count(saved, 'file')} saved`
  return downloads > 0 ? 'Downloads' : 'Transfers'
}
