import type {
  AbortOptions,
  Body,
  FileBody,
  Item,
  ListOptions,
  ReadOptions,
  Version,
  WriteOptions,
  Writer,
} from '@peerfold/core'
import { toSentBody } from './bodies.js'
import { call, either } from './call.js'
import { type Place, remoteFile, remoteList } from './reading.js'

/** Reads and changes of a workspace, or of a transaction. */
export class RemoteWriter implements Writer {
  readonly #place: Place

  constructor(place: Place) {
    this.#place = place
  }

  read(path: string, options?: ReadOptions): FileBody {
    return remoteFile(this.#place, path, options)
  }

  list(path: string, { recursive, signal }: ListOptions = {}): AsyncIterable<Item> {
    return remoteList<Item>(this.#place, 'list', { path, recursive }, ({ id }) => id, signal)
  }

  async stat(path: string, options?: AbortOptions): Promise<Item> {
    return await this.#call('stat', { path }, options, true)
  }

  async write(path: string, body: Body, options: WriteOptions = {}): Promise<Version> {
    const { wire, pieces } = toSentBody(body)
    const { ifVersion, mtime, executable, type, onProgress } = options
    const { source, target, closed } = this.#place
    const args = { path, body: wire, ifVersion, mtime, executable, type }
    return await call(
      source,
      { method: 'write', target, args },
      { ...either(closed, options), pieces, onProgress },
    )
  }

  async mkdir(path: string, options?: AbortOptions): Promise<Item> {
    // An existing folder is fine: it may be made twice.
    return await this.#call('mkdir', { path }, options, true)
  }

  async move(from: string, to: string, options?: AbortOptions): Promise<void> {
    await this.#call('move', { from, to }, options)
  }

  async remove(path: string, options?: AbortOptions): Promise<void> {
    await this.#call('remove', { path }, options)
  }

  async #call<T>(
    method: string,
    args: Record<string, unknown>,
    options: AbortOptions | undefined,
    repeat = false,
  ): Promise<T> {
    const { source, target, closed } = this.#place
    return await call<T>(source, { method, target, args }, { ...either(closed, options), repeat })
  }
}
