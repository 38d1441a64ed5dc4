import type { ContentRef } from '../content/types.js'
import { PeerfoldError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'
import type { RecordId } from '../ports/ids.js'
import type { FileVersion, TreeEntry, TreeReader } from '../tree/types.js'
import { createFileBody } from './body.js'
import { toItem } from './item.js'
import { formatPath, parsePath } from './path.js'
import type { FileBody, Item, ListOptions, Reader, ReadOptions } from './types.js'

export interface ReaderComponents {
  tree: TreeReader
  /** Bytes of a content, fetched from peers where they are not here. */
  open(
    content: ContentRef,
    options: AbortOptions & { offset: number; length: number },
  ): AsyncIterable<Uint8Array>
  /** A past version of this item. */
  version(id: RecordId, options?: AbortOptions): Promise<{ item: string; version: FileVersion } | undefined>
}

/** @throws {PeerfoldError} `NOT_FOUND` */
export async function requireEntry(
  tree: TreeReader,
  names: readonly string[],
  options?: AbortOptions,
): Promise<TreeEntry> {
  const entry = await tree.lookup(names, options)
  if (entry === undefined) throw notFound(names)
  return entry
}

export function notFound(names: readonly string[]): PeerfoldError {
  const path = formatPath(names)
  return new PeerfoldError('NOT_FOUND', `no such file or folder: ${path}`, { details: { path } })
}

export function createReader(components: ReaderComponents): Reader {
  return {
    read: (path, options) => readFile(components, path, options),
    stat: async (path, options) => {
      const names = parsePath(path)
      return toItem(await requireEntry(components.tree, names, options), names)
    },
    list: (path, options) => listFolder(components.tree, path, options),
  }
}

function readFile(components: ReaderComponents, path: string, options: ReadOptions = {}): FileBody {
  const names = parsePath(path)
  checkRange(options)
  return createFileBody(async function* () {
    const { content } = await findVersion(components, names, options)
    const offset = Math.min(options.offset ?? 0, content.size)
    const length = Math.min(options.length ?? content.size - offset, content.size - offset)
    let bytes = 0
    for await (const piece of components.open(content, { offset, length, signal: options.signal })) {
      bytes += piece.length
      options.onProgress?.({ bytes, total: length })
      yield piece
    }
  })
}

function checkRange({ offset = 0, length = 0 }: ReadOptions): void {
  if (!Number.isSafeInteger(offset) || offset < 0 || !Number.isSafeInteger(length) || length < 0)
    throw new PeerfoldError('INVALID_ARGUMENT', 'offset and length are whole numbers of bytes, at least 0')
}

async function findVersion(
  components: ReaderComponents,
  names: string[],
  options: ReadOptions,
): Promise<FileVersion> {
  const path = formatPath(names)
  if (options.version !== undefined) {
    const found = await components.version(options.version, options)
    if (found === undefined)
      throw new PeerfoldError('VERSION_NOT_FOUND', `no version ${options.version} of ${path}`, {
        details: { path },
      })
    return found.version
  }
  const entry = await requireEntry(components.tree, names, options)
  const head = entry.heads[0]
  if (entry.kind === 'folder' || head === undefined)
    throw new PeerfoldError('NOT_A_FILE', `a folder: ${path}`, { details: { path } })
  return head
}

async function* listFolder(tree: TreeReader, path: string, options: ListOptions = {}): AsyncGenerator<Item> {
  const names = parsePath(path)
  const entry = await requireEntry(tree, names, options)
  if (entry.kind !== 'folder')
    throw new PeerfoldError('NOT_A_FOLDER', `a file: ${formatPath(names)}`, { details: { path } })
  yield* listBelow(tree, entry, names, options)
}

/** Depth first with an explicit stack: a tree may be deeper than the call stack. */
async function* listBelow(
  tree: TreeReader,
  folder: TreeEntry,
  names: string[],
  options: ListOptions,
): AsyncGenerator<Item> {
  const stack = [{ folder, names }]
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const below: typeof stack = []
    for await (const child of tree.children(next.folder.item, options)) {
      options.signal?.throwIfAborted()
      const childNames = [...next.names, child.name]
      yield toItem(child, childNames)
      if (options.recursive === true && child.kind === 'folder')
        below.push({ folder: child, names: childNames })
    }
    stack.push(...below.reverse())
  }
}
