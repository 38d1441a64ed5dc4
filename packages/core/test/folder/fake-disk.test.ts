import { describe, expect, test } from 'vitest'
import { FileSystemError } from '../../src/errors.js'
import { EDITORS, type Editor, savingSteps } from '../../src/testing/fake-disk/editors.js'
import { createFakeDisk, type FakeDisk, type FakeDiskInit } from '../../src/testing/fake-disk.js'
import { fileSystemSuite } from '../../src/testing/file-system-suite.js'
import { createSeededRandom } from '../../src/testing/seeded-random.js'

fileSystemSuite({ describe, test }, async () => {
  const files = createFakeDisk()
  files.user.mkdir('/root')
  return { files, root: '/root', close: async () => {} }
})

describe('with calls that overtake each other', () => {
  fileSystemSuite({ describe, test }, async () => {
    const files = createFakeDisk({ latency: 20, random: createSeededRandom(3) })
    files.user.mkdir('/root')
    return { files, root: '/root', close: async () => {} }
  })
})

const text = (value: string) => new TextEncoder().encode(value)
const show = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
const names = async (disk: FakeDisk, path = '/') => (await disk.readdir(path)).map(({ name }) => name).sort()

function diskWith(paths: Record<string, string>, init?: FakeDiskInit): FakeDisk {
  const disk = createFakeDisk(init)
  for (const [path, value] of Object.entries(paths))
    if (value === '/') disk.user.mkdir(path)
    else disk.user.write(path, text(value))
  return disk
}

const refusal = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => 'none',
    (error: unknown) => (error instanceof FileSystemError ? error.errno : String(error)),
  )

describe('the fake disk', () => {
  test('calls end in another order than they began, the same for the same seed', async () => {
    const order = async (seed: number) => {
      const disk = diskWith({ '/a': '' }, { latency: 10, random: createSeededRandom(seed) })
      const ended: number[] = []
      await Promise.all([0, 1, 2, 3, 4, 5].map((n) => disk.lstat('/a').then(() => ended.push(n))))
      return ended
    }
    const first = await order(1)
    expect(first).not.toEqual([0, 1, 2, 3, 4, 5])
    expect(await order(1)).toEqual(first)
    expect(await order(2)).not.toEqual(first)
  })

  test('timestamps come in steps: two writes within one look alike', async () => {
    for (const grainMs of [0, 10, 2_000]) {
      let now = 1_600_000_000_000
      const disk = createFakeDisk({ grainMs, now: () => now })
      const written = async () => {
        disk.user.write('/a', text(`${now}`))
        return (await disk.lstat('/a')).mtimeNs
      }
      const first = await written()
      now += grainMs / 2
      expect((await written()) === first, `${grainMs} ms`).toBe(grainMs > 0)
      now += Math.max(1, grainMs)
      expect(await written()).not.toBe(first)
      if (grainMs > 0) expect(first % BigInt(grainMs * 1_000_000)).toBe(0n)
    }
  })

  test('times that are set are rounded down to the grain, before 1970 too', async () => {
    const disk = diskWith({ '/a': '' }, { grainMs: 2_000 })
    for (const [set, kept] of [
      [1_600_000_001_999, 1_600_000_000_000],
      [-1, -2_000],
    ] as const) {
      await disk.utimes('/a', set)
      expect(Number((await disk.lstat('/a')).mtimeNs / 1_000_000n)).toBe(kept)
    }
  })

  test('caseless: one file whatever the case, listed as it was made; a rename changes the case', async () => {
    const disk = diskWith({ '/Notes.txt': 'one' }, { names: 'caseless' })
    disk.user.write('/NOTES.TXT', text('two'))
    expect(await names(disk)).toEqual(['Notes.txt'])
    expect(show(disk.user.read('/notes.txt'))).toBe('two')
    expect(await refusal(disk.create('/notes.txt', 0o644))).toBe('EEXIST')
    expect(await refusal(disk.link('/Notes.txt', '/notes.txt'))).toBe('EEXIST')
    await disk.rename('/Notes.txt', '/nOTES.txt')
    expect(await names(disk)).toEqual(['nOTES.txt'])
  })

  test('decomposed: names are kept in NFD and found in any form', async () => {
    const disk = diskWith({ '/caf\u00e9': 'one' }, { names: 'decomposed' })
    expect(await names(disk)).toEqual(['cafe\u0301'])
    expect(show(disk.user.read('/caf\u00e9'))).toBe('one')
    expect(await refusal(disk.mkdir('/cafe\u0301'))).toBe('EEXIST')
    expect(await refusal(disk.lstat('/CAF\u00e9'))).toBe('ENOENT')
    expect(
      (await diskWith({ '/Caf\u00e9': 'one' }, { names: 'caseless-decomposed' }).lstat('/cafe\u0301')).size,
    ).toBe(3)
  })

  test('exact: names that look alike are different files', async () => {
    const disk = diskWith({ '/a': '1', '/A': '2', '/\u00e9': '3', '/e\u0301': '4' })
    expect((await names(disk)).length).toBe(4)
  })

  test('a share of the calls fails, with errors that fit the call, until it is told to stop', async () => {
    const disk = diskWith({ '/a': 'x' })
    disk.failing = 0.5
    const met = new Set<string>()
    for (let n = 0; n < 200; n++) {
      met.add(await refusal(disk.lstat('/a')))
      met.add(`mkdir ${await refusal(disk.mkdir(`/d${n}`))}`)
    }
    expect([...met].sort()).toEqual([
      'EACCES',
      'EBUSY',
      'EIO',
      'mkdir EACCES',
      'mkdir EBUSY',
      'mkdir EIO',
      'mkdir ENOSPC',
      'mkdir none',
      'none',
    ])
    disk.failing = 0
    for (let n = 0; n < 50; n++) expect(await refusal(disk.lstat('/a'))).toBe('none')
  })

  test('a call that fails has done nothing', async () => {
    const disk = diskWith({ '/a': 'x' })
    disk.failing = 1
    await refusal(disk.unlink('/a'))
    await refusal(disk.rename('/a', '/b'))
    disk.failing = 0
    expect(await names(disk)).toEqual(['a'])
  })

  test('the number of a file that is gone goes to the next, once nobody has it open', async () => {
    const inode = async (disk: FakeDisk, path: string) => (await disk.lstat(path)).ino
    const disk = diskWith({ '/a': 'a', '/b': 'b' }, { reusesInodes: true })
    const [a, b] = [await inode(disk, '/a'), await inode(disk, '/b')]
    const handle = await disk.openRead('/b')
    disk.user.remove('/a')
    disk.user.remove('/b')
    disk.user.write('/c', text('c'))
    disk.user.write('/d', text('d'))
    expect(await inode(disk, '/c')).toBe(a)
    expect(await inode(disk, '/d')).not.toBe(b)
    await handle.close()
    disk.user.write('/e', text('e'))
    expect(await inode(disk, '/e')).toBe(b)
    const never = diskWith({ '/a': 'a' })
    const old = await inode(never, '/a')
    never.user.remove('/a')
    never.user.write('/b', text('b'))
    expect(await inode(never, '/b')).not.toBe(old)
  })

  test('a file with two names keeps its number until both are gone', async () => {
    const disk = diskWith({ '/a': 'a' }, { reusesInodes: true })
    await disk.link('/a', '/b')
    const { ino } = await disk.lstat('/a')
    disk.user.remove('/a')
    disk.user.write('/c', text('c'))
    expect((await disk.lstat('/c')).ino).not.toBe(ino)
    expect((await disk.lstat('/b')).ino).toBe(ino)
  })

  test('without hard links, symbolic links or executable bits, it says so as such systems do', async () => {
    const disk = diskWith({ '/a': 'a' }, { hardLinks: false, symlinks: false, executables: false })
    expect(await refusal(disk.link('/a', '/b'))).toBe('ENOTSUP')
    expect(await refusal(disk.symlink('a', '/b'))).toBe('EPERM')
    expect((await disk.lstat('/a')).mode).toBe(0o777)
    await disk.chmod('/a', 0o644)
    expect((await disk.lstat('/a')).mode).toBe(0o777)
  })

  test('a handle of a killed process is dead, and what it held is free', async () => {
    const disk = diskWith({ '/a': 'a' }, { reusesInodes: true })
    const { ino } = await disk.lstat('/a')
    const handle = await disk.openRead('/a')
    disk.user.remove('/a')
    const again = disk.reopen()
    expect(await refusal(handle.stat())).toBe('EIO')
    expect(await refusal(disk.lstat('/'))).toBe('EIO')
    again.user.write('/b', text('b'))
    expect((await again.lstat('/b')).ino).toBe(ino)
  })
})

describe('editors', () => {
  const saved = (editor: Editor, user = diskWith({ '/f': 'old ' }).user) => {
    for (const step of savingSteps(user, editor, '/f', text('new'))) step()
    return user.walk('/').map(({ path, bytes }) => `${path}=${show(bytes!)}`)
  }

  for (const editor of EDITORS)
    test(`${editor}: leaves the file and nothing else, also where there was none`, () => {
      expect(saved(editor)).toEqual([editor === 'append' ? 'f=old new' : 'f=new'])
      expect(saved(editor, createFakeDisk().user)).toEqual(['f=new'])
    })

  const inodeKept = async (editor: Editor) => {
    const disk = diskWith({ '/f': 'old' })
    const { ino } = await disk.lstat('/f')
    saved(editor, disk.user)
    return (await disk.lstat('/f')).ino === ino
  }

  test('some write to the file itself, the others put a new one in its place', async () => {
    const kept: Editor[] = []
    for (const editor of EDITORS) if (await inodeKept(editor)) kept.push(editor)
    expect(kept).toEqual(['place', 'truncate', 'append'])
  })

  test('a program with an open file writes to it wherever it lies', () => {
    const { user } = diskWith({ '/f': 'old' })
    const open = user.open('/f')
    user.rename('/f', '/g')
    user.write('/f', text('another'))
    open.write(text('late'))
    open.close()
    open.write(text('too late'))
    expect([show(user.read('/f')), show(user.read('/g'))]).toEqual(['another', 'late'])
  })
})
