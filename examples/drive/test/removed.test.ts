import type { Workspace } from '@peerfold/core'
import { createTestPeers } from '@peerfold/core/testing'
import { expect, test } from 'vitest'
import { followRemoved, type RemovedFiles } from '../src/deleted/follow-removed.js'
import { bringBack, removeItems } from '../src/files/file-actions.js'
import { restoreFile } from '../src/files/restore-file.js'

async function withWorkspace(use: (workspace: Workspace) => Promise<void>): Promise<void> {
  await using peers = await createTestPeers(1)
  await use((await peers.devices[0]?.workspaces.create('drive')) as Workspace)
}

async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const value of source) all.push(value)
  return all
}

test('a removed file comes back beside what has its name by now', () =>
  withWorkspace(async (workspace) => {
    const { id } = await workspace.write('docs/a.txt', 'old')
    await workspace.remove('docs/a.txt')
    await workspace.write('docs/a.txt', 'new')
    await workspace.write('docs/a (2).txt', 'another')
    const removed = { path: 'docs/a.txt', version: id }
    expect(await restoreFile(workspace, removed)).toBe('docs/a (3).txt')
    expect(await workspace.read('docs/a (3).txt').text()).toBe('old')
    expect(await workspace.read('docs/a.txt').text()).toBe('new')
    expect(await collect(workspace.versions('docs/a.txt'))).toHaveLength(1)
  }))

test('a deletion that is undone does not replace what came in between', () =>
  withWorkspace(async (workspace) => {
    await workspace.write('docs/a', 'a')
    await workspace.write('docs/b', 'b')
    const removed = await removeItems(workspace, [await workspace.stat('docs')])
    await workspace.write('docs/b', 'since then')
    await bringBack(workspace, removed)
    const texts = (await collect(workspace.list('docs'))).map(async ({ name, path }) => [
      name,
      await workspace.read(path).text(),
    ])
    expect(await Promise.all(texts)).toEqual([
      ['a', 'a'],
      ['b', 'since then'],
      ['b (2)', 'b'],
    ])
  }))

test('removed files are listed again when one goes or comes back, so many at most', () =>
  withWorkspace(async (workspace) => {
    const controller = new AbortController()
    const seen: RemovedFiles[] = []
    const names = () => seen.at(-1)?.files.map(({ name }) => name)
    await workspace.write('a', 'a')
    await workspace.write('b', 'b')
    const following = followRemoved(workspace, {
      limit: 2,
      signal: controller.signal,
      onFiles: (removed) => seen.push(removed),
    })
    await expect.poll(names).toEqual([])
    await workspace.remove('a')
    await expect.poll(names).toEqual(['a'])
    await workspace.transact(async (tx) => {
      for (let n = 10; n < 30; n++) await tx.write(`many/${n}`, `${n}`)
    })
    await workspace.remove('many')
    await expect.poll(() => seen.at(-1)?.more).toBe(true)
    expect(names()).toHaveLength(2)
    expect(names()).toEqual(names()?.toSorted())
    for (const file of await collect(workspace.removed())) await workspace.restore(file.path, file.version)
    await expect.poll(names).toEqual([])
    controller.abort()
    await expect(following).rejects.toMatchObject({ name: 'AbortError' })
  }))
