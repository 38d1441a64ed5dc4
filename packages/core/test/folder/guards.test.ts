import { describe, expect, test } from 'vitest'
import { FileSystemError } from '../../src/errors.js'
import { createFakeDisk } from '../../src/testing/fake-disk.js'
import { createFakeWorkspace } from '../../src/testing/fake-workspace.js'
import { ROOT_ITEM } from '../../src/tree/types.js'
import { bench, ROOT, text } from './harness.js'

const META = { type: 'file' as const, mtime: 1_600_000_000_000, executable: false }

describe('nothing is deleted by mistake', () => {
  test('many deletions at once wait until they are accepted', async () => {
    const b = await bench()
    for (let i = 0; i < 150; i++) await b.remote(`f${i}`, `${i}`)
    await b.settle()
    for (let i = 0; i < 120; i++) b.disk.user.remove(`${ROOT}/f${i}`)
    const stopped = await b.round()
    await b.round()
    expect([stopped.braked, Object.keys(await b.inWorkspace()).length]).toEqual([true, 150])
    b.engine.accept(stopped.plan)
    await b.settle()
    expect(Object.keys(await b.inWorkspace()).length).toBe(30)
  })

  test('accepting lets go of what was shown, not of as many others', async () => {
    const b = await bench()
    for (let i = 0; i < 150; i++) await b.remote(`mine/f${i}`, `${i}`)
    for (let i = 0; i < 150; i++) await b.remote(`theirs/f${i}`, `${i}`)
    await b.settle()
    for (let i = 0; i < 120; i++) b.disk.user.remove(`${ROOT}/mine/f${i}`)
    const shown = await b.round()
    for (let i = 0; i < 120; i++) b.write(`mine/f${i}`, `${i}`)
    for (let i = 0; i < 110; i++) b.disk.user.remove(`${ROOT}/theirs/f${i}`)
    b.engine.accept(shown.plan)
    const others = await b.round()
    expect([others.braked, Object.keys(await b.inWorkspace()).length]).toEqual([true, 302])
    b.engine.accept(others.plan)
    await b.settle()
    expect(Object.keys(await b.inWorkspace()).length).toBe(192)
  })

  test('a few more than what was accepted pass with it, as they would alone', async () => {
    const b = await bench()
    for (let i = 0; i < 400; i++) await b.remote(`f${i}`, `${i}`)
    await b.settle()
    for (let i = 0; i < 150; i++) b.disk.user.remove(`${ROOT}/f${i}`)
    b.engine.accept((await b.round()).plan)
    for (let i = 150; i < 240; i++) b.disk.user.remove(`${ROOT}/f${i}`)
    await b.settle()
    expect(Object.keys(await b.inWorkspace()).length).toBe(160)
  })

  test('what was accepted is done with once: the next many wait again', async () => {
    const b = await bench()
    for (let i = 0; i < 300; i++) await b.remote(`f${i}`, `${i}`)
    await b.settle()
    for (let i = 0; i < 120; i++) b.disk.user.remove(`${ROOT}/f${i}`)
    b.engine.accept((await b.round()).plan)
    await b.settle()
    for (let i = 120; i < 240; i++) b.disk.user.remove(`${ROOT}/f${i}`)
    expect((await b.round()).braked).toBe(true)
    expect(Object.keys(await b.inWorkspace()).length).toBe(180)
  })

  test('many deletions by others wait as well', async () => {
    const b = await bench()
    for (let i = 0; i < 150; i++) await b.remote(`d/f${i}`, `${i}`)
    await b.settle()
    await b.remoteRemove('d')
    expect((await b.round()).braked).toBe(true)
    expect(Object.keys(b.onDisk()).length).toBe(151)
  })

  test('without its marker the folder is missing, whatever lies there', async () => {
    const b = await bench()
    await b.remote('a', '1')
    await b.settle()
    b.disk.user.remove(`${ROOT}/a`)
    b.disk.user.remove(`${ROOT}/.peerfold/folder.json`)
    await expect(b.round()).rejects.toMatchObject({ code: 'FOLDER_MISSING' })
    expect(await b.inWorkspace()).toEqual({ a: '1' })
  })

  test('unmounted while it is scanned: missing, not empty', async () => {
    const b = await bench()
    await b.remote('a', '1')
    await b.settle()
    b.disk.before = (operation, path) => {
      if (operation !== 'readdir' || path !== ROOT || !b.disk.user.exists(`${ROOT}/a`)) return
      b.disk.user.rename(ROOT, '/elsewhere')
      b.disk.user.mkdir(ROOT)
    }
    await expect(b.settle()).rejects.toMatchObject({ code: 'FOLDER_MISSING' })
    expect(await b.inWorkspace()).toEqual({ a: '1' })
  })

  for (const errno of ['EACCES', 'EIO', 'ESTALE'])
    test(`a directory that can't be read (${errno}) is not an empty one`, async () => {
      const b = await bench()
      await b.remote('d/a', '1')
      await b.remote('d/sub/b', '2')
      await b.settle()
      b.disk.before = (operation, path) => {
        if (operation === 'readdir' && path === `${ROOT}/d`) throw new FileSystemError(errno, path)
      }
      await b.settle()
      expect(Object.keys(await b.inWorkspace())).toEqual(['d', 'd/a', 'd/sub', 'd/sub/b'])
      expect(b.issues()).toEqual(['d: IO_FAILED'])
      b.disk.before = () => {}
      await b.settle()
      expect(b.issues()).toEqual([])
    })

  test("a file that can't be looked at is not gone", async () => {
    const b = await bench()
    await b.remote('a', '1')
    await b.settle()
    b.disk.before = (operation, path) => {
      if (operation === 'lstat' && path === `${ROOT}/a`) throw new FileSystemError('EACCES', path)
    }
    await b.settle()
    expect(await b.inWorkspace()).toEqual({ a: '1' })
  })
})

describe('what this device put somewhere and may not look at', () => {
  test('is not published, holds up nothing else, and is known again once it may', async () => {
    const b = await bench()
    await b.remote('d/a', '1')
    await b.settle()
    await b.remote('d/a', '2')
    await b.remoteFolder('d/new')
    await b.remoteMove('d/a', 'd/b')
    const hidden = [`${ROOT}/d/b`, `${ROOT}/d/new`]
    b.disk.before = (operation, path) => {
      if (operation === 'lstat' && hidden.includes(path) && b.disk.user.exists(path))
        throw new FileSystemError('EACCES', path)
    }
    const { commits } = b.workspace
    for (let n = 0; n < 5; n++) await b.round()
    await b.remote('other', '3')
    for (let n = 0; n < 5; n++) await b.round()
    expect(b.onDisk()).toMatchObject({ 'd/b': '1', 'd/new': '/', other: '3' })
    expect(new Set(b.issues().map((issue) => issue.split(':')[0]))).toEqual(new Set(['d/b', 'd/new']))
    b.disk.before = () => {}
    await b.settle()
    expect(b.onDisk()).toEqual({ d: '/', 'd/b': '2', 'd/new': '/', other: '3' })
    expect(b.issues()).toEqual([])
    expect(b.workspace.commits).toBe(commits + 1)
  })
})

describe('nothing is overwritten that was not captured', () => {
  test('an edit between scan and apply stays, and competes', async () => {
    const b = await bench()
    await b.remote('a', 'base')
    await b.settle()
    await b.remote('a', 'theirs')
    b.disk.before = (operation, path) => {
      if (operation !== 'create' || !path.includes('.peerfold/tmp')) return
      b.disk.before = () => {}
      b.write('a', 'mine, just in time')
    }
    await b.settle()
    expect(await b.heads('a')).toEqual(['mine, just in time', 'theirs'])
  })

  test('a file made where one is about to come stays', async () => {
    const b = await bench()
    await b.remote('a', 'theirs')
    b.disk.before = (operation, path) => {
      if (operation !== 'link' || path !== `${ROOT}/a`) return
      b.disk.before = () => {}
      b.write('a', 'mine')
    }
    await b.settle()
    expect(await b.heads('a')).toEqual(['mine', 'theirs'])
  })

  test('an edit of what is about to be removed brings it back', async () => {
    const b = await bench()
    await b.remote('a', 'base')
    await b.settle()
    await b.remoteRemove('a')
    b.disk.before = (operation, path) => {
      if (operation !== 'rename' || path !== `${ROOT}/a`) return
      b.disk.before = () => {}
      b.write('a', 'mine')
    }
    await b.settle()
    expect([b.onDisk(), await b.inWorkspace()]).toEqual([{ a: 'mine' }, { a: 'mine' }])
  })

  test('what a program still writes to the replaced file becomes a version', async () => {
    const b = await bench()
    await b.remote('a', 'base')
    await b.settle()
    await b.remote('a', 'theirs')
    b.disk.before = (operation) => {
      const [kept] = b.disk.user.walk(`${ROOT}/.peerfold/trash`)
      if (operation !== 'syncDirectory' || kept === undefined) return
      b.disk.before = () => {}
      b.disk.user.write(`${ROOT}/.peerfold/trash/${kept.path}`, text('late words'))
    }
    for (let i = 0; i < 20; i++) await b.round()
    expect(await b.heads('a')).toEqual(['late words', 'theirs'])
  })

  test('a file that is written to while it is read is read again later', async () => {
    const b = await bench()
    b.write('a', 'half')
    let writes = 0
    b.disk.before = (operation, path) => {
      if (operation === 'read' && path === `${ROOT}/a` && writes++ < 2) b.write('a', `whole ${writes}`)
    }
    await b.settle()
    expect(await b.heads('a')).toEqual(['whole 2'])
    expect(b.workspace.history.has('half')).toBe(false)
    expect(b.issues()).toEqual([])
  })
})

describe('the trash', () => {
  test('is emptied of what is old, but not of what was written to', async () => {
    const b = await bench()
    await b.remote('a', 'old a')
    await b.remote('b', 'old b')
    await b.settle()
    await b.remoteRemove('a')
    await b.remoteRemove('b')
    await b.settle()
    const [first] = b.disk.user.walk(`${ROOT}/.peerfold/trash`)
    const name = new TextDecoder().decode(first!.bytes).at(-1)!
    for (let i = 0; i < 15; i++) await b.round()
    b.disk.user.write(`${ROOT}/.peerfold/trash/${first!.path}`, text('late words'))
    b.engine.folder.clock.now = () => 1_800_000_000_000
    await b.engine.trash.purge()
    await b.settle()
    expect(b.disk.user.walk(`${ROOT}/.peerfold/trash`)).toEqual([])
    expect(await b.inWorkspace()).toEqual({ [name]: 'late words' })
  })
})

describe('paths from others are hostile', () => {
  test('names that this disk cannot hold get an alias, and keep their true name', async () => {
    const b = await bench()
    const long = `${'ä'.repeat(200)}.txt`
    const names = ['..', '.', '.peerfold', 'nul\0byte', long, 'a\\b', 'CON.txt', 'f.', 'f:ads']
    await b.workspace.transact(async (tx) => {
      for (const name of names) await tx.makeFile(ROOT_ITEM, name, b.workspace.content(text(name)), META)
    })
    await b.settle()
    expect(Object.values(b.onDisk()).sort()).toEqual([...names].sort())
    expect(Object.keys(b.onDisk())).toEqual(expect.arrayContaining(['a\\b', 'CON.txt', 'f.', 'f:ads']))
    expect(b.disk.user.walk('/').every(({ path }) => path === 'sync' || path.startsWith('sync/'))).toBe(true)
    const alias = Object.entries(b.onDisk()).find(([, value]) => value === long)![0]
    b.write(alias, 'edited')
    await b.settle()
    expect(Object.keys(await b.inWorkspace()).sort()).toEqual([...names].sort())
    expect(await b.heads(long)).toEqual(['edited'])
  })

  for (const moment of ['lstat', 'link'])
    test(`a link swapped for a parent just before ${moment} leads nowhere`, async () => {
      const b = await bench()
      await b.remote('d/old', 'old')
      await b.settle()
      b.disk.user.mkdir('/outside')
      await b.remote('d/new', 'new')
      b.disk.before = (operation, path) => {
        if (operation !== moment || path !== `${ROOT}/d/new`) return
        b.disk.before = () => {}
        b.disk.user.rename(`${ROOT}/d`, '/stolen')
        b.disk.user.symlink('/outside', `${ROOT}/d`)
      }
      await b.settle()
      expect(b.disk.user.walk('/outside')).toEqual([])
    })

  test('links are put down as they are and never followed', async () => {
    const b = await bench()
    b.disk.user.mkdir('/outside')
    b.disk.user.write('/outside/secret', text('secret'))
    await b.workspace.transact(async (tx) => {
      const target = b.workspace.content(text('/outside'))
      await tx.makeFile(ROOT_ITEM, 'link', target, { ...META, type: 'symlink' })
    })
    await b.settle()
    expect(b.onDisk()).toEqual({ link: '-> /outside' })
    expect(await b.inWorkspace()).toEqual({ link: '-> /outside' })
  })
})

describe('which folder it is', () => {
  test('a folder of another workspace is refused', async () => {
    const b = await bench()
    const other = createFakeWorkspace('ff'.repeat(32))
    await expect(bench({ disk: b.disk.reopen(), workspace: other })).rejects.toMatchObject({
      code: 'FOLDER_IN_USE',
    })
  })

  test('a folder inside a synced one is refused', async () => {
    const disk = createFakeDisk()
    disk.user.mkdir('/.peerfold')
    disk.user.write('/.peerfold/folder.json', text('{}'))
    await expect(bench({ disk })).rejects.toMatchObject({ code: 'FOLDER_NESTED' })
  })

  test('a synced folder inside this one is left alone', async () => {
    const b = await bench()
    b.disk.user.mkdir(`${ROOT}/inner`)
    b.disk.user.mkdir(`${ROOT}/inner/.peerfold`)
    b.disk.user.write(`${ROOT}/inner/.peerfold/folder.json`, text('{}'))
    b.write('inner/a', 'not ours')
    await b.settle()
    expect(await b.inWorkspace()).toEqual({})
    expect(b.issues()).toEqual(['inner: FOLDER_NESTED'])
  })
})
