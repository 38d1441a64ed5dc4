import type { Item, Workspace } from '@peerfold/core'
import { useCallback, useEffect, useRef } from 'react'
import { Attachments } from './attachments.js'
import { Draft } from './draft.js'
import { useOpened } from './live.js'
import { keepBoth, noteIn, removeNote } from './notes.js'

interface EditorProps {
  workspace: Workspace
  item: Item
  onConflict: (note: string, copy: string) => void
  onFailure: (error: unknown) => void
  onClose: () => void
}

export function Editor({ workspace, item: { path, conflict }, onConflict, onFailure, onClose }: EditorProps) {
  const note = noteIn(path) as string
  const open = useCallback(() => new Draft(workspace, note, onConflict), [workspace, note, onConflict])
  const { live: draft, value: { text, saved, failure } = { text: undefined, saved: true } } = useOpened(open)
  useWarning(!saved)

  // A note without text is a new one: write at once.
  const area = useRef<HTMLTextAreaElement>(null)
  const isEmpty = text === ''
  useEffect(() => {
    if (isEmpty) area.current?.focus()
  }, [isEmpty])

  const remove = () => {
    if (!confirm('Delete this note and its attachments on all devices?')) return
    draft?.discard()
    void removeNote(workspace, note).catch(onFailure)
    onClose()
  }
  return (
    <article>
      <header>
        <button type="button" className="back" onClick={onClose}>
          All notes
        </button>
        <p role="status" className="hint">
          {failure ?? (saved ? 'Saved' : 'Saving…')}
        </p>
        <button type="button" onClick={remove}>
          Delete
        </button>
      </header>
      {conflict && (
        <p role="alert" className="notice">
          This note was changed on two devices at the same time.{' '}
          <button type="button" onClick={() => void keepBoth(workspace, note).catch(onFailure)}>
            Keep both as notes
          </button>
        </p>
      )}
      <textarea
        ref={area}
        aria-label="Text of the note, Markdown"
        className="text"
        value={text ?? ''}
        placeholder={text === undefined ? 'Fetching the note…' : '# Title'}
        // Writing would decide the conflict for somebody who has seen one side only.
        readOnly={text === undefined || conflict}
        onChange={(event) => draft?.edit(event.target.value)}
      />
      <Attachments workspace={workspace} note={note} onFailure={onFailure} />
    </article>
  )
}

/** "Saved" is said when the device has it. Until then, the browser asks before it closes the tab. */
function useWarning(isUnsaved: boolean): void {
  useEffect(() => {
    if (!isUnsaved) return
    const warn = (event: Event) => event.preventDefault()
    addEventListener('beforeunload', warn)
    return () => removeEventListener('beforeunload', warn)
  }, [isUnsaved])
}
