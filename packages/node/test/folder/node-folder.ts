import * as fs from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type OpenFolderInit, openFolder } from '../../../core/src/folder/open-folder.js'
import type { FolderActivity, FolderSync } from '../../../core/src/folder/types.js'
import { systemClock } from '../../../core/src/platform/system-clock.js'
import { systemRandom } from '../../../core/src/platform/system-random.js'
import type { FakeSourceOptions, FakeWorkspace } from '../../../core/src/testing/fake-workspace.js'
import { createFakeWorkspace } from '../../../core/src/testing/fake-workspace.js'
import { createMemoryLogStore, type MemoryLogStore } from '../../../core/src/testing/memory-log-store.js'
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
