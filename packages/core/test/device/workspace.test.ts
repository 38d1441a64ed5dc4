import { describe, expect, test } from 'vitest'
import { equalBytes } from '../../src/encoding/bytes.js'
import { createTestPeers } from '../../src/testing/test-peers.js'
import type { Change, Item, Workspace } from '../../src/workspace/types.js'

async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const value of source) all.push(value)
  return all
}

async function withWorkspace(use: (workspace: Workspace) => Promise<void>): Promise<void> {
  await using peers = await createTestPeers(1)
  await use((await peers.devices[0]?.workspaces.create('work')) as Workspace)
}

describe('a workspace', () => {
  test('reads what was written: text, bytes, ranges, large files', () =>
    withWorkspace(async (workspace) => {
      const large = new Uint8Array(3_000_000).map((_, i) => (i * 7919) >> 3)
      await workspace.write('deep/er/file.bin', large, {
        mtime: new Date(1_000_000_000_000),
        executable: true,
      })
      expect(equalBytes(await workspace.read('deep/er/file.bin').bytes(), large)).toBe(true)
      const range = await workspace.read('deep/er/file.bin', { offset: 1_234_567, length: 1000 }).bytes()
      expect(equalBytes(range, large.subarray(1_234_567, 1_235_567))).toBe(true)
      expect(await workspace.stat('deep/er/file.bin')).toMatchObject({
        kind: 'file',
        size: 3_000_000,
        executable: true,
        mtime: new Date(1_000_000_000_000),
      })
      expect(await workspace.stat('deep')).toMatchObject({ kind: 'folder', type: 'folder', size: 0 })
    }))

  test('lists, moves and removes', () =>
    withWorkspace(async (workspace) => {
      await workspace.write('a/one.txt', '1')
      await workspace.write('a/b/two.txt', '2')
      await workspace.mkdir('empty/inner')
      await workspace.move('a', 'c/d')
      const paths = (await collect(workspace.list('', { recursive: true }))).map(({ path }) => path)
      expect(paths.sort()).toEqual([
        'c',
        'c/d',
        'c/d/b',
        'c/d/b/two.txt',
        'c/d/one.txt',
        'empty',
        'empty/inner',
      ])
      await workspace.remove('c')
      expect((await collect(workspace.list(''))).map(({ path }) => path)).toEqual(['empty'])
      await expect(workspace.move('empty', 'empty/x/y')).rejects.toMatchObject({ code: 'MOVE_INTO_ITSELF' })
      await expect(workspace.stat('empty/x')).rejects.toMatchObject({ code: 'NOT_FOUND' })
      await expect(workspace.read('empty').text()).rejects.toMatchObject({ code: 'NOT_A_FILE' })
      await expect(workspace.write('empty', 'x')).rejects.toMatchObject({ code: 'NOT_A_FILE' })
      await expect(collect(workspace.list('nothing'))).rejects.toMatchObject({ code: 'NOT_FOUND' })
    }))

  test('keeps versions, of removed files too, and restores them', () =>
    withWorkspace(async (workspace) => {
      const first = await workspace.write('a.txt', 'first')
      const second = await workspace.write('a.txt', 'second', { ifVersion: first.id })
      await expect(workspace.write('a.txt', 'late', { ifVersion: first.id })).rejects.toMatchObject({
        code: 'VERSION_MISMATCH',
      })
      await expect(workspace.write('a.txt', 'new', { ifVersion: null })).rejects.toMatchObject({
        code: 'VERSION_MISMATCH',
      })
      expect((await collect(workspace.versions('a.txt'))).map(({ id }) => id)).toEqual([second.id, first.id])
      await workspace.remove('a.txt')
      await workspace.restore('a.txt', first.id)
      expect(await workspace.read('a.txt').text()).toBe('first')
      expect(await workspace.read('a.txt', { version: second.id }).text()).toBe('second')
      await expect(workspace.restore('a.txt', '1.1')).rejects.toMatchObject({ code: 'VERSION_NOT_FOUND' })
    }))

  test('a transaction reads its own writes and is all or nothing', () =>
    withWorkspace(async (workspace) => {
      const { value, commit } = await workspace.transact(async (tx) => {
        await tx.write('x/1.txt', 'one')
        await tx.move('x', 'y')
        await tx.write('y/2.txt', 'two')
        return await tx.read('y/1.txt').text()
      })
      expect(value).toBe('one')
      expect(commit?.id).toMatch(/^[0-9a-f]{64}$/)
      expect((await collect(workspace.list('y'))).map(({ name }) => name)).toEqual(['1.txt', '2.txt'])
      const failing = workspace.transact(async (tx) => {
        await tx.remove('y')
        throw new Error('never mind')
      })
      await expect(failing).rejects.toThrow('never mind')
      expect(await workspace.read('y/2.txt').text()).toBe('two')
    }))

  test('a transaction of thousands of files is one commit', () =>
    withWorkspace(async (workspace) => {
      const { commit } = await workspace.transact(async (tx) => {
        for (let i = 0; i < 3000; i++) await tx.write(`many/${i}.txt`, `content ${i}`)
      })
      expect(commit).toBeDefined()
      expect(await workspace.read('many/2999.txt').text()).toBe('content 2999')
      expect(await collect(workspace.list('many'))).toHaveLength(3000)
    }))

  test('tells of changes, and goes on after a cursor', () =>
    withWorkspace(async (workspace) => {
      const controller = new AbortController()
      const seen: Change[] = []
      const watching = expect(
        (async () => {
          for await (const change of workspace.watch('docs', { signal: controller.signal })) {
            seen.push(change)
            if (seen.length === 3) controller.abort(new Error('enough'))
          }
        })(),
      ).rejects.toThrow('enough')
      await workspace.write('other.txt', 'not below docs')
      await workspace.write('docs/a.txt', 'a')
      await workspace.write('docs/a.txt', 'b')
      await workspace.move('docs/a.txt', 'docs/b.txt')
      await watching
      expect(seen.map(({ type, path }) => `${type} ${path}`)).toEqual([
        'create docs',
        'create docs/a.txt',
        'edit docs/a.txt',
      ])
      const rest: Change[] = []
      for await (const change of workspace.watch('docs', { since: seen[2]?.cursor })) {
        rest.push(change)
        break
      }
      expect(rest[0]).toMatchObject({ type: 'move', path: 'docs/b.txt', from: 'docs/a.txt' })
    }))

  test('gives a cursor after all that has happened: nothing later is missed', () =>
    withWorkspace(async (workspace) => {
      const start = await workspace.cursor()
      await workspace.write('a.txt', 'a')
      const since = await workspace.cursor()
      await workspace.write('b.txt', 'b')
      for (const [cursor, path] of [
        [start, 'a.txt'],
        [since, 'b.txt'],
      ] as const)
        for await (const change of workspace.watch('', { since: cursor })) {
          expect(change).toMatchObject({ type: 'create', path })
          break
        }
      await expect(workspace.cursor({ signal: AbortSignal.abort(new Error('no')) })).rejects.toThrow('no')
    }))

  test('a cursor outlives a restart; without the index its reader is told of everything once more', async () => {
    await using peers = await createTestPeers(1)
    const first = (await peers.devices[0]?.workspaces.create('work')) as Workspace
    const take = async (workspace: Workspace, count: number, since?: string): Promise<Change[]> => {
      const seen: Change[] = []
      for await (const change of workspace.watch('', { since })) if (seen.push(change) === count) break
      return seen
    }
    const watching = take(first, 1)
    await first.write('a.txt', 'a')
    const cursor = (await watching)[0]?.cursor as string
    await first.write('b.txt', 'b')
    const again = await (await peers.restart(0)).workspaces.open('work')
    expect(await take(again, 1, cursor)).toMatchObject([{ type: 'create', path: 'b.txt' }])
    await peers.devices[0]?.close()
    await peers.homeOf(0).loseIndex()
    const rebuilt = await (await peers.restart(0)).workspaces.open('work')
    const told = await take(rebuilt, 2, cursor)
    expect(told.map(({ type, path }) => `${type} ${path}`).sort()).toEqual(['edit a.txt', 'edit b.txt'])
    const later = take(rebuilt, 1, told[1]?.cursor)
    await rebuilt.write('c.txt', 'c')
    expect(await later).toMatchObject([{ type: 'create', path: 'c.txt' }])
    await expect(take(rebuilt, 1, 'nonsense')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })

  test('a live listing follows', () =>
    withWorkspace(async (workspace) => {
      using live = workspace.live('')
      const waitFor = (wanted: (items: Item[]) => boolean) =>
        new Promise<void>((resolve) => {
          live.subscribe((items) => items !== undefined && wanted(items) && resolve())
        })
      expect(live.value).toBeUndefined()
      await waitFor((items) => items.length === 0)
      await workspace.write('a.txt', 'a')
      await waitFor((items) => items.length === 1)
      await workspace.remove('a.txt')
      await waitFor((items) => items.length === 0)
    }))

  test('calls that were aborted do nothing', () =>
    withWorkspace(async (workspace) => {
      const signal = AbortSignal.abort(new Error('stop'))
      await expect(workspace.write('a.txt', 'a', { signal })).rejects.toThrow('stop')
      await expect(workspace.mkdir('b', { signal })).rejects.toThrow('stop')
      await expect(workspace.stat('', { signal })).rejects.toThrow('stop')
      expect(await collect(workspace.list(''))).toEqual([])
    }))

  test('a closed handle says so, and leaves the workspace alone', async () => {
    await using peers = await createTestPeers(1)
    const [device] = peers.devices
    const workspace = (await device?.workspaces.create('work')) as Workspace
    await workspace.close()
    await workspace.close()
    await expect(workspace.write('a.txt', 'a')).rejects.toMatchObject({ code: 'CLOSED' })
    await using again = (await device?.workspaces.open('work')) as Workspace
    await again.write('a.txt', 'a')
  })
})
