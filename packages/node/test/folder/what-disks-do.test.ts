import { execFile } from 'node:child_process'
import * as fs from 'node:fs/promises'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { eventually, realFolder } from './node-folder.js'

const exists = (path: string) =>
  fs.lstat(path).then(
    () => true,
    () => false,
  )

async function names(
  folder: { workspace: { tree: import('../../../core/src/tree/types.js').TreeReader } },
  parent = '0'.repeat(32),
) {
  const found: string[] = []
  for await (const entry of folder.workspace.tree.children(parent)) found.push(entry.name)
  return found
}

describe('a folder on the real disk', () => {
  test('a file that becomes a folder, a link, and a file again', async () => {
    await using left = await realFolder()
    await using right = await realFolder({ workspace: left.workspace })
    await fs.writeFile(left.path('x'), 'file')
    await left.settled()
    await fs.unlink(left.path('x'))
    await fs.mkdir(left.path('x'))
    await fs.writeFile(left.path('x', 'y'), 'inside')
    await eventually(async () => expect(await fs.readFile(right.path('x', 'y'), 'utf8')).toBe('inside'))
    await fs.rm(left.path('x'), { recursive: true })
    await fs.symlink('/etc/passwd', left.path('x'))
    await eventually(async () => expect(await fs.readlink(right.path('x'))).toBe('/etc/passwd'))
    await fs.unlink(left.path('x'))
    await fs.writeFile(left.path('x'), 'file again')
    await eventually(async () => expect(await fs.readFile(right.path('x'), 'utf8')).toBe('file again'))
    expect((await fs.lstat(right.path('x'))).isFile()).toBe(true)
  })

  test('a FIFO is listed, not synced, and does not take a file away', async () => {
    await using folder = await realFolder()
    await fs.writeFile(folder.path('a'), 'a')
    await folder.settled()
    await fs.unlink(folder.path('a'))
    await promisify(execFile)('mkfifo', [folder.path('a')])
    await folder.settled()
    expect(folder.sync.status().issues.map(({ path, code }) => `${path} ${code}`)).toEqual([
      'a FILE_UNSUPPORTED',
    ])
    expect(await names(folder)).toEqual(['a'])
  })

  test('names that are not UTF-8 are listed', async () => {
    await using folder = await realFolder()
    await fs.writeFile(Buffer.concat([Buffer.from(`${folder.directory}/bad`), Buffer.from([0xff])]), 'x')
    await folder.settled()
    expect(folder.sync.status().issues.map(({ code }) => code)).toEqual(['NAME_INVALID'])
  })

  test('holes stay holes, and zeros stay zeros', async () => {
    await using left = await realFolder()
    await using right = await realFolder({ workspace: left.workspace })
    const handle = await fs.open(left.path('sparse'), 'w')
    await handle.truncate(8 << 20)
    await handle.write('end', 4 << 20)
    await handle.close()
    await left.settled()
    await right.settled()
    const [a, b] = [await fs.readFile(left.path('sparse')), await fs.readFile(right.path('sparse'))]
    expect(a.equals(b)).toBe(true)
    expect((await fs.stat(right.path('sparse'))).blocks * 512).toBeLessThan(2 << 20)
  })

  test('hard links are files of their own', async () => {
    await using left = await realFolder()
    await using right = await realFolder({ workspace: left.workspace })
    await fs.writeFile(left.path('one'), 'same')
    await fs.link(left.path('one'), left.path('two'))
    await left.settled()
    await right.settled()
    expect(await fs.readFile(right.path('two'), 'utf8')).toBe('same')
    expect((await fs.stat(right.path('one'))).nlink).toBe(1)
  })

  test('changes in a directory and below it at the same moment are all seen, though nobody asks for a scan', async () => {
    await using folder = await realFolder()
    await fs.mkdir(folder.path('a', 'b'), { recursive: true })
    await folder.settled()
    for (let i = 0; i < 5; i++) {
      await Promise.all([
        fs.writeFile(folder.path(`root ${i}`), ''),
        fs.writeFile(folder.path('a', `middle ${i}`), ''),
        fs.writeFile(folder.path('a', 'b', `deep ${i}`), ''),
      ])
      await eventually(async () => {
        for (const path of [[`root ${i}`], ['a', `middle ${i}`], ['a', 'b', `deep ${i}`]])
          expect(await folder.workspace.tree.lookup(path), path.join('/')).toBeDefined()
      })
    }
  })

  test('a thousand files moved to another directory are moves', async () => {
    await using folder = await realFolder()
    await fs.mkdir(folder.path('from'))
    await fs.mkdir(folder.path('to'))
    await Promise.all(
      Array.from({ length: 1000 }, (_, i) => fs.writeFile(folder.path('from', `f${i}`), `${i}`)),
    )
    await folder.settled(60_000)
    folder.activities.length = 0
    for (let i = 0; i < 1000; i++) await fs.rename(folder.path('from', `f${i}`), folder.path('to', `f${i}`))
    await folder.settled(60_000)
    expect(new Set(folder.activities.map(({ action }) => action))).toEqual(new Set(['move']))
    expect(folder.activities.length).toBe(1000)
  })

  test('a file that keeps growing is published rarely, and whole in the end', async () => {
    await using folder = await realFolder()
    const handle = await fs.open(folder.path('log'), 'a')
    let expected = ''
    for (let i = 0; i < 60; i++) {
      await handle.write(`line ${i}\n`)
      expected += `line ${i}\n`
      await new Promise((resolve) => setTimeout(resolve, 25))
    }
    await handle.close()
    await folder.settled(60_000)
    const entry = (await folder.workspace.tree.lookup(['log']))!
    expect(new TextDecoder().decode(folder.workspace.bytesOf(entry.heads[0]!.content))).toBe(expected)
    expect(folder.workspace.history.size).toBeLessThan(6)
  })

  test('paused, nothing moves; resumed, everything catches up', async () => {
    await using left = await realFolder()
    await using right = await realFolder({ workspace: left.workspace })
    await right.sync.pause()
    expect(right.sync.status().state).toBe('paused')
    await fs.writeFile(left.path('a'), 'a')
    await left.settled()
    expect(await exists(right.path('a'))).toBe(false)
    await right.sync.resume()
    await right.settled()
    expect(await fs.readFile(right.path('a'), 'utf8')).toBe('a')
    expect(right.sync.status().state).toBe('synced')
  })

  test('closed, nothing is written any more, and it opens where it was', async () => {
    await using left = await realFolder()
    const right = await realFolder({ workspace: left.workspace })
    await fs.writeFile(right.path('gone'), 'x')
    await right.settled()
    await right.stop()
    await right.sync.close()
    await fs.writeFile(left.path('a'), 'a')
    await left.settled()
    expect(await exists(right.path('a'))).toBe(false)
    await expect(right.settled()).rejects.toMatchObject({ code: 'CLOSED' })
    await fs.unlink(right.path('gone'))
    const { createMemoryLogStore } = await import('../../../core/src/testing/memory-log-store.js')
    const journal = createMemoryLogStore(right.journal.snapshot())
    await using again = await realFolder({ workspace: left.workspace, directory: right.directory, journal })
    await again.settled()
    await left.settled()
    expect([await exists(again.path('a')), await exists(left.path('gone'))]).toEqual([true, false])
  })

  test('while its directory is away nothing is deleted, and it goes on when it is back', async () => {
    await using folder = await realFolder()
    await fs.writeFile(folder.path('a'), 'a')
    await folder.settled()
    await fs.rename(folder.directory, `${folder.directory}-away`)
    await eventually(() =>
      folder.settled().then(
        () => expect.unreachable(),
        (error: { code?: string }) => expect(error.code).toBe('FOLDER_MISSING'),
      ),
    )
    expect([folder.sync.status().state, await names(folder)]).toEqual(['error', ['a']])
    await fs.rename(`${folder.directory}-away`, folder.directory)
    await eventually(() => folder.settled())
    expect([folder.sync.status().state, await names(folder)]).toEqual(['synced', ['a']])
  })

  test('a directory that does not exist is refused', async () => {
    await expect(realFolder({ directory: '/nonexistent/folder' })).rejects.toMatchObject({
      code: 'FOLDER_NOT_FOUND',
    })
  })
})

describe('ignore rules on the real disk', () => {
  test("hold from when they are saved, for the device's own file as well, and what they hide is not watched", async () => {
    await using here = await realFolder()
    await fs.writeFile(here.path('.peerfoldignore'), 'out/\n')
    await fs.mkdir(here.path('out', 'deep'), { recursive: true })
    await fs.writeFile(here.path('out', 'deep', 'a.o'), '1')
    await fs.writeFile(here.path('a.c'), '2')
    await here.settled()
    const names = async () => (await here.workspace.tree.lookup(['out'])) === undefined
    expect(await names()).toBe(true)
    await fs.writeFile(here.path('.peerfold', 'ignore'), '!out/\n')
    await eventually(async () => expect(await names()).toBe(false))
    await fs.writeFile(here.path('out', 'deep', 'b.o'), '3')
    await eventually(async () =>
      expect(await here.workspace.tree.lookup(['out', 'deep', 'b.o'])).toBeDefined(),
    )
  })

  test('why a path is not synced, what would happen, and the trash, while it runs and while it is paused', async () => {
    await using here = await realFolder()
    await fs.writeFile(here.path('.peerfoldignore'), '*.o\n')
    await fs.writeFile(here.path('a.o'), '1')
    await fs.writeFile(here.path('a.c'), '2')
    await here.settled()
    expect(await here.sync.explain('a.o')).toMatchObject({
      ignoredBy: { source: '.peerfoldignore', line: 1, pattern: '*.o' },
    })
    await here.sync.pause()
    await fs.writeFile(here.path('b.c'), '3')
    const { publish, braked } = await here.sync.plan()
    expect({ publish, braked }).toMatchObject({ publish: [{ do: 'create', path: 'b.c' }], braked: false })
    expect(await here.workspace.tree.lookup(['b.c'])).toBeUndefined()
    await here.workspace.transact(async (tx) => tx.remove((await tx.lookup(['a.c']))!.item))
    await here.sync.resume()
    await here.settled()
    const [removed] = here.sync.trash()
    expect(removed).toMatchObject({ path: 'a.c', size: 1 })
    expect(await here.sync.restoreTrash(removed!.name)).toBe('a.c')
    await here.settled()
    expect(await fs.readFile(here.path('a.c'), 'utf8')).toBe('2')
    expect(await here.workspace.tree.lookup(['a.c'])).toBeDefined()
    await expect(here.sync.restoreTrash('nothing')).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })
})
