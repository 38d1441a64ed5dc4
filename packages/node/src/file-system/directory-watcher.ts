import { type BigIntStats, type FSWatcher, readFileSync, watch as systemWatch } from 'node:fs'
import * as fs from 'node:fs/promises'
import { join } from 'node:path'
import { FileSystemError, type Watcher } from '@peerfold/core'
import { HintQueue } from './hint-queue.js'

/** The part of `fs.watch` that is needed: one directory, not what is below it. */
export type WatchDirectory = (
  path: string,
  options: { persistent: false },
  listener: (event: string, name: string | null) => void,
) => FSWatcher

export interface DirectoryWatcherInit {
  /** @default `fs.watch` */
  watch?: WatchDirectory
  /** Events in one turn of the event loop that mean that some were probably dropped. @default half of the kernel's queue */
  overflowAt?: number
}

/**
 * One watch for each directory, none for files. For systems whose recursive watching is made of single watches anyway (Linux): what
 * Node and libraries build there watches each file too. See docs/decisions/0050.
 */
export function createDirectoryWatcher(init: DirectoryWatcherInit = {}): Watcher {
  const watch = init.watch ?? systemWatch
  const overflowAt = init.overflowAt ?? kernelQueue() / 2
  return {
    async *watch(root, options) {
      const queue = new HintQueue(options?.signal)
      const tree = new WatchedTree(root, watch, overflowAt, queue, options?.skips ?? (() => false))
      try {
        options?.signal?.throwIfAborted()
        await tree.addRoot()
        options?.onReady?.()
        yield* queue.drain()
      } finally {
        tree.close()
      }
    },
  }
}

const DEFAULT_QUEUE = 16_384

/** Events that the kernel keeps for us before it drops some, which `fs.watch` does not tell. */
function kernelQueue(): number {
  try {
    const size = Number(readFileSync('/proc/sys/fs/inotify/max_queued_events', 'utf8'))
    return Number.isFinite(size) && size > 0 ? size : DEFAULT_QUEUE
  } catch {
    return DEFAULT_QUEUE
  }
}

interface Watched {
  ino: bigint
  watcher: FSWatcher
  children: Set<string>
}

class WatchedTree {
  readonly #watched = new Map<string, Watched>()
  /** Names that came, went or were replaced, by directory, to be looked at. */
  readonly #renamed = new Map<string, Set<string>>()
  #working = false
  #closed = false
  #burst = 0

  constructor(
    private readonly root: string,
    private readonly watch: WatchDirectory,
    private readonly overflowAt: number,
    private readonly queue: HintQueue,
    private readonly skips: (directory: string) => boolean,
  ) {}

  async addRoot(): Promise<void> {
    const stat = await fs.lstat(this.root, { bigint: true }).catch((cause: NodeJS.ErrnoException) => {
      throw new FileSystemError(cause.code ?? 'EIO', this.root, { cause })
    })
    await this.#add('', stat, false)
  }

  close(): void {
    this.#closed = true
    for (const { watcher } of this.#watched.values()) watcher.close()
    this.#watched.clear()
  }

  /** Watches a directory and, once that is in force, what it holds: nothing made meanwhile is missed. */
  async #add(path: string, stat: BigIntStats, tell: boolean): Promise<void> {
    if (this.#closed) return
    this.#remove(path)
    if (this.skips(path)) return
    const watcher = this.#start(path)
    if (watcher === undefined) return
    this.#watched.set(path, { ino: stat.ino, watcher, children: new Set() })
    if (path !== '') this.#watched.get(parentOf(path))?.children.add(path)
    if (tell) this.queue.push({ type: 'dirty', directory: path })
    for (const name of await this.#folders(path)) await this.#look(path, name, tell)
  }

  #start(path: string): FSWatcher | undefined {
    try {
      const listener = (event: string, name: string | null) => this.#onEvent(path, event, name)
      const watcher = this.watch(join(this.root, path), { persistent: false }, listener)
      watcher.on('error', (error) => this.#onError(path, error))
      return watcher
    } catch (error) {
      this.#onError(path, error as NodeJS.ErrnoException)
      return undefined
    }
  }

  async #folders(path: string): Promise<string[]> {
    const entries = await fs.readdir(join(this.root, path), { withFileTypes: true }).catch(() => [])
    return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name)
  }

  #onEvent(path: string, event: string, name: string | null): void {
    if (this.#closed) return
    this.#countBurst()
    this.queue.push({ type: 'dirty', directory: path })
    if (name === null) this.queue.push({ type: 'overflow' })
    if (name === null || event !== 'rename') return
    const names = this.#renamed.get(path)
    if (names === undefined) this.#renamed.set(path, new Set([name]))
    else names.add(name)
    void this.#work()
  }

  /** A queue that was full is emptied in one turn, so a very long turn means that some events may not have found room. */
  #countBurst(): void {
    if (this.#burst === 0) setImmediate(() => (this.#burst = 0))
    if (++this.#burst === this.overflowAt) this.queue.push({ type: 'overflow' })
  }

  #onError(path: string, error: Error & { code?: string }): void {
    const code = error.code ?? 'EIO'
    if (code === 'ENOENT' || code === 'EACCES' || code === 'ENOTDIR') return
    this.queue.fail(new FileSystemError(code, join(this.root, path), { cause: error }))
  }

  async #work(): Promise<void> {
    if (this.#working) return
    this.#working = true
    try {
      for (let next = this.#next(); next !== undefined; next = this.#next())
        await this.#look(next.path, next.name, true)
    } finally {
      this.#working = false
    }
  }

  #next(): { path: string; name: string } | undefined {
    if (this.#closed) return undefined
    for (const [path, names] of this.#renamed) {
      const [name] = names
      if (name === undefined) this.#renamed.delete(path)
      else {
        names.delete(name)
        return { path, name }
      }
    }
    return undefined
  }

  /** A directory that is new at this path is watched; one that left is not any more. */
  async #look(parent: string, name: string, tell: boolean): Promise<void> {
    const path = parent === '' ? name : `${parent}/${name}`
    const stat = await fs.lstat(join(this.root, path), { bigint: true }).catch(() => undefined)
    if (!stat?.isDirectory()) this.#remove(path)
    else if (this.#watched.get(path)?.ino !== stat.ino) await this.#add(path, stat, tell)
  }

  #remove(path: string): void {
    const watched = this.#watched.get(path)
    if (watched === undefined) return
    for (const child of watched.children) this.#remove(child)
    watched.watcher.close()
    this.#watched.delete(path)
    this.#watched.get(parentOf(path))?.children.delete(path)
  }
}

function parentOf(path: string): string {
  const slash = path.lastIndexOf('/')
  return slash < 0 ? '' : path.slice(0, slash)
}
