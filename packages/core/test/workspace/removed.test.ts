import { describe, expect, test } from 'vitest'
import { createManualClock, type ManualClock } from '../../src/testing/manual-clock.js'
import { createTestPeers } from '../../src/testing/test-peers.js'
import type { RemovedItem, Workspace } from '../../src/workspace/types.js'

async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const value of source) all.push(value)
  return all
}

async function withWorkspace(
  use: (workspace: Workspace, clock: ManualClock) => Promise<void>,
): Promise<void> {
  const clock = createManualClock()
  await using peers = await createTestPeers(1, { clock })
  await use((await peers.devices[0]?.workspaces.create('work')) as Workspace, clock)
}

const paths = async (workspace: Workspace) =>
  (await collect(workspace.list('', { recursive: true }))).map(({ path }) => path)
const removedPaths = async (workspace: Workspace) =>
  (await collect(workspace.removed())).map(({ path }) => path)

/** Writes a file and removes it. @returns what is then listed of it */
async function writeAndRemove(workspace: Workspace, path: string, text: string): Promise<RemovedItem> {
  await workspace.write(path, text)
  const { id } = await workspace.stat(path)
  await workspace.remove(path)
  return (await collect(workspace.removed())).find((each) => each.id === id) as RemovedItem
}

describe('removed files', () => {
  test('are listed with where they were and when they went, the latest first', () =>
    withWorkspace(async (workspace, clock) => {
      const version = await workspace.write('docs/a.txt', 'four')
      const { id } = await workspace.stat('docs/a.txt')
      await workspace.write('docs/b', 'b')
      await workspace.write('c', 'c')
      const removedAt = clock.now() + 1_000
      clock.setNow(removedAt)
      await workspace.remove('docs/a.txt')
      clock.setNow(removedAt + 1_000)
      await workspace.remove('c')
      expect(await removedPaths(workspace)).toEqual(['c', 'docs/a.txt'])
      expect((await collect(workspace.removed()))[1]).toEqual({
        id,
        path: 'docs/a.txt',
        name: 'a.txt',
        type: 'file',
        version: version.id,
        size: 4,
        time: new Date(removedAt),
      })
    }))

  test('are those that went with their folder, too, and no folders', () =>
    withWorkspace(async (workspace) => {
      await workspace.write('a/b/one', '1')
      await workspace.write('a/two', '2')
      await workspace.mkdir('a/empty')
      await workspace.remove('a')
      expect((await removedPaths(workspace)).sort()).toEqual(['a/b/one', 'a/two'])
    }))

  test('come back as what they were, with their history', () =>
    withWorkspace(async (workspace) => {
      const first = await workspace.write('docs/a', 'first')
      const { id } = await workspace.stat('docs/a')
      await workspace.write('docs/a', 'second', { executable: true, mtime: new Date(5_000) })
      await workspace.remove('docs')
      const [removed] = await collect(workspace.removed())
      await workspace.restore('docs/a', (removed as RemovedItem).version)
      expect(await workspace.read('docs/a').text()).toBe('second')
      expect(await workspace.stat('docs/a')).toMatchObject({ id, executable: true, mtime: new Date(5_000) })
      expect(await removedPaths(workspace)).toEqual([])
      expect(await paths(workspace)).toEqual(['docs', 'docs/a'])
      const versions = await collect(workspace.versions('docs/a'))
      expect(versions).toHaveLength(3)
      expect(versions.at(-1)?.id).toBe(first.id)
    }))

  test('do not touch what has their name by now, and come back under another', () =>
    withWorkspace(async (workspace) => {
      const old = await writeAndRemove(workspace, 'a.txt', 'old')
      await workspace.write('a.txt', 'new')
      const present = await workspace.stat('a.txt')
      await expect(workspace.restore('a.txt', old.version)).rejects.toMatchObject({
        code: 'ALREADY_EXISTS',
        details: { path: 'a.txt' },
      })
      expect(await workspace.stat('a.txt')).toEqual(present)
      expect(await removedPaths(workspace)).toEqual(['a.txt'])
      await workspace.restore('a.txt', old.version, { to: 'back/a (2).txt' })
      expect(await workspace.stat('a.txt')).toEqual(present)
      expect(await collect(workspace.versions('a.txt'))).toHaveLength(1)
      expect(await workspace.read('back/a (2).txt').text()).toBe('old')
      expect((await workspace.stat('back/a (2).txt')).id).toBe(old.id)
      expect(await paths(workspace)).toEqual(['a.txt', 'back', 'back/a (2).txt'])
    }))

  test('come back into the folder that is at their path now', () =>
    withWorkspace(async (workspace) => {
      await workspace.write('docs/a', 'a')
      await workspace.remove('docs')
      await workspace.write('docs/b', 'b')
      const folder = await workspace.stat('docs')
      const [removed] = await collect(workspace.removed())
      await workspace.restore('docs/a', (removed as RemovedItem).version)
      expect(await paths(workspace)).toEqual(['docs', 'docs/a', 'docs/b'])
      expect((await workspace.stat('docs')).id).toBe(folder.id)
      await workspace.remove('docs')
      await workspace.write('docs', 'a file')
      await expect(workspace.restore('docs/a', (removed as RemovedItem).version)).rejects.toMatchObject({
        code: 'NOT_A_FOLDER',
      })
    }))

  test('of one path are each their own: a path means the one that went last', () =>
    withWorkspace(async (workspace) => {
      // All within a millisecond.
      const removed: RemovedItem[] = []
      for (const text of ['1', '22', '333', '4444', '55555'])
        removed.push(await writeAndRemove(workspace, 'same', text))
      await workspace.mkdir('same')
      await workspace.remove('same')
      expect((await collect(workspace.versions('same'))).map(({ size }) => size)).toEqual([5])
      await workspace.restore('same', (removed[1] as RemovedItem).version)
      expect(await workspace.read('same').text()).toBe('22')
      expect((await collect(workspace.removed())).map(({ size }) => size).sort()).toEqual([1, 3, 4, 5])
    }))

  test('are found by their own path only', () =>
    withWorkspace(async (workspace) => {
      const { version } = await writeAndRemove(workspace, 'a', 'a')
      await writeAndRemove(workspace, 'b', 'b')
      await expect(workspace.restore('b', version)).rejects.toMatchObject({ code: 'VERSION_NOT_FOUND' })
      await expect(collect(workspace.versions('c'))).rejects.toMatchObject({ code: 'NOT_FOUND' })
      expect(await removedPaths(workspace)).toHaveLength(2)
    }))

  test('come back on all devices', async () => {
    await using peers = await createTestPeers(2)
    const [laptop, phone] = peers.devices
    const notes = (await laptop?.workspaces.create('notes')) as Workspace
    await notes.write('docs/a', 'a')
    await notes.remove('docs')
    await laptop?.settled()
    const there = (await phone?.workspaces.open(notes.id)) as Workspace
    const [removed] = await collect(there.removed())
    expect(removed).toEqual((await collect(notes.removed()))[0])
    await there.restore('docs/a', (removed as RemovedItem).version)
    await phone?.settled()
    expect(await notes.read('docs/a').text()).toBe('a')
    expect(await removedPaths(notes)).toEqual([])
  })

  test('come back once when two devices that are apart bring them back', async () => {
    await using peers = await createTestPeers(2)
    const [laptop, phone] = peers.devices
    const notes = (await laptop?.workspaces.create('notes')) as Workspace
    await notes.write('docs/a', 'a')
    await notes.remove('docs')
    await laptop?.settled()
    const there = (await phone?.workspaces.open(notes.id)) as Workspace
    const [removed] = (await collect(there.removed())) as [RemovedItem]
    peers.hub.partition(peers.devices.map(({ device }) => [device.peer]))
    await notes.restore('docs/a', removed.version)
    await there.restore('docs/a', removed.version)
    peers.hub.heal()
    await laptop?.settled()
    await phone?.settled()
    for (const side of [notes, there]) {
      expect(await paths(side)).toEqual(['docs', 'docs/a'])
      expect(await collect(side.conflicts())).toEqual([])
    }
  })
})
