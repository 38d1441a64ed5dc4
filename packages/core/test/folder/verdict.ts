import { expect } from 'vitest'
import { type NameRules, projectNames } from '../../src/folder/names.js'
import type { FakeDisk } from '../../src/testing/fake-disk.js'
import type { FakeWorkspace } from '../../src/testing/fake-workspace.js'
import { ROOT_ITEM } from '../../src/tree/types.js'
import { diskAsText, ROOT } from './harness.js'
import type { MortalDevice } from './mortal.js'
import type { Ledger } from './people.js'
import type { RandomDisk } from './random-disk.js'

const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

/** Disk and workspace are one, nothing is lost, nothing is left over, and it stays so. */
export async function judge(
  device: MortalDevice,
  made: RandomDisk,
  workspace: FakeWorkspace,
  ledger: Ledger,
  rounds: number,
): Promise<void> {
  const { disk } = device
  expect(shown(disk, made), 'disk and workspace differ').toEqual(await expected(workspace, made))
  const kept = new Set([...(await liveContents(workspace)), ...trashed(device)])
  const lost = ledger.owed().filter((value) => !kept.has(value))
  expect(lost, 'contents are lost').toEqual([])
  expect(disk.user.walk(`${ROOT}/.peerfold/tmp`), 'temporary files stay').toEqual([])
  const inTrash = disk.user.walk(`${ROOT}/.peerfold/trash`).map(({ path }) => path.normalize('NFD'))
  const records = [...device.engine.folder.journal.trash.keys()].map((name) => name.normalize('NFD'))
  expect(inTrash.sort(), 'trash and its records differ').toEqual(records.sort())
  if (!made.kind.executables) expect(await executables(workspace), 'all became executable').toEqual([])
  const commits = workspace.commits
  await device.settle(rounds)
  expect(workspace.commits, 'it does not come to rest').toBe(commits)
}

const isDecomposed = (made: RandomDisk) => made.kind.names.endsWith('decomposed')

function shown(disk: FakeDisk, made: RandomDisk): Record<string, string> {
  return normal(Object.entries(diskAsText(disk)), made)
}

/** The merged tree under the names that this disk can hold. */
async function expected(workspace: FakeWorkspace, made: RandomDisk): Promise<Record<string, string>> {
  const found: Array<[string, string]> = []
  await walk(ROOT_ITEM, '')
  return normal(found, made)

  async function walk(parent: string, path: string): Promise<void> {
    const children = await childrenOf(workspace, parent)
    const names = projectNames(children, made.names as NameRules, parent === ROOT_ITEM)
    for (const entry of children) {
      const at = `${path}${names.get(entry.item)}`
      const head = entry.heads[0]
      const value = head && decode(workspace.bytesOf(head.content))
      found.push([at, value === undefined ? '/' : head?.type === 'symlink' ? `-> ${value}` : value])
      if (entry.kind === 'folder') await walk(entry.item, `${at}/`)
    }
  }
}

function normal(entries: Array<[string, string]>, made: RandomDisk): Record<string, string> {
  const form = ([path, value]: [string, string]): [string, string] => [
    isDecomposed(made) ? path.normalize('NFD') : path,
    value,
  ]
  return Object.fromEntries(entries.map(form).sort(([a], [b]) => (a < b ? -1 : 1)))
}

function trashed(device: MortalDevice): string[] {
  return device.disk.user
    .walk(`${ROOT}/.peerfold/trash`)
    .flatMap(({ bytes }) => (bytes === undefined ? [] : [decode(bytes)]))
}

async function childrenOf(workspace: FakeWorkspace, parent: string) {
  const children = []
  for await (const entry of workspace.tree.children(parent)) children.push(entry)
  return children
}

/** Contents of all heads. */
async function liveContents(workspace: FakeWorkspace, parent = ROOT_ITEM): Promise<string[]> {
  const found: string[] = []
  for (const entry of await childrenOf(workspace, parent)) {
    for (const head of entry.heads) found.push(decode(workspace.bytesOf(head.content)))
    if (entry.kind === 'folder') found.push(...(await liveContents(workspace, entry.item)))
  }
  return found
}

async function executables(workspace: FakeWorkspace, parent = ROOT_ITEM): Promise<string[]> {
  const found: string[] = []
  for (const entry of await childrenOf(workspace, parent)) {
    if (entry.heads.some((head) => head.executable)) found.push(entry.name)
    if (entry.kind === 'folder') found.push(...(await executables(workspace, entry.item)))
  }
  return found
}
