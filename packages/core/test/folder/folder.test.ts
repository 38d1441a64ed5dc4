import { describe, expect, test } from 'vitest'
import { bench, ROOT } from './harness.js'

describe('what is on disk reaches the workspace', () => {
  test('files, folders, empty folders and links', async () => {
    const b = await bench()
    b.disk.user.mkdir(`${ROOT}/docs`)
    b.disk.user.mkdir(`${ROOT}/empty`)
    b.write('docs/a.txt', 'a')
    b.write('b.txt', 'b')
    b.disk.user.symlink('docs/a.txt', `${ROOT}/link`)
    await b.settle()
    expect(await b.inWorkspace()).toEqual({
      'b.txt': 'b',
      docs: '/',
      'docs/a.txt': 'a',
      empty: '/',
      link: '-> docs/a.txt',
    })
  })

  test('an edit, whether in place or by save-and-rename, is a new version of the same item', async () => {
    const b = await bench()
    b.write('a.txt', 'one')
    await b.settle()
    const item = (await b.workspace.tree.lookup(['a.txt']))!.item
    b.write('a.txt', 'two')
    await b.settle()
    b.write('a.txt.tmp', 'three')
    b.disk.user.rename(`${ROOT}/a.txt.tmp`, `${ROOT}/a.txt`)
    await b.settle()
    const entry = (await b.workspace.tree.lookup(['a.txt']))!
    expect([entry.item, await b.heads('a.txt')]).toEqual([item, ['three']])
  })

  test.each(['new.txt', 'docs/old.txt', 'docs/new.txt'])(
    'a file that was edited and is then found as %s is an edit and a move',
    async (to) => {
      const b = await bench()
      b.disk.user.mkdir(`${ROOT}/docs`)
      b.write('old.txt', 'one')
      await b.settle()
      const item = (await b.workspace.tree.lookup(['old.txt']))!.item
      b.write('old.txt', 'two')
      b.disk.user.rename(`${ROOT}/old.txt`, `${ROOT}/${to}`)
      await b.settle()
      expect(await b.inWorkspace()).toEqual({ docs: '/', [to]: 'two' })
      expect(await b.onDisk()).toEqual({ docs: '/', [to]: 'two' })
      expect((await b.workspace.tree.lookup(to.split('/')))!.item).toBe(item)
    },
  )

  test('renaming a folder is one move, and an edit deep in it is an edit', async () => {
    const b = await bench()
    await b.remote('old/x/deep.txt', 'deep')
    for (let i = 0; i < 20; i++) await b.remote(`old/f${i}`, `f${i}`)
    await b.settle()
    const folder = (await b.workspace.tree.lookup(['old']))!.item
    const deep = (await b.workspace.tree.lookup(['old', 'x', 'deep.txt']))!.item
    b.activities.length = 0
    b.disk.user.rename(`${ROOT}/old`, `${ROOT}/new`)
    b.write('new/x/deep.txt', 'deeper')
    await b.settle()
    expect((await b.workspace.tree.lookup(['new']))!.item).toBe(folder)
    expect((await b.workspace.tree.lookup(['new', 'x', 'deep.txt']))!.item).toBe(deep)
    expect(b.activities.map(({ action, path }) => `${action} ${path}`)).toEqual([
      'move new',
      'edit new/x/deep.txt',
    ])
  })

  test('a removed folder is removed as one', async () => {
    const b = await bench()
    await b.remote('a/b/c.txt', 'c')
    await b.remote('keep.txt', 'k')
    await b.settle()
    b.disk.user.remove(`${ROOT}/a`)
    await b.settle()
    expect(await b.inWorkspace()).toEqual({ 'keep.txt': 'k' })
    expect(b.activities.filter(({ action }) => action === 'remove').length).toBe(1)
  })

  test('a new time without new bytes makes no conflict and no content', async () => {
    const b = await bench()
    b.write('a.txt', 'one')
    await b.settle()
    const before = b.workspace.commits
    b.disk.user.chmod(`${ROOT}/a.txt`, 0o600)
    await b.settle()
    expect(b.workspace.commits).toBe(before)
  })
})

describe('what others do reaches the disk', () => {
  test('create, edit, move and remove', async () => {
    const b = await bench()
    await b.remote('a/one.txt', '1')
    await b.remote('a/two.txt', '2')
    await b.settle()
    expect(b.onDisk()).toEqual({ a: '/', 'a/one.txt': '1', 'a/two.txt': '2' })
    await b.remote('a/one.txt', 'uno')
    await b.remoteMove('a/two.txt', 'zwei.txt')
    await b.settle()
    expect(b.onDisk()).toEqual({ a: '/', 'a/one.txt': 'uno', 'zwei.txt': '2' })
    await b.remoteRemove('a')
    await b.settle()
    expect(b.onDisk()).toEqual({ 'zwei.txt': '2' })
  })

  test('its own writes are not taken for changes', async () => {
    const b = await bench()
    for (let i = 0; i < 10; i++) await b.remote(`f${i}`, `${i}`)
    const before = b.workspace.commits
    await b.settle()
    await b.settle()
    expect(b.workspace.commits).toBe(before)
    expect(b.activities.every(({ direction }) => direction === 'applied')).toBe(true)
  })

  test('names that change places', async () => {
    const b = await bench()
    await b.remote('a', 'was a')
    await b.remote('b', 'was b')
    await b.settle()
    await b.remoteMove('a', 't')
    await b.remoteMove('b', 'a')
    await b.remoteMove('t', 'b')
    await b.settle()
    expect(b.onDisk()).toEqual({ a: 'was b', b: 'was a' })
  })

  test('a file takes the place of the folder it lay in, and the other way round', async () => {
    const b = await bench()
    await b.remote('folder/file', 'f')
    await b.remote('x', 'x')
    await b.settle()
    await b.remoteMove('folder/file', 't')
    await b.remoteRemove('folder')
    await b.remoteMove('t', 'folder')
    await b.remoteMove('x', 'y')
    await b.remoteFolder('x')
    await b.remoteMove('y', 'x/x')
    await b.settle()
    expect(b.onDisk()).toEqual({ folder: 'f', x: '/', 'x/x': 'x' })
  })

  test('a removed file lies in the trash', async () => {
    const b = await bench()
    await b.remote('a', 'precious')
    await b.settle()
    await b.remoteRemove('a')
    await b.settle()
    const trash = b.disk.user.walk(`${ROOT}/.peerfold/trash`)
    expect(trash.map(({ bytes }) => new TextDecoder().decode(bytes))).toEqual(['precious'])
  })

  test('content that is not here yet leaves the old version in place', async () => {
    let arrive = () => {}
    const arrival = new Promise<void>((resolve) => {
      arrive = resolve
    })
    const b = await bench({ everythingHere: false, onFetch: () => arrival })
    b.write('a', 'old')
    await b.settle()
    await b.remote('a', 'new')
    await b.settle()
    expect(b.onDisk()).toEqual({ a: 'old' })
    expect(b.engine.fetcher.awaiting().map(({ path }) => path)).toEqual(['a'])
    arrive()
    await new Promise((resolve) => setImmediate(resolve))
    await b.settle()
    expect(b.onDisk()).toEqual({ a: 'new' })
  })
})

describe('both at once', () => {
  test('joining a folder that is not empty merges it and deletes nothing', async () => {
    const b = await bench()
    await b.remote('same.txt', 'same')
    await b.remote('differs.txt', 'theirs')
    await b.remote('theirs.txt', 't')
    b.write('same.txt', 'same')
    b.write('differs.txt', 'mine')
    b.write('mine.txt', 'm')
    await b.settle()
    expect(Object.keys(b.onDisk())).toEqual(['differs.txt', 'mine.txt', 'same.txt', 'theirs.txt'])
    expect(await b.heads('differs.txt')).toEqual(['mine', 'theirs'])
    expect(await b.heads('same.txt')).toEqual(['same'])
    expect(b.issues()).toEqual(['differs.txt: CONFLICT'])
  })

  test('two edits of one file both stay', async () => {
    const b = await bench()
    await b.remote('a', 'base')
    await b.settle()
    await b.remote('a', 'theirs')
    b.write('a', 'mine')
    await b.settle()
    expect(await b.heads('a')).toEqual(['mine', 'theirs'])
  })

  test('the same edit on both sides is no conflict', async () => {
    const b = await bench()
    await b.remote('a', 'base')
    await b.settle()
    await b.remote('a', 'same')
    b.write('a', 'same')
    await b.settle()
    expect(await b.heads('a')).toEqual(['same'])
  })

  test('an edit here survives a deletion there', async () => {
    const b = await bench()
    await b.remote('d/a', 'base')
    await b.remote('d/b', 'other')
    await b.settle()
    await b.remoteRemove('d')
    b.write('d/a', 'mine')
    await b.settle()
    expect(await b.inWorkspace()).toEqual({ d: '/', 'd/a': 'mine' })
    expect(b.onDisk()).toEqual({ d: '/', 'd/a': 'mine' })
  })

  test('a deletion here of what was edited there puts it back', async () => {
    const b = await bench()
    await b.remote('a', 'base')
    await b.settle()
    await b.remote('a', 'theirs')
    b.disk.user.remove(`${ROOT}/a`)
    await b.settle()
    expect(b.onDisk()).toEqual({ a: 'theirs' })
  })

  test('a folder deleted here keeps what had not reached the disk', async () => {
    const b = await bench()
    await b.remote('d/seen', 's')
    await b.remote('d/sub/seen', 's')
    await b.settle()
    await b.remote('d/sub/new', 'n')
    b.disk.user.remove(`${ROOT}/d`)
    await b.settle()
    expect(b.onDisk()).toEqual({ d: '/', 'd/sub': '/', 'd/sub/new': 'n' })
  })

  test('a file here and a folder there of one name both stay', async () => {
    const b = await bench()
    await b.remote('x/inside', 'theirs')
    b.write('x', 'mine')
    await b.settle()
    expect(b.onDisk()).toEqual({ x: '/', 'x (2)': 'mine', 'x/inside': 'theirs' })
    expect(await b.inWorkspace()).toEqual(b.onDisk())
  })

  test('a file that became a folder, and a folder that became a file', async () => {
    const b = await bench()
    await b.remote('f', 'file')
    await b.remote('d/x', 'x')
    await b.settle()
    b.disk.user.remove(`${ROOT}/f`)
    b.disk.user.mkdir(`${ROOT}/f`)
    b.write('f/y', 'y')
    b.disk.user.rename(`${ROOT}/d/x`, `${ROOT}/t`)
    b.disk.user.remove(`${ROOT}/d`)
    b.disk.user.rename(`${ROOT}/t`, `${ROOT}/d`)
    await b.settle()
    expect(await b.inWorkspace()).toEqual({ d: 'x', f: '/', 'f/y': 'y' })
    expect(b.onDisk()).toEqual({ d: 'x', f: '/', 'f/y': 'y' })
  })

  test('moves into each other end in a tree', async () => {
    const b = await bench()
    await b.remote('a/1', '1')
    await b.remote('b/2', '2')
    await b.settle()
    await b.remoteMove('b', 'a/b')
    b.disk.user.rename(`${ROOT}/a`, `${ROOT}/b/a`)
    await b.settle()
    expect(b.onDisk()).toEqual(await b.inWorkspace())
    expect(
      Object.values(b.onDisk())
        .filter((value) => value !== '/')
        .sort(),
    ).toEqual(['1', '2'])
  })
})
