import { PeerfoldError } from '../errors.js'
import type { WorkspaceLog } from '../log/types.js'
import type { AbortOptions } from '../ports/abort.js'
import type { Clock } from '../ports/clock.js'
import type { DeviceId, RecordId, WorkspaceId } from '../ports/ids.js'
import type { FileVersion, Tree, TreeEntry, TreeTransaction } from '../tree/types.js'
import { toByteSource } from './body.js'
import type { ChangeFeed } from './change-feed.js'
import type { ContentStore } from './content-store.js'
import { createLiveItems } from './live-items.js'
import { formatPath, parseItemPath, parsePath } from './path.js'
import { createReader, notFound, requireEntry } from './reader.js'
import { findRemovedFile, listRemovedFiles, restoreFile } from './removed.js'
import { transactTree } from './transact-tree.js'
import type { TreeGate } from './tree-gate.js'
import type {
  Body,
  Change,
  CommitInfo,
  Conflict,
  CopyHolder,
  Cursor,
  FileBody,
  Item,
  ListOptions,
  Live,
  Reader,
  ReadOptions,
  RemovedItem,
  RestoreOptions,
  Version,
  Workspace,
  WriteOptions,
  Writer,
} from './types.js'
import { makeFolders, moveItem, putFile, removeItem, toMeta } from './writer.js'

export interface WorkspaceInit {
  id: WorkspaceId
  /** Its present name. */
  name(): string
  device: DeviceId
  log: WorkspaceLog
  tree: Tree
  /** The same tree, waiting while it is rebuilt. */
  gate: TreeGate
  content: ContentStore
  changes: ChangeFeed
  clock: Clock
  deviceName(device: DeviceId): string | undefined
  /** Resolves when so many machines hold all that is here. */
  durable(copies: number, options?: AbortOptions): Promise<CopyHolder[]>
}

/** The façade that an app holds. */
export class WorkspaceFacade implements Workspace {
  readonly id: WorkspaceId
  readonly #init: WorkspaceInit
  readonly #reader: Reader
  readonly #closing = new AbortController()

  constructor(init: WorkspaceInit) {
    this.id = init.id
    this.#init = init
    this.#reader = createReader({
      tree: init.gate,
      open: (content, options) => init.content.open(content, { ...options, remote: true }),
      version: (id, options) => init.tree.version(id, options),
    })
  }

  get name(): string {
    return this.#init.name()
  }

  read(path: string, options?: ReadOptions): FileBody {
    return this.#reader.read(path, options)
  }

  async stat(path: string, options?: AbortOptions): Promise<Item> {
    return await this.#reader.stat(path, options)
  }

  list(path: string, options?: ListOptions): AsyncIterable<Item> {
    return this.#reader.list(path, options)
  }

  async write(path: string, body: Body, options: WriteOptions = {}): Promise<Version> {
    this.#throwIfClosed()
    const { names } = parseItemPath(path)
    const existing = await this.#init.gate.lookup(names, options)
    // Large bodies are read before the log is held: others go on meanwhile.
    const content = await ingestBody(this.#init.content, body, existing, options)
    const { value: item } = await this.#transact(async (tx) => {
      const meta = toMeta(options, this.#init.clock.now(), await tx.lookup(names))
      return (await putFile(tx, { path, content, meta, ifVersion: options.ifVersion })).item
    }, options)
    return await this.#present(item, path)
  }

  async mkdir(path: string, options?: AbortOptions): Promise<Item> {
    const names = parsePath(path)
    await this.#transact((tx) => makeFolders(tx, names), options)
    return await this.stat(path, options)
  }

  async move(from: string, to: string, options?: AbortOptions): Promise<void> {
    await this.#transact((tx) => moveItem(tx, from, to), options)
  }

  async remove(path: string, options?: AbortOptions): Promise<void> {
    await this.#transact((tx) => removeItem(tx, path), options)
  }

  async durable({ copies, signal }: { copies: number } & AbortOptions): Promise<CopyHolder[]> {
    this.#throwIfClosed()
    if (!Number.isSafeInteger(copies) || copies < 1)
      throw new PeerfoldError('INVALID_ARGUMENT', `copies is ${copies}, not a number from 1 on`)
    return await this.#init.durable(copies, { signal })
  }

  async transact<T>(
    change: (tx: Writer) => Promise<T>,
    options?: AbortOptions,
  ): Promise<{ value: T; commit: CommitInfo | undefined }> {
    return await this.#transact((tx) => change(this.#writerOf(tx)), options)
  }

  watch(path: string, options: AbortOptions & { since?: Cursor } = {}): AsyncIterable<Change> {
    this.#throwIfClosed()
    const { signal } = this.#closing
    return this.#init.changes.watch(formatPath(parsePath(path)), {
      ...options,
      signal: options.signal === undefined ? signal : AbortSignal.any([signal, options.signal]),
    })
  }

  async cursor(options?: AbortOptions): Promise<Cursor> {
    this.#throwIfClosed()
    return await this.#init.changes.cursor(options)
  }

  live(path: string): Live<Item[] | undefined> & Disposable {
    parsePath(path)
    return createLiveItems({
      load: async (signal) => {
        const items: Item[] = []
        for await (const item of this.list(path, { signal })) items.push(item)
        return items
      },
      onChange: (listener) => this.#init.tree.onChange(listener),
    })
  }

  async *versions(path: string, options?: AbortOptions): AsyncGenerator<Version> {
    const item = await this.#findItem(path, options)
    for await (const version of this.#init.tree.versions(item, options))
      yield this.#toVersion(version, version.device)
  }

  async *removed(options?: AbortOptions): AsyncGenerator<RemovedItem> {
    await this.#init.gate.whole(options)
    yield* listRemovedFiles(this.#init.tree, options)
  }

  async restore(path: string, id: RecordId, options: RestoreOptions = {}): Promise<Version> {
    const { names } = parseItemPath(path)
    const to = parseItemPath(options.to ?? path)
    await this.#init.gate.whole(options)
    const found = await this.#init.tree.version(id, options)
    const place = found && (await this.#init.tree.lastPath(found.item, options))
    if (found === undefined || place === undefined || formatPath(place) !== formatPath(names))
      throw new PeerfoldError('VERSION_NOT_FOUND', `no version ${id} of ${path}`, {
        details: { path, version: id },
      })
    const { item, version } = found
    // What is restored must be readable here, else nothing could be promised about it.
    await this.#init.content.fetch(version.content, options)
    await this.#transact((tx) => restoreFile(tx, { item, version, to }), options)
    return await this.#present(item, path)
  }

  async *conflicts(options?: AbortOptions): AsyncGenerator<Conflict> {
    await this.#init.gate.whole(options)
    for await (const entry of this.#init.tree.conflicts(options)) {
      const path = await this.#init.gate.path(entry.item, options)
      if (path === undefined) continue
      const versions = await this.#headVersions(entry, options)
      yield { path: formatPath(path), item: entry.item, versions }
    }
  }

  async resolve(
    path: string,
    keep: { version: RecordId } | { body: Body },
    options?: AbortOptions,
  ): Promise<Version> {
    if ('body' in keep) return await this.write(path, keep.body, options)
    const entry = await requireEntry(this.#init.gate, parsePath(path), options)
    if (!entry.heads.some(({ id }) => id === keep.version))
      throw new PeerfoldError('VERSION_NOT_FOUND', `${keep.version} is not a current version of ${path}`, {
        details: { path, version: keep.version },
      })
    return await this.restore(path, keep.version, options)
  }

  async close(): Promise<void> {
    this.#closing.abort(new PeerfoldError('CLOSED', 'the workspace is closed'))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #transact<T>(
    change: (tx: TreeTransaction) => Promise<T>,
    options?: AbortOptions,
  ): Promise<{ value: T; commit: CommitInfo | undefined }> {
    this.#throwIfClosed()
    return await transactTree(this.#init, change, options)
  }

  #writerOf(tx: TreeTransaction): Writer {
    const { content, clock, device } = this.#init
    const reader = createReader({
      tree: tx,
      open: (ref, options) => content.open(ref, { ...options, remote: true }),
      version: (id, options) => this.#init.tree.version(id, options),
    })
    return {
      ...reader,
      write: async (path, body, options = {}) => {
        const existing = await tx.lookup(parseItemPath(path).names)
        const ref = await ingestBody(content, body, existing, options)
        const meta = toMeta(options, clock.now(), existing)
        const entry = await putFile(tx, { path, content: ref, meta, ifVersion: options.ifVersion })
        return this.#toVersion(entry.heads[0] as FileVersion, device)
      },
      mkdir: async (path, options) => {
        await makeFolders(tx, parsePath(path))
        return await reader.stat(path, options)
      },
      move: (from, to) => moveItem(tx, from, to),
      remove: (path) => removeItem(tx, path),
    }
  }

  /** The item at a path, or the one that was there last. */
  async #findItem(path: string, options?: AbortOptions): Promise<string> {
    const { names } = parseItemPath(path)
    const entry = await this.#init.gate.lookup(names, options)
    if (entry !== undefined) {
      if (entry.kind === 'folder')
        throw new PeerfoldError('NOT_A_FILE', `a folder: ${formatPath(names)}`, { details: { path } })
      return entry.item
    }
    const removed = await findRemovedFile(this.#init.tree, formatPath(names), options)
    if (removed === undefined) throw notFound(names)
    return removed
  }

  async #present(item: string, path: string): Promise<Version> {
    const head = (await this.#init.gate.entry(item))?.heads[0]
    if (head === undefined)
      throw new PeerfoldError('NOT_FOUND', `${path} was removed meanwhile`, { details: { path } })
    return this.#toVersion(head, this.#init.device)
  }

  async #headVersions(entry: TreeEntry, options?: AbortOptions): Promise<Version[]> {
    const devices = new Map<RecordId, DeviceId>()
    for await (const { id, device } of this.#init.tree.versions(entry.item, options)) devices.set(id, device)
    return entry.heads.map((head) => this.#toVersion(head, devices.get(head.id) ?? ''))
  }

  #toVersion(version: FileVersion, device: DeviceId): Version {
    return {
      id: version.id,
      size: version.size,
      time: new Date(version.time),
      mtime: new Date(version.mtime),
      device,
      deviceName: this.#init.deviceName(device),
      basedOn: version.basedOn,
    }
  }

  #throwIfClosed(): void {
    this.#closing.signal.throwIfAborted()
  }
}

async function ingestBody(
  content: ContentStore,
  body: Body,
  existing: TreeEntry | undefined,
  { signal, onProgress }: WriteOptions,
) {
  const { bytes, size } = toByteSource(body)
  return await content.ingest(bytes, {
    base: existing?.heads[0]?.content,
    size,
    signal,
    onProgress: onProgress === undefined ? undefined : (done) => onProgress({ bytes: done, total: size }),
  })
}
