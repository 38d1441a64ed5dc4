import type { Item, Live, Workspace } from '@peerfold/core'
import { describeFailure, type Failure } from '../device/failure.js'
import { baseName, isWithin, parentPath } from '../files/names.js'

/** Files that are written into a folder of the computer. */
export interface Download {
  id: string
  title: string
  state: 'running' | 'done' | 'failed' | 'cancelled'
  files: { done: number; total: number }
  bytes: { done: number; total: number }
  failure?: Failure
}

/** Downloads into folders, with their progress. Single files are the browser's own downloads and not listed here. */
export class DownloadList implements Live<readonly Download[]> {
  readonly #listeners = new Set<(downloads: readonly Download[]) => void>()
  readonly #controllers = new Map<string, AbortController>()
  #value: readonly Download[] = []

  get value(): readonly Download[] {
    return this.#value
  }

  subscribe(listener: (downloads: readonly Download[]) => void): () => void {
    this.#listeners.add(listener)
    listener(this.#value)
    return () => this.#listeners.delete(listener)
  }

  /** Writes items with all below into `target`. Never rejects: the list says how it went. */
  async start(
    workspace: Workspace,
    items: readonly Item[],
    target: FileSystemDirectoryHandle,
  ): Promise<void> {
    const id = crypto.randomUUID()
    const controller = new AbortController()
    this.#controllers.set(id, controller)
    const title = items.length === 1 ? (items[0]?.name ?? '') : `${items.length} items`
    const nothing = { done: 0, total: 0 }
    this.#set({ id, title, state: 'running', files: nothing, bytes: nothing })
    try {
      await this.#write(id, workspace, items, target, controller.signal)
      this.#change(id, { state: 'done' })
    } catch (error) {
      if (!controller.signal.aborted) this.#change(id, { state: 'failed', failure: describeFailure(error) })
    } finally {
      this.#controllers.delete(id)
    }
  }

  cancel(id: string): void {
    this.#controllers.get(id)?.abort()
    this.#change(id, { state: 'cancelled' })
  }

  clear(): void {
    this.#value = this.#value.filter(({ state }) => state === 'running')
    this.#tell()
  }

  close(): void {
    for (const controller of this.#controllers.values()) controller.abort()
    this.#listeners.clear()
  }

  async #write(
    id: string,
    workspace: Workspace,
    items: readonly Item[],
    target: FileSystemDirectoryHandle,
    signal: AbortSignal,
  ): Promise<void> {
    const all = await withDescendants(workspace, items, signal)
    const files = all.filter(({ type }) => type === 'file')
    const total = files.reduce((sum, { size }) => sum + size, 0)
    let done = 0
    this.#change(id, { files: { done: 0, total: files.length }, bytes: { done, total } })
    const folders = new Map([['', target]])
    for (const item of all) {
      signal.throwIfAborted()
      const root = items.find(({ path }) => isWithin(item.path, path)) ?? item
      const path = item.path.slice(parentPath(root.path).length).replace(/^\//, '')
      const folder = folders.get(parentPath(path)) ?? target
      if (item.kind === 'folder') {
        folders.set(path, await folder.getDirectoryHandle(baseName(path), { create: true }))
      } else if (item.type === 'file') {
        await writeFile(workspace, item, folder, signal)
        done += item.size
        const { files: before } = this.#value.find((each) => each.id === id) as Download
        this.#change(id, {
          files: { done: before.done + 1, total: before.total },
          bytes: { done, total },
        })
      }
    }
  }

  #change(id: string, change: Partial<Download>): void {
    this.#value = this.#value.map((each) => (each.id === id ? { ...each, ...change } : each))
    this.#tell()
  }

  #set(download: Download): void {
    this.#value = [...this.#value, download]
    this.#tell()
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) listener(this.#value)
  }
}

/** Parents before what lies in them. */
async function withDescendants(
  workspace: Workspace,
  items: readonly Item[],
  signal: AbortSignal,
): Promise<Item[]> {
  const all: Item[] = []
  for (const item of items) {
    all.push(item)
    if (item.kind === 'folder') {
      for await (const below of workspace.list(item.path, { recursive: true, signal })) all.push(below)
    }
  }
  return all
}

/** The file appears under its name when all of it is written, as the browser does it. */
async function writeFile(
  workspace: Workspace,
  item: Item,
  folder: FileSystemDirectoryHandle,
  signal: AbortSignal,
): Promise<void> {
  const handle = await folder.getFileHandle(item.name, { create: true })
  const writable = await handle.createWritable()
  await workspace.read(item.path, { signal }).stream().pipeTo(writable, { signal })
}
