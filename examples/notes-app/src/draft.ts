import type { Live, RecordId, Workspace } from '@peerfold/core'
import { messageOf } from './live.js'
import { createNote, fileOf, saveNote } from './notes.js'

const SAVE_AFTER_MS = 500
const RETRY_AFTER_MS = 3_000

export interface DraftState {
  /** Undefined until it was read. */
  text: string | undefined
  saved: boolean
  /** Why it is not read or not saved. It is tried again. */
  failure?: string
}

/**
 * A note as it is being edited: saved a moment after the last keystroke, and replaced by what other devices write. Text that somebody typed is never
 * replaced: when the note has changed meanwhile, it becomes a note of its own.
 */
export class Draft implements Live<DraftState>, Disposable {
  readonly #workspace: Workspace
  readonly #onConflict: (note: string, copy: string) => void
  readonly #listeners = new Set<() => void>()
  readonly #closing = new AbortController()
  #note: string
  #value: DraftState = { text: undefined, saved: true }
  /** The version that the text was made from. */
  #base: RecordId | undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  #saving = false

  /** @param onConflict is told where the text is now, when it had to move */
  constructor(workspace: Workspace, note: string, onConflict: (note: string, copy: string) => void) {
    this.#workspace = workspace
    this.#note = note
    this.#onConflict = onConflict
    void this.#follow()
  }

  get value(): DraftState {
    return this.#value
  }

  subscribe(listener: (value: DraftState) => void): () => void {
    const own = () => listener(this.#value)
    this.#listeners.add(own)
    own()
    return () => this.#listeners.delete(own)
  }

  edit(text: string): void {
    this.#set({ text, saved: false })
    this.#saveAfter(SAVE_AFTER_MS)
  }

  /** Before the note is removed: else what was typed last would bring it back as a copy. */
  discard(): void {
    clearTimeout(this.#timer)
    this.#set({ ...this.#value, saved: true })
  }

  /** What is not saved yet is saved all the same. */
  [Symbol.dispose](): void {
    this.#closing.abort()
    this.#saveAfter(0)
  }

  async #follow(): Promise<void> {
    const { signal } = this.#closing
    while (!signal.aborted) {
      try {
        // The cursor comes first, so that no change falls between reading and watching.
        const since = await this.#workspace.cursor({ signal })
        await this.#load()
        for await (const { type } of this.#workspace.watch(fileOf(this.#note), { since, signal }))
          if (type !== 'remove') await this.#load()
      } catch (error) {
        // Its content may be on a device that is away: what is known of the note comes before its text.
        if (!signal.aborted) this.#set({ ...this.#value, failure: messageOf(error) })
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_AFTER_MS))
    }
  }

  async #load(): Promise<void> {
    const { signal } = this.#closing
    const path = fileOf(this.#note)
    const { version } = await this.#workspace.stat(path, { signal })
    if (version === undefined || version === this.#base) return
    const text = await this.#workspace.read(path, { version, signal }).text()
    if (!this.#value.saved) return
    this.#base = version
    this.#set({ text, saved: true })
  }

  #saveAfter(ms: number): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void this.#save(), ms)
  }

  /** One at a time: each is made from the version that the one before it has written. */
  async #save(): Promise<void> {
    if (this.#saving) return
    this.#saving = true
    try {
      while (!this.#value.saved) {
        const { text = '' } = this.#value
        await this.#write(text)
        if (this.#value.text === text) this.#set({ text, saved: true })
      }
      // What others wrote meanwhile was left alone.
      if (!this.#closing.signal.aborted) await this.#load()
    } catch (error) {
      this.#set({ ...this.#value, failure: messageOf(error) })
      this.#saveAfter(RETRY_AFTER_MS)
    } finally {
      this.#saving = false
    }
  }

  async #write(text: string): Promise<void> {
    const saved = await saveNote(this.#workspace, this.#note, text, this.#base)
    if (saved !== undefined) {
      this.#base = saved.id
      return
    }
    const note = this.#note
    this.#note = await createNote(this.#workspace, text)
    this.#base = (await this.#workspace.stat(fileOf(this.#note))).version
    this.#onConflict(note, this.#note)
  }

  #set(value: DraftState): void {
    this.#value = value
    for (const listener of this.#listeners) listener()
  }
}
