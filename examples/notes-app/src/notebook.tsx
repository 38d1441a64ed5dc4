import type { Item, Peerfold, Workspace } from '@peerfold/core'
import { useCallback, useEffect, useState } from 'react'
import { Devices } from './devices.js'
import { Editor } from './editor.js'
import { messageOf, useOpened } from './live.js'
import { createNote, noteIn, titleOf } from './notes.js'

/** The list of notes, the one that is open, and how safe they are. */
export function Notebook({ peerfold, workspace }: { peerfold: Peerfold; workspace: Workspace }) {
  const [selected, select] = useState<string>()
  const [notice, setNotice] = useState<string>()
  const { value: items = [] } = useOpened(useCallback(() => workspace.live(''), [workspace]))
  const notes = items
    .filter(({ kind, path }) => kind === 'file' && noteIn(path) !== undefined)
    .toSorted((a, b) => Number(b.mtime) - Number(a.mtime))
  const open = notes.find(({ path }) => noteIn(path) === selected)

  const onFailure = (error: unknown) => setNotice(messageOf(error))
  const create = () => void createNote(workspace).then(select, onFailure)
  const onConflict = useCallback((note: string, copy: string) => {
    setNotice(
      'This note was changed on another device while you typed. Both are kept: yours is a note of its own now.',
    )
    select((present) => (present === note ? copy : present))
  }, [])

  return (
    <div className="notebook" data-open={open !== undefined}>
      <nav aria-label="Notes">
        <header>
          <h1>Notes</h1>
          <button type="button" className="primary" onClick={create}>
            New note
          </button>
        </header>
        <ul>
          {notes.map((item) => (
            <li key={item.id}>
              <NoteButton
                workspace={workspace}
                item={item}
                isOpen={item === open}
                onOpen={() => select(noteIn(item.path))}
              />
            </li>
          ))}
        </ul>
        {notes.length === 0 && <p className="hint">No notes yet. Write your first one.</p>}
        <Devices peerfold={peerfold} workspace={workspace.id} />
      </nav>
      <main>
        {open === undefined ? (
          <p className="hint">Choose a note, or write a new one.</p>
        ) : (
          // Keyed: another note is another draft.
          <Editor
            key={open.path}
            workspace={workspace}
            item={open}
            onConflict={onConflict}
            onFailure={onFailure}
            onClose={() => select(undefined)}
          />
        )}
      </main>
      {notice !== undefined && (
        <p role="alert" className="notice floating">
          {notice}{' '}
          <button type="button" onClick={() => setNotice(undefined)}>
            Close
          </button>
        </p>
      )}
    </div>
  )
}

interface NoteButtonProps {
  workspace: Workspace
  item: Item
  isOpen: boolean
  onOpen: () => void
}

function NoteButton({
  workspace,
  item: { path, version, mtime, conflict },
  isOpen,
  onOpen,
}: NoteButtonProps) {
  const [title, setTitle] = useState('…')
  // biome-ignore lint/correctness/useExhaustiveDependencies: another version may have another title.
  useEffect(() => {
    const controller = new AbortController()
    // What has not arrived yet has no title yet.
    titleOf(workspace, path, controller.signal).then(setTitle, () => {})
    return () => controller.abort()
  }, [workspace, path, version])
  return (
    <button type="button" className="note" aria-current={isOpen} onClick={onOpen}>
      <span>{title}</span>
      <small>
        {mtime?.toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' })}
        {conflict && ' · changed in two places'}
      </small>
    </button>
  )
}
