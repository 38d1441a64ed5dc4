import type { FolderEngine } from '../../src/folder/engine.js'
import { assemble } from '../../src/folder/open-folder.js'
import type { FolderActivity } from '../../src/folder/types.js'
import type { Clock } from '../../src/ports/clock.js'
import type { Watcher } from '../../src/ports/watcher.js'
import { createFakeDisk, type FakeDisk } from '../../src/testing/fake-disk.js'
import {
  createFakeWorkspace,
  type FakeSourceOptions,
  type FakeWorkspace,
} from '../../src/testing/fake-workspace.js'
import { createMemoryLogStore, type MemoryLogStore } from '../../src/testing/memory-log-store.js'
import { createSeededRandom } from '../../src/testing/seeded-random.js'
import { ROOT_ITEM } from '../../src/tree/types.js'

export const ROOT = '/sync'
export const text = (value: string): Uint8Array => new TextEncoder().encode(value)

const silent: Watcher = { async *watch() {} }

/** Far from the disk's own times, and so fast that everything has rested by the next round. */
export function hurriedClock(): Clock {
  let time = 0
  return {
    now: () => 1_700_000_000_000 + time,
    monotonic: () => (time += 1_000),
    sleep: () => new Promise(() => {}),
  }
}

export interface Bench {
  disk: FakeDisk
  workspace: FakeWorkspace
  engine: FolderEngine
  journal: MemoryLogStore
  activities: FolderActivity[]
  /** Rounds, each with a full scan, until nothing is left to do. Returns how many it took. */
  settle(limit?: number): Promise<number>
  /** One round. */
  round(): Promise<Awaited<ReturnType<FolderEngine['round']>>>
  /** What lies in the folder, by path: text, `-> target` or `/` for folders. State excluded. */
  onDisk(): Record<string, string>
  /** The same of the workspace, primary versions. */
  inWorkspace(): Promise<Record<string, string>>
  write(path: string, value: string): void
  /** Another device writes. */
  remote(path: string, value: string): Promise<void>
  remoteRemove(path: string): Promise<void>
  remoteMove(from: string, to: string): Promise<void>
  remoteFolder(path: string): Promise<void>
  /** All competing contents of a file. */
  heads(path: string): Promise<string[]>
  issues(): string[]
}

export interface BenchOptions extends FakeSourceOptions {
  disk?: FakeDisk
  workspace?: FakeWorkspace
  journal?: MemoryLogStore
  seed?: number
  /** @default hurried */
  clock?: Clock
}

export async function bench(options: BenchOptions = {}): Promise<Bench> {
  const disk = options.disk ?? createFakeDisk()
  const workspace = options.workspace ?? createFakeWorkspace()
  const journal = options.journal ?? createMemoryLogStore()
  const activities: FolderActivity[] = []
  if (!disk.user.exists(ROOT)) disk.user.mkdir(ROOT)
  const { loop, engine, prepare } = await assemble({
    source: workspace.source(options),
    directory: ROOT,
    files: disk,
    watcher: silent,
    journal,
    clock: options.clock ?? hurriedClock(),
    random: createSeededRandom(options.seed ?? 1),
  })
  loop.on('activity', (activity) => activities.push(activity))
  await prepare()
  const bytes = (value: string) => workspace.content(text(value))
  const meta = { type: 'file' as const, mtime: 1_600_000_000_000, executable: false }
  const split = (path: string) => {
    const names = path.split('/')
    return { folder: names.slice(0, -1), name: names.at(-1)! }
  }
  const round = async () => {
    engine.markDirty('all')
    const result = await engine.round(
      () => {},
      () => {},
    )
    await new Promise((resolve) => setImmediate(resolve))
    return result
  }
  return {
    disk,
    workspace,
    engine,
    journal,
    activities,
    round,
    settle: async (limit = 200) => {
      for (let n = 1; n <= limit; n++) if ((await round()).settled) return n
      throw new Error(`not settled after ${limit} rounds`)
    },
    onDisk: () => diskAsText(disk),
    inWorkspace: () => workspaceAsText(workspace),
    write: (path, value) => disk.user.write(`${ROOT}/${path}`, text(value)),
    remote: async (path, value) => {
      const { folder, name } = split(path)
      await workspace.transact(async (tx) => {
        let parent = ROOT_ITEM
        for (const step of folder) parent = (await tx.makeFolder(parent, step)).item
        const there = await tx.child(parent, name)
        if (there === undefined) await tx.makeFile(parent, name, bytes(value), meta)
        else await tx.writeFile(there.item, bytes(value), meta)
      })
    },
    remoteRemove: async (path) => {
      await workspace.transact(async (tx) => tx.remove((await tx.lookup(path.split('/')))!.item))
    },
    remoteMove: async (from, to) => {
      const { folder, name } = split(to)
      await workspace.transact(async (tx) => {
        const item = (await tx.lookup(from.split('/')))!.item
        await tx.move(item, (await tx.lookup(folder))!.item, name)
      })
    },
    remoteFolder: async (path) => {
      const { folder, name } = split(path)
      await workspace.transact(async (tx) => tx.makeFolder((await tx.lookup(folder))!.item, name))
    },
    heads: async (path) => {
      const entry = await workspace.tree.lookup(path.split('/'))
      return (entry?.heads ?? [])
        .map((head) => new TextDecoder().decode(workspace.bytesOf(head.content)))
        .sort()
    },
    issues: () => engine.folder.issues.list().map((issue) => `${issue.path}: ${issue.code}`),
  }
}

export function diskAsText(disk: FakeDisk, root = ROOT): Record<string, string> {
  const found: Record<string, string> = {}
  for (const { path, type, bytes, target } of disk.user.walk(root)) {
    if (path === '.peerfold' || path.startsWith('.peerfold/')) continue
    found[path] =
      type === 'folder' ? '/' : type === 'symlink' ? `-> ${target}` : new TextDecoder().decode(bytes)
  }
  return found
}

export async function workspaceAsText(workspace: FakeWorkspace): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  await walk(ROOT_ITEM, '')
  return Object.fromEntries(Object.entries(found).sort(([a], [b]) => (a < b ? -1 : 1)))

  async function walk(parent: string, path: string): Promise<void> {
    for await (const entry of workspace.tree.children(parent)) {
      const at = path === '' ? entry.name : `${path}/${entry.name}`
      const head = entry.heads[0]
      const value = head && new TextDecoder().decode(workspace.bytesOf(head.content))
      found[at] = value === undefined ? '/' : head?.type === 'symlink' ? `-> ${value}` : value
      if (entry.kind === 'folder') await walk(entry.item, at)
    }
  }
}
