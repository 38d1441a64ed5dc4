import * as fs from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type OpenFolderInit, openFolder } from '../../../core/src/folder/open-folder.js'
import type { FolderActivity, FolderSync } from '../../../core/src/folder/types.js'
import { systemClock } from '../../../core/src/platform/system-clock.js'
import { systemRandom } from '../../../core/src/platform/system-random.js'
import type { Clock } from '../../../core/src/ports/clock.js'
import type { FakeSourceOptions, FakeWorkspace } from '../../../core/src/testing/fake-workspace.js'
import { createFakeWorkspace } from '../../../core/src/testing/fake-workspace.js'
import { createMemoryLogStore, type MemoryLogStore } from '../../../core/src/testing/memory-log-store.js'
import { compare, walk } from '../../src/demo/verifier.js'
import { createNodeFileSystem } from '../../src/file-system/node-file-system.js'
import { createNodeWatcher } from '../../src/file-system/node-watcher.js'

export interface RealFolder extends AsyncDisposable {
  directory: string
  workspace: FakeWorkspace
  sync: FolderSync
  activities: FolderActivity[]
  journal: MemoryLogStore
  path(...names: string[]): string
  settled(ms?: number): Promise<void>
  /** Ends without removing the directory. */
  stop(): Promise<void>
}

export interface RealFolderOptions extends FakeSourceOptions {
  workspace?: FakeWorkspace
  directory?: string
  journal?: MemoryLogStore
  init?: Partial<OpenFolderInit>
}

/** A folder engine on a real directory of its own, sharing a workspace in memory. */
export async function realFolder(options: RealFolderOptions = {}): Promise<RealFolder> {
  const directory = options.directory ?? (await fs.mkdtemp(join(tmpdir(), 'peerfold-folder-')))
  const workspace = options.workspace ?? createFakeWorkspace()
  const journal = options.journal ?? createMemoryLogStore()
  const sync = await openFolder({
    source: workspace.source(options),
    directory,
    files: createNodeFileSystem(),
    watcher: createNodeWatcher(),
    journal,
    clock: systemClock,
    random: systemRandom,
    ...options.init,
  })
  const activities: FolderActivity[] = []
  sync.on('activity', (activity) => activities.push(activity))
  return {
    directory,
    workspace,
    sync,
    activities,
    journal,
    path: (...names) => join(directory, ...names),
    settled: (ms = 20_000) => sync.settled({ signal: AbortSignal.timeout(ms) }),
    stop: () => sync.close(),
    [Symbol.asyncDispose]: async () => {
      await sync.close()
      await fs.rm(directory, { recursive: true, force: true })
    },
  }
}

/** Waits until `check` passes; its last failure is the error. */
export async function eventually(check: () => Promise<void> | void, ms = 15_000): Promise<void> {
  const deadline = Date.now() + ms
  for (;;) {
    try {
      return await check()
    } catch (error) {
      if (Date.now() > deadline) throw error
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
}

/** Waits until two folders hold the same, and neither has anything left to do. */
export async function becomeEqual(left: RealFolder, right: RealFolder, ms = 30_000): Promise<void> {
  await eventually(async () => {
    for (const folder of [left, right, left]) await folder.settled(ms)
    const differences = compare(await walk(left.directory), await walk(right.directory))
    if (differences.length > 0) throw new Error(differences.slice(0, 10).join('\n'))
  }, ms)
}

/** The system's clock, on which what is waited for comes `factor` times as soon. */
export function hastenedClock(factor: number): Clock {
  return {
    now: () => systemClock.now(),
    monotonic: () => systemClock.monotonic() * factor,
    sleep: (ms, options) => systemClock.sleep(ms / factor, options),
  }
}

/** Content of everything but Peerfold's own state, by path. */
export async function contents(directory: string, below = ''): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  for (const entry of await fs.readdir(join(directory, below), { withFileTypes: true })) {
    const path = below === '' ? entry.name : `${below}/${entry.name}`
    if (path === '.peerfold') continue
    if (entry.isDirectory()) Object.assign(found, { [path]: '/' }, await contents(directory, path))
    else if (entry.isSymbolicLink()) found[path] = `-> ${await fs.readlink(join(directory, path))}`
    else found[path] = await fs.readFile(join(directory, path), 'utf8')
  }
  return Object.fromEntries(Object.entries(found).sort(([a], [b]) => (a < b ? -1 : 1)))
}
