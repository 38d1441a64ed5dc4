import { isPeerfoldError, type Live, type Workspace, type WorkspaceId } from '@peerfold/core'
import { describeFailure } from '../device/failure.js'
import type { NewUpload, Source, StoredUpload, Upload } from './types.js'
import { isFinished } from './types.js'

/** Keeps what is not saved elsewhere yet, for when the page comes back. */
export interface UploadStore {
  put(uploads: readonly StoredUpload[]): Promise<void>
  remove(ids: readonly string[]): Promise<void>
}

export interface UploadQueueInit {
  store: UploadStore
  open(workspace: WorkspaceId): Promise<Workspace>
  /** Files written at once. @default 3 */
  concurrency?: number
  /** Calls back when listeners are to be told of what has changed since. @default soon: progress comes often */
  soon?: (tell: () => void) => void
}

/** A person sees no more changes in a second. */
const TELL_MS = 120

/** An upload that is interrupted more often has another reason than tabs that close. */
const MAX_INTERRUPTIONS = 5

interface Entry {
  upload: Upload
  source: Source | undefined
  /** Gives the source again, once the person allows it. */
  handle: FileSystemFileHandle | undefined
  controller: AbortController
  interruptions: number
}

/** Files on their way into workspaces: a few at a time, each can be cancelled and tried again. */
export class UploadQueue implements Live<readonly Upload[]> {
  readonly #init: UploadQueueInit
  readonly #entries = new Map<string, Entry>()
  readonly #listeners = new Set<(uploads: readonly Upload[]) => void>()
  readonly #workspaces = new Map<WorkspaceId, Promise<Workspace>>()
  readonly #watched = new Set<WorkspaceId>()
  #value: readonly Upload[] = []
  #running = 0
  #telling = false
  #closed = false

  constructor(init: UploadQueueInit) {
    this.#init = init
  }

  get value(): readonly Upload[] {
    return this.#value
  }

  subscribe(listener: (uploads: readonly Upload[]) => void): () => void {
    this.#listeners.add(listener)
    listener(this.#value)
    return () => this.#listeners.delete(listener)
  }

  /** Takes files; what waits for the very same file (place, size, time) is given it instead of being queued twice. */
  async add(uploads: readonly NewUpload[]): Promise<void> {
    const lost = new Map(
      [...this.#entries.values()]
        .filter(({ upload }) => upload.state === 'lost')
        .map((entry) => [identityOf(entry.upload.workspace, entry.upload.path, entry.upload), entry]),
    )
    const fresh: StoredUpload[] = []
    for (const { workspace, path, file, handle } of uploads) {
      const facts = { size: file.size, modified: file.lastModified }
      const known = lost.get(identityOf(workspace, path, facts))
      if (known !== undefined) {
        this.#give(known, { file, ...(handle && { handle }) })
        continue
      }
      const stored = { id: crypto.randomUUID(), workspace, path, ...facts, ...(handle && { handle }) }
      this.#entries.set(stored.id, entryOf(stored, 'waiting', { file, ...(handle && { handle }) }))
      fresh.push(stored)
    }
    this.#changed()
    // Stored first: a page that closes now must know what it was about to take.
    await this.#init.store.put(fresh)
    this.#next()
  }

  /** Takes up what an earlier page left. Handles that may be read at once go on by themselves. */
  async restore(stored: readonly StoredUpload[]): Promise<void> {
    for (const each of stored) {
      this.#entries.set(each.id, entryOf(each, each.kept === true ? 'kept' : 'lost'))
      if (each.kept === true) void this.#watch(each.workspace)
    }
    this.#changed()
    for (const { id, handle } of stored) {
      if (handle !== undefined && (await mayRead(handle))) await this.#reopen(id, handle)
    }
  }

  /** Whether the browser can give an upload's file again, when the person allows it. */
  canReopen(id: string): boolean {
    return this.#entries.get(id)?.handle !== undefined
  }

  /** Asks the person, where the browser has to; called by a click. */
  async reopen(id: string): Promise<void> {
    const handle = this.#entries.get(id)?.handle
    if (handle !== undefined && (await mayRead(handle, 'ask'))) await this.#reopen(id, handle)
  }

  /** Gives files that were lost, by name, size and time. @returns how many were waited for */
  give(files: readonly File[]): number {
    let given = 0
    for (const entry of this.#entries.values()) {
      if (entry.upload.state !== 'lost') continue
      const { path, size, modified } = entry.upload
      const file = files.find(
        (each) => path.endsWith(each.name) && each.size === size && each.lastModified === modified,
      )
      if (file === undefined) continue
      this.#give(entry, { file })
      given++
    }
    this.#next()
    return given
  }

  retry(id: string): void {
    const entry = this.#entries.get(id)
    if (entry === undefined || entry.source === undefined) return
    entry.controller = new AbortController()
    this.#update(entry, { state: 'waiting', done: 0 })
    this.#next()
  }

  cancel(id: string): void {
    const entry = this.#entries.get(id)
    if (entry === undefined || isFinished(entry.upload)) return
    entry.controller.abort()
    this.#update(entry, { state: 'cancelled' })
    void this.#init.store.remove([id])
  }

  cancelAll(): void {
    for (const id of [...this.#entries.keys()]) this.cancel(id)
  }

  /** Drops what is over from the list. */
  clear(): void {
    const finished = [...this.#entries.values()].map(({ upload }) => upload).filter(isFinished)
    for (const { id } of finished) this.#entries.delete(id)
    this.#changed()
    void this.#init.store.remove(finished.map(({ id }) => id))
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const { controller } of this.#entries.values()) controller.abort()
    const workspaces = await Promise.allSettled(this.#workspaces.values())
    for (const each of workspaces) if (each.status === 'fulfilled') await each.value.close()
    this.#listeners.clear()
  }

  async #reopen(id: string, handle: FileSystemFileHandle): Promise<void> {
    const entry = this.#entries.get(id)
    if (entry === undefined) return
    try {
      this.#give(entry, { file: await handle.getFile(), handle })
      this.#next()
    } catch (error) {
      this.#update(entry, { failure: describeFailure(error) })
    }
  }

  #give(entry: Entry, source: Source): void {
    entry.source = source
    this.#update(entry, {
      state: 'waiting',
      done: 0,
      size: source.file.size,
      modified: source.file.lastModified,
    })
  }

  #next(): void {
    const { concurrency = 3 } = this.#init
    for (const entry of this.#entries.values()) {
      if (this.#running >= concurrency || this.#closed) return
      if (entry.upload.state !== 'waiting') continue
      this.#running++
      void this.#run(entry).finally(() => {
        this.#running--
        this.#next()
      })
    }
  }

  async #run(entry: Entry): Promise<void> {
    const { id, workspace, path } = entry.upload
    const { signal } = entry.controller
    this.#update(entry, { state: 'running', done: 0 })
    try {
      const { file } = entry.source as Source
      const opened = await this.#open(workspace)
      await opened.write(path, file, {
        mtime: new Date(file.lastModified),
        onProgress: ({ bytes }) => this.#update(entry, { done: bytes }),
        signal,
      })
      this.#update(entry, { state: 'kept', done: file.size })
      await this.#init.store.put([
        { id, workspace, path, size: file.size, modified: file.lastModified, kept: true },
      ])
      void this.#watch(workspace)
    } catch (error) {
      if (signal.aborted) return
      // The tab that ran the device was closed; another one does so now.
      const again = isPeerfoldError(error, 'NOT_CONNECTED') && ++entry.interruptions <= MAX_INTERRUPTIONS
      if (again) this.#update(entry, { state: 'waiting', done: 0 })
      else this.#update(entry, { state: 'failed', failure: describeFailure(error) })
    }
  }

  /** "Saved" is said of what was kept before a receipt for the whole workspace came. A browser's own copy is not counted. */
  async #watch(id: WorkspaceId): Promise<void> {
    if (this.#watched.has(id)) return
    this.#watched.add(id)
    try {
      const workspace = await this.#open(id)
      for (;;) {
        const kept = [...this.#entries.values()].filter(
          ({ upload }) => upload.workspace === id && upload.state === 'kept',
        )
        if (kept.length === 0 || this.#closed) return
        await workspace.durable({ copies: 1 })
        for (const entry of kept) this.#update(entry, { state: 'saved' })
        await this.#init.store.remove(kept.map(({ upload }) => upload.id))
      }
    } catch {
      // The device was closed: what is here is known to be here only, and that is what the list says.
    } finally {
      this.#watched.delete(id)
    }
  }

  #open(id: WorkspaceId): Promise<Workspace> {
    const known = this.#workspaces.get(id)
    if (known !== undefined) return known
    const opening = this.#init.open(id)
    this.#workspaces.set(id, opening)
    opening.catch(() => this.#workspaces.delete(id))
    return opening
  }

  #update(entry: Entry, change: Partial<Upload>): void {
    const { failure: _, ...rest } = entry.upload
    entry.upload = { ...rest, ...change }
    this.#changed()
  }

  #changed(): void {
    if (this.#telling) return
    this.#telling = true
    const { soon = (tell) => void setTimeout(tell, TELL_MS) } = this.#init
    soon(() => {
      this.#telling = false
      this.#value = [...this.#entries.values()].map(({ upload }) => upload)
      for (const listener of [...this.#listeners]) listener(this.#value)
    })
  }
}

function entryOf(stored: StoredUpload, state: 'waiting' | 'lost' | 'kept', source?: Source): Entry {
  const { id, workspace, path, size, modified, handle } = stored
  return {
    upload: { id, workspace, path, size, modified, state, done: state === 'kept' ? size : 0 },
    source,
    handle,
    controller: new AbortController(),
    interruptions: 0,
  }
}

function identityOf(workspace: string, path: string, { size, modified }: { size: number; modified: number }) {
  return JSON.stringify([workspace, path, size, modified])
}

/** Not in every browser's types yet. */
interface Permissions {
  queryPermission?(options: { mode: 'read' }): Promise<PermissionState>
  requestPermission?(options: { mode: 'read' }): Promise<PermissionState>
}

async function mayRead(handle: FileSystemFileHandle, ask?: 'ask'): Promise<boolean> {
  const permissions = handle as FileSystemFileHandle & Permissions
  const state = await permissions.queryPermission?.({ mode: 'read' })
  if (state === 'granted' || ask === undefined) return state === 'granted'
  return (await permissions.requestPermission?.({ mode: 'read' })) === 'granted'
}
