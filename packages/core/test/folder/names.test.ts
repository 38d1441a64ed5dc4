import { describe, expect, test } from 'vitest'
import { nameRules, POSIX_NAMES, projectNames } from '../../src/folder/names.js'
import { createFakeDisk, type FakeDiskInit } from '../../src/testing/fake-disk.js'
import { ROOT_ITEM } from '../../src/tree/types.js'
import { type Bench, bench, ROOT } from './harness.js'

const WINDOWS = nameRules({ caseless: true, formless: false, reserving: true })

const project = (names: readonly string[], rules = POSIX_NAMES, inRoot = false) => {
  const children = names.map((name, i) => ({ item: `item ${i}`, name }))
  const projected = projectNames(children, rules, inRoot)
  return children.map(({ item }) => projected.get(item)!)
}

describe('names that any system holds keep them', () => {
  test.each([
    'a',
    '.hidden',
    'a b',
    'ünïcödé',
    '日本語',
    '👩‍👩‍👧‍👦.png',
    'a~b',
    'console',
    'com10',
    'x'.repeat(255),
  ])('%s', (name) => {
    expect(project([name])).toEqual([name])
    expect(project([name], WINDOWS)).toEqual([name])
  })
})

describe('names that a system reserves get an alias there', () => {
  const reserved = [
    ...['con', 'CON.txt', 'aux', 'nul.tar.gz', 'COM1', 'com\u00b9', 'lpt9.doc', 'PRN ', 'conin$'],
    ...['a:b', 'a?', '*', 'a|b', '"a"', '<a>', 'a\\b', 'tab\there', 'bell\u0007'],
    ...['trailing.', 'trailing ', 'dots...', '. .', '...'],
  ]
  test.each(reserved)('%j', (name) => {
    const [alias] = project([name], WINDOWS)
    expect(alias).not.toBe(name)
    expect(WINDOWS.holds(alias!)).toBe(true)
    expect(alias).toContain('~')
    expect(project([name])).toEqual([name])
  })

  test('names longer than a disk can hold are cut between characters, and keep their extension', () => {
    for (const name of [
      `${'x'.repeat(300)}.jpeg`,
      `${'é'.repeat(200)}.jpeg`,
      `${'👩‍👩‍👧‍👦'.repeat(20)}.jpeg`,
    ]) {
      const [alias] = project([name])
      expect(new TextEncoder().encode(alias).length).toBeLessThanOrEqual(255)
      expect(alias).toMatch(/~[0-9a-f]{8}\.jpeg$/)
      expect(new TextDecoder().decode(new TextEncoder().encode(alias))).toBe(alias)
    }
  })

  test('in the root, what would be the state directory', () => {
    expect(project(['.peerfold', '.PEERFOLD'], POSIX_NAMES, true)[1]).toBe('.PEERFOLD')
    expect(project(['.peerfold'], POSIX_NAMES, true)[0]).toMatch(/^\.peerfold~/)
    expect(project(['.Peerfold'], WINDOWS, true)[0]).toMatch(/^\.Peerfold~/)
    expect(project(['.peerfold'], POSIX_NAMES, false)).toEqual(['.peerfold'])
  })
})

describe('names that are one to a disk', () => {
  const CASELESS = nameRules({ caseless: true, formless: true, reserving: false })
  test.each([
    ['a', 'A'],
    ['Straße', 'STRASSE'],
    ['ΌΣΟΣ', 'όσος'],
    ['é', 'e\u0301'],
    ['É', 'e\u0301'],
    ['ﬁn', 'FIN'],
    ['ŉ', 'ʼN'],
  ])('%s and %s: the second gets an alias', (one, other) => {
    const names = project([one, other], CASELESS)
    expect(new Set(names.map(CASELESS.fold)).size).toBe(2)
    expect(names.filter((name) => name === one || name === other)).toHaveLength(1)
    expect(project([one, other])).toEqual([one, other])
  })

  test('two forms of a letter are two names to a disk that only does not tell case', () => {
    expect(project(['é', 'e\u0301'], WINDOWS)).toEqual(['é', 'e\u0301'])
    expect(project(['É', 'é'], WINDOWS).filter((name) => name.includes('~'))).toHaveLength(1)
  })

  test('are the same on every such disk, in whatever order they came', () => {
    const items = ['A', 'a', 'é', 'e\u0301'].map((name, i) => ({ item: `item ${i}`, name }))
    const forward = projectNames(items, CASELESS, false)
    const backward = projectNames([...items].reverse(), CASELESS, false)
    expect([...backward].sort()).toEqual([...forward].sort())
  })
})

/** A device whose disk is of some kind, and others that may name things as they like. */
const on = (init: FakeDiskInit) => bench({ disk: createFakeDisk(init) })
const names = (b: Bench) => Object.keys(b.onDisk())

describe('a disk that ignores case', () => {
  test('shows both of two names that differ by case, and overwrites neither', async () => {
    const b = await on({ names: 'caseless' })
    await b.remote('Report', '1')
    await b.remote('report', '2')
    await b.settle()
    expect(Object.values(b.onDisk()).sort()).toEqual(['1', '2'])
    expect(names(b)).toContain('Report')
    const alias = names(b).find((name) => name !== 'Report')!
    expect(alias).toMatch(/^report~/)
    b.write(alias, 'edited')
    await b.settle()
    expect(await b.inWorkspace()).toEqual({ Report: '1', report: 'edited' })
  })

  test('an alias ends when its reason does', async () => {
    const b = await on({ names: 'caseless' })
    await b.remote('Report', '1')
    await b.remote('report', '2')
    await b.settle()
    await b.remoteRemove('Report')
    await b.settle()
    expect(b.onDisk()).toEqual({ report: '2' })
    expect(await b.inWorkspace()).toEqual({ report: '2' })
  })

  test('a file made here meets one of another case made there: both stay', async () => {
    const b = await on({ names: 'caseless' })
    b.write('notes', 'mine')
    await b.remote('Notes', 'theirs')
    await b.settle()
    expect(await b.inWorkspace()).toEqual({ Notes: 'theirs', notes: 'mine' })
    expect(Object.values(b.onDisk()).sort()).toEqual(['mine', 'theirs'])
  })

  test.each(['file', 'folder'])('a %s whose case a person changes is renamed', async (kind) => {
    const b = await on({ names: 'caseless' })
    if (kind === 'folder') b.disk.user.mkdir(`${ROOT}/notes`)
    else b.write('notes', '1')
    await b.settle()
    b.disk.user.rename(`${ROOT}/notes`, `${ROOT}/Notes`)
    await b.settle()
    expect(Object.keys(await b.inWorkspace())).toEqual(['Notes'])
    expect(b.activities.at(-1)).toMatchObject({ action: 'move', from: 'notes', path: 'Notes' })
  })

  test.each(['file', 'folder'])('a %s whose case others change is renamed here', async (kind) => {
    const b = await on({ names: 'caseless' })
    if (kind === 'folder') {
      await b.remoteFolder('notes')
      await b.remote('notes/x', '1')
    } else await b.remote('notes', '1')
    await b.settle()
    await b.remoteMove('notes', 'NOTES')
    await b.settle()
    expect(names(b)[0]).toBe('NOTES')
    expect(b.onDisk()).toEqual(await b.inWorkspace())
    expect(b.activities.at(-1)).toMatchObject({ direction: 'applied', action: 'move', path: 'NOTES' })
  })

  test('names that change places and case at once', async () => {
    const b = await on({ names: 'caseless' })
    await b.remote('a', '1')
    await b.remote('b', '2')
    await b.settle()
    await b.remoteMove('a', 'c')
    await b.remoteMove('b', 'A')
    await b.remoteMove('c', 'B')
    await b.settle()
    expect(b.onDisk()).toEqual({ A: '2', B: '1' })
  })

  test('killed while it changes a case, it finds the file again', async () => {
    for (let calls = 1; ; calls++) {
      const b = await on({ names: 'caseless' })
      await b.remote('notes', '1')
      await b.settle()
      await b.remoteMove('notes', 'Notes')
      let left = calls
      b.disk.before = () => {
        if (left-- === 0) throw new Error('killed')
      }
      const died = await b.settle().then(
        () => false,
        () => true,
      )
      const disk = b.disk.reopen()
      const again = await bench({ disk, workspace: b.workspace, journal: b.journal })
      await again.settle()
      expect(again.onDisk(), `killed at call ${calls}`).toEqual({ Notes: '1' })
      expect(await again.inWorkspace()).toEqual({ Notes: '1' })
      if (!died) break
    }
  })
})

describe('a disk that keeps names in a form of its own', () => {
  test('does not rename what others made', async () => {
    const b = await on({ names: 'decomposed' })
    await b.remote('caf\u00e9', '1')
    await b.remote('cafe\u0301s', '2')
    await b.settle()
    const { commits } = b.workspace
    b.write('caf\u00e9', '3')
    await b.settle()
    expect(await b.inWorkspace()).toEqual({ 'caf\u00e9': '3', 'cafe\u0301s': '2' })
    expect(b.workspace.commits).toBe(commits + 1)
  })

  test('a name in another case that takes the place of a removed one is no second name for a while', async () => {
    const b = await on({ names: 'caseless' })
    b.write('Report', '1')
    await b.settle()
    b.disk.user.remove(`${ROOT}/Report`)
    b.write('report', 'longer')
    b.activities.length = 0
    await b.settle()
    expect(b.activities.filter(({ direction }) => direction === 'applied')).toEqual([])
    expect(b.onDisk()).toEqual({ report: 'longer' })
    expect(await b.inWorkspace()).toEqual({ report: 'longer' })
  })

  test('publishes names in the usual form', async () => {
    const b = await on({ names: 'decomposed' })
    b.disk.user.mkdir(`${ROOT}/\u00fcber`)
    b.write('\u00fcber/caf\u00e9', '1')
    await b.settle()
    expect(await b.inWorkspace()).toEqual({ '\u00fcber': '/', '\u00fcber/caf\u00e9': '1' })
  })

  test('two forms of one name are both shown', async () => {
    const b = await on({ names: 'caseless-decomposed' })
    await b.remote('caf\u00e9', '1')
    await b.remote('cafe\u0301', '2')
    await b.settle()
    expect(Object.values(b.onDisk()).sort()).toEqual(['1', '2'])
    expect(await b.inWorkspace()).toEqual({ 'caf\u00e9': '1', 'cafe\u0301': '2' })
  })
})

describe('a disk without executable bits', () => {
  test('keeps the value that others set', async () => {
    const b = await on({ executables: false })
    b.write('plain', '1')
    await b.workspace.transact(async (tx) => {
      const meta = { type: 'file' as const, mtime: 1_600_000_000_000, executable: true }
      await tx.makeFile(ROOT_ITEM, 'script', b.workspace.content(new TextEncoder().encode('2')), meta)
    })
    await b.settle()
    const { commits } = b.workspace
    await b.settle()
    expect(b.workspace.commits).toBe(commits)
    b.write('plain', '3')
    b.write('script', '4')
    await b.settle()
    const bits = async (name: string) => (await b.workspace.tree.lookup([name]))!.heads[0]!.executable
    expect([await bits('plain'), await bits('script')]).toEqual([false, true])
  })
})

describe('a disk without links', () => {
  test('without hard links: files come, change, move and go', async () => {
    const b = await on({ hardLinks: false })
    await b.remote('a', '1')
    await b.settle()
    await b.remote('a', '2')
    await b.remoteMove('a', 'b')
    await b.settle()
    expect(b.onDisk()).toEqual({ b: '2' })
    await b.remoteRemove('b')
    await b.settle()
    expect(b.onDisk()).toEqual({})
  })
})
