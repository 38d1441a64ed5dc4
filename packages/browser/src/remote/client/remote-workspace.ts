import {
  type AbortOptions,
  type Body,
  type Change,
  type CommitInfo,
  type Conflict,
  type CopyHolder,
  type Cursor,
  type Item,
  type Live,
  PeerfoldError,
  type RecordId,
  type RemovedItem,
  type RestoreOptions,
  type Version,
  type Workspace,
  type WorkspaceId,
  type Writer,
} from '@peerfold/core'
import { parsePath } from '@peerfold/core/workspace'
import { ITEMS_AHEAD } from '../limits.js'
import { toSentBody } from './bodies.js'
import { call, either } from './call.js'
import { Inflow } from './inflow.js'
import type { LinkSource } from './link-source.js'
import type { ClientMirror } from './mirror.js'
import { type Place, remoteList } from './reading.js'
import { RemoteLive } from './remote-live.js'
import { transactRemotely } from './remote-transaction.js'
import { RemoteWriter } from './remote-writer.js'

/** A workspace of the device, used from here. Each call names it, so that it is the same one whichever tab runs the device. */
export class RemoteWorkspace extends RemoteWriter implements Workspace {
  readonly id: WorkspaceId
  readonly #firstName: string
  readonly #mirror: ClientMirror
  readonly #place: Place
  readonly #closing: AbortController

  constructor(source: LinkSource, mirror: ClientMirror, { id, name }: { id: WorkspaceId; name: string }) {
    const closing = new AbortController()
    const place = { source, target: { workspace: id }, closed: closing.signal }
    super(place)
    this.id = id
    this.#firstName = name
    this.#mirror = mirror
    this.#place = place
    this.#closing = closing
  }

  get name(): string {
    return this.#mirror.nameOf(this.id) ?? this.#firstName
  }

  async transact<T>(
    change: (tx: Writer) => Promise<T>,
    options?: AbortOptions,
  ): Promise<{ value: T; commit: CommitInfo | undefined }> {
    return await transactRemotely(this.#place, change, options)
  }

  /** Goes on after the last change that was told when another tab takes the device over. */
  watch(path: string, options: AbortOptions & { since?: Cursor } = {}): AsyncIterable<Change> {
    const { source, target, closed } = this.#place
    closed.throwIfAborted()
    parsePath(path)
    let since = options.since
    return new Inflow<Change>({
      source,
      ...either(closed, options),
      request: () => ({ method: 'watch', target, args: { path, since } }),
      window: ITEMS_AHEAD,
      cost: () => 1,
      take: ({ cursor }) => {
        since = cursor
        return true
      },
      onNote: ({ cursor }) => {
        since ??= cursor
      },
    })
  }

  async cursor(options?: AbortOptions): Promise<Cursor> {
    const { source, target, closed } = this.#place
    return await call(source, { method: 'cursor', target }, { ...either(closed, options), repeat: true })
  }

  live(path: string): Live<Item[] | undefined> & Disposable {
    parsePath(path)
    return new RemoteLive(this.#place, path)
  }

  versions(path: string, { signal }: AbortOptions = {}): AsyncIterable<Version> {
    return remoteList<Version>(this.#place, 'versions', { path }, ({ id }) => id, signal)
  }

  removed({ signal }: AbortOptions = {}): AsyncIterable<RemovedItem> {
    return remoteList<RemovedItem>(this.#place, 'removed', {}, ({ id }) => id, signal)
  }

  async restore(path: string, version: RecordId, options: RestoreOptions = {}): Promise<Version> {
    const { source, target, closed } = this.#place
    const args = { path, version, to: options.to }
    return await call(source, { method: 'restore', target, args }, either(closed, options))
  }

  conflicts({ signal }: AbortOptions = {}): AsyncIterable<Conflict> {
    return remoteList<Conflict>(this.#place, 'conflicts', {}, ({ item }) => item, signal)
  }

  async resolve(
    path: string,
    keep: { version: RecordId } | { body: Body },
    options?: AbortOptions,
  ): Promise<Version> {
    const { source, target, closed } = this.#place
    const { wire, pieces } = 'body' in keep ? toSentBody(keep.body) : {}
    const args = { path, body: wire, version: 'version' in keep ? keep.version : undefined }
    return await call(source, { method: 'resolve', target, args }, { ...either(closed, options), pieces })
  }

  async durable({ copies, signal }: { copies: number } & AbortOptions): Promise<CopyHolder[]> {
    const { source, target, closed } = this.#place
    return await call(
      source,
      { method: 'durable', target, args: { copies } },
      { ...either(closed, { signal }), repeat: true },
    )
  }

  async close(): Promise<void> {
    this.#closing.abort(new PeerfoldError('CLOSED', 'the workspace is closed'))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}
