import { type Collected, collect, collectInput, treeOfHandle } from './collect.js'

/** Pickers that give handles, with which an upload goes on after a restart; not in every browser. */
interface Pickers {
  showOpenFilePicker?(options: { multiple: boolean }): Promise<FileSystemFileHandle[]>
  showDirectoryPicker?(options?: {
    mode?: 'read' | 'readwrite'
    id?: string
  }): Promise<FileSystemDirectoryHandle>
}

const pickers = globalThis as unknown as Pickers

/** Files that a person chooses; undefined when none were chosen. `input` is used where the browser has no pickers. */
export async function pickFiles(input: HTMLInputElement | null): Promise<Collected | undefined> {
  if (pickers.showOpenFilePicker === undefined) return void input?.click()
  const handles = await unlessCancelled(pickers.showOpenFilePicker({ multiple: true }))
  return handles && (await collect(handles.map(treeOfHandle)))
}

/** A folder that a person chooses, with all below. */
export async function pickFolder(input: HTMLInputElement | null): Promise<Collected | undefined> {
  if (pickers.showDirectoryPicker === undefined) return void input?.click()
  const handle = await unlessCancelled(pickers.showDirectoryPicker({ mode: 'read', id: 'upload' }))
  return handle && (await collect([treeOfHandle(handle)]))
}

export const canPickTarget = pickers.showDirectoryPicker !== undefined

/** A folder of the computer to write into. */
export async function pickTarget(): Promise<FileSystemDirectoryHandle | undefined> {
  return await unlessCancelled(pickers.showDirectoryPicker?.({ mode: 'readwrite', id: 'download' }))
}

/** What an input was given; empties it, so that the same files can be chosen again. */
export function takeFiles(input: HTMLInputElement): Collected {
  const collected = collectInput([...(input.files ?? [])])
  input.value = ''
  return collected
}

async function unlessCancelled<T>(picking: Promise<T> | undefined): Promise<T | undefined> {
  try {
    return await picking
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') return undefined
    throw error
  }
}
