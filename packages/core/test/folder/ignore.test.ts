import { describe, expect, test } from 'vitest'
import { actionsAt, explain } from '../../src/folder/explain.js'
import { IgnoreRules } from '../../src/folder/ignore.js'
import { createFakeDisk } from '../../src/testing/fake-disk.js'
import { createManualClock } from '../../src/testing/manual-clock.js'
import { type Bench, bench, ROOT } from './harness.js'

describe('the rules', () => {
  const rules = (own: string, device = '') =>
    new IgnoreRules([
      { source: '.peerfoldignore', text: own },
      { source: '.peerfold/ignore', text: device },
    ])
  const hides = (own: string, path: string, kind: 'file' | 'folder' = 'file') =>
    rules(own).find(path, kind) !== undefined

  // The examples of gitignore(5), and what people trip over.
  test.each([
    ['hello.*', 'a/hello.c', true],
    ['/hello.*', 'a/hello.c', false],
    ['/hello.*', 'hello.c', true],
    ['foo/', 'foo', false],
    ['foo/', 'foo/bar', true],
    ['doc/frotz', 'a/doc/frotz', false],
    ['**/foo/bar', 'a/foo/bar', true],
    ['abc/**', 'abc/x/y', true],
    ['abc/**', 'abc', false],
    ['a/**/b', 'a/x/y/b', true],
    ['*.log\n!keep.log', 'keep.log', false],
    ['dir/\n!dir/keep', 'dir/keep', true],
    ['# comment', '# comment', false],
    ['\\#file', '#file', true],
    ['trailing   ', 'trailing', true],
    ['[ab].txt', 'b.txt', true],
    ['Name', 'name', false],
    ['é*', 'état', true],
    ['*', '.peerfoldignore', false],
  ])('%j and %s: %s', (own, path, hidden) => {
    expect(hides(own, path)).toBe(hidden)
  })

  test('a rule for directories holds for directories', () => {
    expect(hides('foo/', 'foo', 'folder')).toBe(true)
  })

  test("a device's own rules weigh more than those that all share", () => {
    expect(rules('*.iso', '!small.iso').find('small.iso', 'file')).toBeUndefined()
    expect(rules('!*.iso', '*.iso').find('x.iso', 'file')).toMatchObject({
      source: '.peerfold/ignore',
      line: 1,
    })
  })

  test('tell which line decided', () => {
    expect(rules('# build\r\n\r\nout/\r\n').find('out/a/b.o', 'file')).toEqual({
      source: '.peerfoldignore',
      line: 3,
      pattern: 'out/',
    })
  })

  test('leave out what systems drop, unless somebody wants it', () => {
    for (const name of ['.DS_Store', 'a/Thumbs.db', '~$letter.docx', '.~lock.letter.odt#', '.notes.txt.swp'])
      expect(hides('', name), name).toBe(true)
    for (const name of ['.git/index.lock', 'a/project/.git/refs/heads/main.lock'])
      expect(hides('', name), name).toBe(true)
    for (const name of [
      'notes~',
      'a.swp.txt',
      '4913',
      '.gitignore',
      'package.lock',
      '.git/index',
      '.git/locked',
    ])
      expect(hides('', name), name).toBe(false)
    expect(hides('!Thumbs.db', 'Thumbs.db')).toBe(false)
  })

  test('go on deciding after many thousand paths', () => {
    const many = rules('*.o')
    for (let i = 0; i < 50_000; i++) expect(many.find(`d/${i}.o`, 'file')).toBeDefined()
  })
})

describe('a folder with rules', () => {
  test('publishes what they let through, and the rules themselves', async () => {
    const b = await bench()
    b.write('.peerfoldignore', 'node_modules/\n*.tmp\n')
    b.write('a', '1')
    b.write('b.tmp', '2')
    b.disk.user.mkdir(`${ROOT}/node_modules`)
    b.write('node_modules/x', '3')
    await b.settle()
    expect(await b.inWorkspace()).toEqual({ '.peerfoldignore': 'node_modules/\n*.tmp\n', a: '1' })
    expect(b.issues()).toEqual([])
  })

  test('does not show what others have there', async () => {
    const b = await bench()
    b.write('.peerfold/ignore', 'big/\n')
    await b.settle()
    await b.remote('big/movie', '1')
    await b.remote('small', '2')
    await b.settle()
    expect(b.onDisk()).toEqual({ small: '2' })
    await b.remote('big/movie', '3')
    await b.remoteMove('small', 'large')
    await b.settle()
    expect(b.onDisk()).toEqual({ large: '2' })
  })

  test('what is ignored from now on stays on both sides, as it is on each', async () => {
    const b = await bench()
    b.disk.user.mkdir(`${ROOT}/d`)
    b.write('d/x', '1')
    await b.settle()
    b.write('.peerfoldignore', 'd/\n')
    await b.settle()
    b.write('d/x', 'here')
    b.write('d/new', 'here')
    await b.remote('d/x', 'there')
    await b.settle()
    expect(b.onDisk()).toMatchObject({ 'd/x': 'here', 'd/new': 'here' })
    expect(await b.inWorkspace()).toMatchObject({ 'd/x': 'there' })
  })

  test('a removal while it was ignored is not published when it is synced again', async () => {
    const b = await bench()
    b.disk.user.mkdir(`${ROOT}/d`)
    b.write('d/x', '1')
    b.write('d/y', '2')
    await b.settle()
    b.write('.peerfoldignore', 'd/\n')
    await b.settle()
    b.disk.user.remove(`${ROOT}/d/x`)
    b.write('d/y', 'changed')
    await b.settle()
    b.disk.user.remove(`${ROOT}/.peerfoldignore`)
    await b.settle()
    expect(b.onDisk()).toMatchObject({ 'd/x': '1' })
    expect((await b.heads('d/y')).sort()).toEqual(['2', 'changed'])
  })

  test('a rule file that is gone for a moment, while an editor saves it, does not uncover anything', async () => {
    const b = await bench()
    b.write('.peerfoldignore', '*.tmp\n')
    b.write('a.tmp', '1')
    await b.settle()
    b.disk.user.rename(`${ROOT}/.peerfoldignore`, `${ROOT}/.peerfoldignore~`)
    await b.round()
    b.write('.peerfoldignore', '')
    await b.round()
    b.write('.peerfoldignore', '*.tmp\n*.log\n')
    b.disk.user.remove(`${ROOT}/.peerfoldignore~`)
    b.write('b.log', '2')
    await b.settle()
    expect([...b.workspace.history].sort()).toEqual(['*.tmp\n', '*.tmp\n*.log\n'])
    expect(b.issues()).toEqual([])
  })

  test('rules that others made come before anything is published', async () => {
    const b = await bench()
    await b.remote('.peerfoldignore', 'node_modules/\n')
    b.disk.user.mkdir(`${ROOT}/node_modules`)
    b.write('node_modules/x', '1')
    b.write('a', '2')
    await b.settle()
    expect(await b.inWorkspace()).toEqual({ '.peerfoldignore': 'node_modules/\n', a: '2' })
  })

  test('a folder that others remove stays while it holds what is ignored, and goes with it', async () => {
    const b = await bench()
    b.write('.peerfoldignore', '*.o\n')
    b.disk.user.mkdir(`${ROOT}/p`)
    b.write('p/a.c', '1')
    b.write('p/a.o', '2')
    await b.settle()
    await b.remoteRemove('p')
    await b.settle()
    expect(b.onDisk()).toMatchObject({ 'p/a.o': '2' })
    expect(b.onDisk()).not.toHaveProperty('p/a.c')
    expect(await b.inWorkspace()).not.toHaveProperty('p')
    b.disk.user.remove(`${ROOT}/p/a.o`)
    await b.settle()
    expect(b.onDisk()).not.toHaveProperty('p')
  })

  test('and is used again when others make it again', async () => {
    const b = await bench()
    b.write('.peerfoldignore', '*.o\n')
    b.disk.user.mkdir(`${ROOT}/p`)
    b.write('p/a.c', '1')
    b.write('p/a.o', '2')
    await b.settle()
    await b.remoteRemove('p')
    await b.settle()
    await b.remote('p/b.c', '3')
    await b.settle()
    expect(b.onDisk()).toMatchObject({ 'p/a.o': '2', 'p/b.c': '3' })
    b.write('p/c.c', '4')
    await b.settle()
    expect(await b.inWorkspace()).toMatchObject({ 'p/b.c': '3', 'p/c.c': '4' })
  })

  test('a directory with nothing but what is ignored is nothing to others', async () => {
    const b = await bench()
    b.write('.peerfoldignore', '*.o\n')
    b.disk.user.mkdir(`${ROOT}/out`)
    b.disk.user.mkdir(`${ROOT}/out/deep`)
    b.write('out/deep/a.o', '1')
    b.disk.user.mkdir(`${ROOT}/empty`)
    await b.settle()
    expect(await b.inWorkspace()).toEqual({ '.peerfoldignore': '*.o\n', empty: '/' })
    b.write('out/deep/a.c', '2')
    await b.settle()
    expect(await b.inWorkspace()).toMatchObject({ 'out/deep': '/', 'out/deep/a.c': '2' })
  })

  test('what others move to where this device ignores it goes to the trash here', async () => {
    const b = await bench()
    b.write('.peerfold/ignore', 'archive/\n')
    await b.settle()
    await b.remoteFolder('archive')
    await b.remote('year/report', '1')
    await b.settle()
    await b.remoteMove('year', 'archive/year')
    await b.settle()
    expect(b.onDisk()).toEqual({})
    expect(await b.inWorkspace()).toMatchObject({ 'archive/year/report': '1' })
    expect([...b.engine.folder.journal.trash.values()].map((record) => record.path)).toEqual(['year/report'])
  })

  test.each([
    ['not text', (b: Bench) => b.disk.user.write(`${ROOT}/.peerfoldignore`, new Uint8Array([0xff, 0xfe]))],
    ['too large', (b: Bench) => b.disk.user.write(`${ROOT}/.peerfoldignore`, new Uint8Array(2 << 20))],
    [
      'unreadable',
      (b: Bench) => {
        b.write('.peerfoldignore', '*')
        b.disk.before = (operation, path) => {
          if (operation === 'openRead' && path.endsWith('.peerfoldignore'))
            throw Object.assign(new Error('EACCES'), { name: 'FileSystemError', errno: 'EACCES' })
        }
      },
    ],
  ])('rules that are %s stop everything with a reason', async (_, spoil) => {
    const b = await bench()
    spoil(b)
    b.write('a', '1')
    await expect(b.settle()).rejects.toMatchObject({ code: 'IGNORE_UNREADABLE' })
    expect(await b.inWorkspace()).toEqual({})
  })
})

describe('why', () => {
  const why = async (b: Bench, path: string) => {
    b.engine.markDirty('all')
    const plan = await b.engine.preview()
    const actions = actionsAt(plan, path)
    const waits = await b.engine.waits(plan, actions)
    return await explain(b.engine.folder, path, actions, { waits, braked: b.engine.isBraked(plan) })
  }

  test('which rule', async () => {
    const b = await bench()
    b.write('.peerfoldignore', '\nbuild/\n')
    b.disk.user.mkdir(`${ROOT}/build`)
    b.write('build/x', '1')
    await b.settle()
    const rule = { source: '.peerfoldignore', line: 2, pattern: 'build/' }
    expect(await why(b, 'build')).toMatchObject({ ignoredBy: rule, actions: [] })
    expect(await why(b, 'build/x')).toMatchObject({ ignoredBy: rule, disk: { size: 1, opaque: 'IGNORED' } })
    expect(await why(b, 'build/y')).not.toHaveProperty('disk')
    const own = { source: 'built in', pattern: '.peerfold/' }
    expect(await why(b, '.peerfold/folder.json')).toMatchObject({ ignoredBy: own, disk: { kind: 'file' } })
  })

  test('what is on disk, synced and merged, and what would happen', async () => {
    const b = await bench()
    b.write('a', '1')
    await b.settle()
    expect(await why(b, 'a')).toMatchObject({
      disk: { kind: 'file', size: 1 },
      synced: { kind: 'file', size: 1 },
      merged: { kind: 'file', size: 1 },
      versions: 1,
      actions: [],
    })
    b.write('a', 'longer')
    await b.remote('b/c', '2')
    expect(await why(b, 'a')).toMatchObject({
      disk: { size: 6 },
      synced: { size: 1 },
      actions: [{ direction: 'publish', do: 'edit', path: 'a' }],
    })
    const below = await why(b, 'b')
    expect(below).not.toHaveProperty('disk')
    expect(below.actions.map((action) => `${action.direction} ${action.do} ${action.path}`)).toEqual([
      'apply mkdir b',
      'apply create b/c',
    ])
    expect(await why(b, 'nothing/here')).toEqual({
      path: 'nothing/here',
      versions: 0,
      actions: [],
      waits: [],
      braked: false,
      issues: [],
    })
  })

  test('what happens to the folder that it lies in', async () => {
    const b = await bench()
    await b.remote('a/b/c', '1')
    await b.settle()
    b.disk.user.rename(`${ROOT}/a`, `${ROOT}/z`)
    const move = { direction: 'publish', do: 'move', from: 'a', path: 'z' }
    for (const path of ['a', 'a/b', 'z/b/c']) expect(await why(b, path)).toMatchObject({ actions: [move] })
    await b.settle()
    await b.remoteRemove('z')
    const removes = (await why(b, 'z/b/c')).actions
    expect(removes.map((action) => `${action.do} ${action.path}`)).toEqual([
      'remove z/b/c',
      'remove z/b',
      'remove z',
    ])
  })

  test('a file that is being written to', async () => {
    const time = 1_700_000_000_000
    const b = await bench({ clock: createManualClock(time), disk: createFakeDisk({ now: () => time }) })
    b.write('a', '1')
    const wait = { path: 'a', for: 'rest', since: time, until: time + 100 }
    expect((await why(b, 'a')).waits).toEqual([wait])
  })

  test('content that is still on its way', async () => {
    const b = await bench({ everythingHere: false, onFetch: () => new Promise(() => {}) })
    await b.remote('a', '1')
    for (let i = 0; i < 5; i++) await b.round()
    expect((await why(b, 'a')).waits).toEqual([
      { path: 'a', for: 'content', from: 'a', since: expect.any(Number) },
    ])
  })

  test('a true name that this disk does not hold', async () => {
    const b = await bench()
    const long = `${'x'.repeat(300)}.txt`
    await b.remote(long, '1')
    await b.settle()
    const [path] = Object.keys(b.onDisk())
    expect(path?.length).toBeLessThan(256)
    expect(await why(b, path!)).toMatchObject({ merged: { path: long } })
  })
})
