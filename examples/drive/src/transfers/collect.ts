import type { DirectoryDropItem, DropItem, FileDropItem } from 'react-aria-components'
import { joinPath } from '../files/names.js'
import type { Source } from './types.js'

/** What a person gave to upload: files with where they go, below the folder that was chosen, and folders that may be empty. */
export interface Collected {
  files: Array<Source & { path: string }>
  folders: string[]
}

/** A file, or a folder with all below, as it is walked. */
export type FileTree =
  | { kind: 'file'; name: string; open(): Promise<Source> }
  | { kind: 'folder'; name: string; children(): AsyncIterable<FileTree> }

/** Walks trees breadth last; nothing of a file's content is read. */
export async function collect(trees: Iterable<FileTree> | AsyncIterable<FileTree>): Promise<Collected> {
  const collected: Collected = { files: [], folders: [] }
  await walk(trees, '', collected)
  return collected
}

async function walk(
  trees: Iterable<FileTree> | AsyncIterable<FileTree>,
  folder: string,
  into: Collected,
): Promise<void> {
  for await (const tree of trees) {
    const path = joinPath(folder, tree.name)
    if (tree.kind === 'file') {
      into.files.push({ ...(await tree.open()), path })
    } else {
      into.folders.push(path)
      await walk(tree.children(), path, into)
    }
  }
}

export function treeOfHandle(handle: FileSystemHandle): FileTree {
  if (handle.kind === 'file') {
    const file = handle as FileSystemFileHandle
    return {
      kind: 'file',
      name: handle.name,
      open: async () => ({ file: await file.getFile(), handle: file }),
    }
  }
  const directory = handle as FileSystemDirectoryHandle
  return {
    kind: 'folder',
    name: handle.name,
    async *children() {
      for await (const child of directory.values()) yield treeOfHandle(child)
    },
  }
}

/** What was dropped, where the browser gives no handles. */
export function treesOfDrop(items: readonly DropItem[]): FileTree[] {
  return items.flatMap((item) => (item.kind === 'text' ? [] : [treeOfDropItem(item)]))
}

function treeOfDropItem(item: FileDropItem | DirectoryDropItem): FileTree {
  if (item.kind === 'file') {
    return { kind: 'file', name: item.name, open: async () => ({ file: await item.getFile() }) }
  }
  return {
    kind: 'folder',
    name: item.name,
    async *children() {
      for await (const child of item.getEntries()) yield treeOfDropItem(child)
    },
  }
}

/** What an `<input type="file">` gave; of a folder each file has its path in it. */
export function collectInput(files: Iterable<File>): Collected {
  const collected: Collected = { files: [], folders: [] }
  for (const file of files) collected.files.push({ file, path: file.webkitRelativePath || file.name })
  return collected
}
