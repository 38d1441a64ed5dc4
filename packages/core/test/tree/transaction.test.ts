import { describe, expect, test } from 'vitest'
import { MAX_DEPTH } from '../../src/tree/names.js'
import { ROOT_ITEM } from '../../src/tree/types.js'
import { decodeUpdate } from '../../src/tree/update.js'
import { dump } from './dump.js'
import { contentOf, META, Replica, type Sent } from './replica.js'

const open = (writer = 1001) => Replica.open({ writer })
const file = (label: string) => [contentOf(label), META] as const

function recordsOf(sent: Sent | undefined): string[] {
  return (sent?.commit.updates ?? []).flatMap(({ update }) => decodeUpdate(update).records)
}

/** Each hears all that the others did. */
async function exchange(...replicas: Replica[]): Promise<void> {
  for (const to of replicas) for (const from of replicas) if (to !== from) await to.pull(from)
}

describe('a transaction', () => {
  test('says nothing when nothing changed', async () => {
    const a = await open()
    await a.commit((tx) => tx.makeFolder(ROOT_ITEM, 'd'))
    const { sent } = await a.commit(async (tx) => {
      const d = await tx.makeFolder(ROOT_ITEM, 'd')
      await tx.move(d.item, ROOT_ITEM, 'd')
      const gone = await tx.makeFile(d.item, 'gone', ...file('1'))
      await tx.remove(gone.item)
    })
    expect(sent).toBeUndefined()
  })

  test('keeps one record of each kind for each item, whatever is done to it', async () => {
    const a = await open()
    const { value: f } = await a.commit((tx) => tx.makeFile(ROOT_ITEM, 'f', ...file('0')))
    const { sent } = await a.commit(async (tx) => {
      const d = await tx.makeFolder(ROOT_ITEM, 'd')
      await tx.writeFile(f.item, ...file('1'))
      await tx.move(f.item, d.item, 'g')
      await tx.writeFile(f.item, ...file('2'))
      await tx.move(f.item, ROOT_ITEM, 'h')
      expect((await tx.lookup(['h']))!.heads.map(({ content }) => content)).toEqual([contentOf('2')])
    })
    expect(recordsOf(sent)).toHaveLength(3)
    expect(await a.list()).toEqual(['d/', 'h'])
    const versions = []
    for await (const version of a.tree.versions(f.item)) versions.push(version.content)
    expect(versions).toEqual([contentOf('2'), contentOf('0')])
  })

  test('shows version ids that last, even when others are taken back', async () => {
    const a = await open()
    const { value: ids, sent } = await a.commit(async (tx) => {
      const made = []
      for (let i = 0; i < 600; i++) made.push(await tx.makeFile(ROOT_ITEM, `f${i}`, ...file(`${i}`)))
      for (const { item } of made.filter((_, i) => i % 3 === 0)) await tx.remove(item)
      return made.filter((_, i) => i % 3 !== 0).map(({ item, heads }) => ({ item, id: heads[0]!.id }))
    })
    for (const { item, id } of ids) expect((await a.tree.version(id))!.item).toBe(item)
    expect(recordsOf(sent).filter((record) => record === '["v"]').length).toBeGreaterThan(0)
    expect((await a.list()).length).toBe(400)
  })

  test('removes what it made itself without a trace', async () => {
    const a = await open()
    const { value: f } = await a.commit((tx) => tx.makeFile(ROOT_ITEM, 'f', ...file('1')))
    const { sent } = await a.commit(async (tx) => {
      const d = await tx.makeFolder(ROOT_ITEM, 'd')
      await tx.makeFile(d.item, 'new', ...file('2'))
      await tx.writeFile(f.item, ...file('3'))
      await tx.move(f.item, d.item, 'moved')
      await tx.remove(d.item)
    })
    // All that is left to say is that the file is gone.
    expect(recordsOf(sent).filter((record) => record !== '["v"]')).toHaveLength(1)
    expect(await a.list()).toEqual([])
    const removed = []
    for await (const { path } of a.tree.removed()) removed.push(path.join('/'))
    expect(removed).toEqual(['f'])
  })

  test('makes the same name again as another item', async () => {
    const a = await open()
    const items = new Set<string>()
    for (let i = 0; i < 20; i++) {
      const { value } = await a.commit((tx) => tx.makeFile(ROOT_ITEM, 'f', ...file(`${i}`)))
      items.add(value.item)
      await a.commit((tx) => tx.remove(value.item))
    }
    expect(items.size).toBe(20)
  })

  test('brings a removed file back by writing it', async () => {
    const a = await open()
    const { value: d } = await a.commit((tx) => tx.makeFolder(ROOT_ITEM, 'd'))
    const { value: f } = await a.commit((tx) => tx.makeFile(d.item, 'f', ...file('1')))
    await a.commit((tx) => tx.remove(d.item))
    await a.commit((tx) => tx.writeFile(f.item, ...file('2')))
    expect(await a.list()).toEqual(['d/', 'd/f'])
    expect((await a.tree.entry(d.item))!.ghost).toBe(true)
    expect((await a.tree.entry(f.item))!.ghost).toBe(false)
  })

  test('refuses what makes no sense, by its code', async () => {
    const a = await open()
    const { value } = await a.commit(async (tx) => {
      const d = await tx.makeFolder(ROOT_ITEM, 'd')
      const e = await tx.makeFolder(d.item, 'e')
      const f = await tx.makeFile(ROOT_ITEM, 'f', ...file('1'))
      return { d: d.item, e: e.item, f: f.item }
    })
    const { d, e, f } = value
    const tx = a.begin()
    const nowhere = 'a'.repeat(32)
    for (const name of ['', '.', '..', 'a/b', 'a\0b', 'x'.repeat(1021), 'é'.repeat(511), '\ud800']) {
      await expect(tx.makeFolder(d, name)).rejects.toMatchObject({ code: 'NAME_INVALID' })
      await expect(tx.move(f, d, name)).rejects.toMatchObject({ code: 'NAME_INVALID' })
    }
    await expect(tx.makeFile(ROOT_ITEM, 'd', ...file('1'))).rejects.toMatchObject({ code: 'ALREADY_EXISTS' })
    await expect(tx.makeFile(ROOT_ITEM, 'f', ...file('1'))).rejects.toMatchObject({ code: 'ALREADY_EXISTS' })
    await expect(tx.makeFolder(ROOT_ITEM, 'f')).rejects.toMatchObject({ code: 'ALREADY_EXISTS' })
    await expect(tx.move(f, ROOT_ITEM, 'd')).rejects.toMatchObject({ code: 'ALREADY_EXISTS' })
    await expect(tx.makeFolder(f, 'x')).rejects.toMatchObject({ code: 'NOT_A_FOLDER' })
    await expect(tx.move(d, f, 'x')).rejects.toMatchObject({ code: 'NOT_A_FOLDER' })
    await expect(tx.makeFolder(nowhere, 'x')).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await expect(tx.move(d, d, 'x')).rejects.toMatchObject({ code: 'MOVE_INTO_ITSELF' })
    await expect(tx.move(d, e, 'x')).rejects.toMatchObject({ code: 'MOVE_INTO_ITSELF' })
    await expect(tx.remove(nowhere)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await expect(tx.remove(ROOT_ITEM)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    await expect(tx.writeFile(d, ...file('1'))).rejects.toMatchObject({ code: 'NOT_A_FILE' })
    await expect(tx.writeFile(f, ...file('1'), ['1.2.3'])).rejects.toMatchObject({
      code: 'VERSION_NOT_FOUND',
    })
    expect(await tx.draft()).toBeUndefined()
    const deep = a.begin()
    let at = ROOT_ITEM
    for (let i = 0; i < MAX_DEPTH; i++) at = (await deep.makeFolder(at, 'x')).item
    await expect(deep.makeFolder(at, 'x')).rejects.toMatchObject({ code: 'PATH_INVALID' })
  })
})

describe('devices that do not know of each other', () => {
  test('make the same tree as the same items', async () => {
    const [a, b] = [await open(1), await open(2)]
    for (const replica of [a, b]) {
      await replica.commit(async (tx) => {
        const d = await tx.makeFolder(ROOT_ITEM, 'd')
        await tx.makeFile(d.item, 'same', ...file('same'))
        await tx.makeFile(d.item, 'other', ...file(`of ${replica.writer}`))
      })
    }
    const alone = [...(await dump(a.tree)).keys()]
    await exchange(a, b)
    expect([...(await dump(a.tree)).keys()]).toEqual(alone)
    expect(await a.list()).toEqual(['d/', 'd/other', 'd/same'])
    expect((await a.tree.lookup(['d', 'same']))!.heads).toHaveLength(1)
    expect((await a.tree.lookup(['d', 'other']))!.heads).toHaveLength(2)
    expect((await a.tree.stats()).conflicts).toBe(1)
  })

  test('keep both files of one name; the earlier shows it, the other a suffix before its extension', async () => {
    const [a, b] = [await open(1), await open(2)]
    const { value } = await a.commit(async (tx) => {
      const one = await tx.makeFile(ROOT_ITEM, 'one', ...file('1'))
      const two = await tx.makeFile(ROOT_ITEM, 'two', ...file('2'))
      return [one.item, two.item] as const
    })
    await exchange(a, b)
    await a.commit((tx) => tx.move(value[0], ROOT_ITEM, 'x.tar.gz'))
    await b.commit((tx) => tx.move(value[1], ROOT_ITEM, 'x.tar.gz'))
    await exchange(a, b)
    const suffixed = `x.tar (${value[1].slice(0, 8)}).gz`
    expect(await a.list()).toEqual([suffixed, 'x.tar.gz'])
    expect(await b.list()).toEqual(await a.list())
    expect(await a.tree.lookup([suffixed])).toMatchObject({ item: value[1], recordName: 'x.tar.gz' })
    // A name that somebody gives on purpose goes before a derived one.
    await a.commit((tx) => tx.makeFolder(ROOT_ITEM, 'other'))
    await b.commit((tx) => tx.remove(value[0]))
    await exchange(a, b)
    expect(await a.list()).toEqual(['other/', 'x.tar.gz'])
  })

  test('move folders into each other: the later move yields', async () => {
    const [a, b] = [await open(1), await open(2)]
    const { value } = await a.commit(async (tx) => {
      const x = await tx.makeFolder(ROOT_ITEM, 'x')
      const y = await tx.makeFolder(ROOT_ITEM, 'y')
      return { x: x.item, y: y.item }
    })
    await exchange(a, b)
    await a.commit((tx) => tx.move(value.x, value.y, 'x'))
    await b.commit((tx) => tx.move(value.y, value.x, 'y'))
    await exchange(a, b)
    expect(await a.list()).toEqual(['y/', 'y/x/'])
    expect(await b.list()).toEqual(['y/', 'y/x/'])
    // Rule 7: whoever now puts something into the displaced folder settles where it is.
    const { sent } = await b.commit((tx) => tx.makeFile(value.x, 'f', ...file('1')))
    expect(recordsOf(sent)).toHaveLength(3)
  })

  test('an edit based on what was on disk leaves the version that it had not seen (rule 8)', async () => {
    const [a, b] = [await open(1), await open(2)]
    const { value: f } = await a.commit((tx) => tx.makeFile(ROOT_ITEM, 'f', ...file('1')))
    await exchange(a, b)
    await b.commit((tx) => tx.writeFile(f.item, ...file('2')))
    await exchange(a, b)
    const { value } = await a.commit((tx) => tx.writeFile(f.item, ...file('3'), [f.heads[0]!.id]))
    expect(value.heads.map(({ content }) => content)).toEqual([contentOf('3'), contentOf('2')])
    expect(value.heads[0]!.basedOn).toEqual([f.heads[0]!.id])
    await exchange(a, b)
    expect((await b.tree.entry(f.item))!.heads).toEqual((await a.tree.entry(f.item))!.heads)
  })

  test('a file put in again survives a removal that did not see that (rule 8)', async () => {
    const [a, b] = [await open(1), await open(2)]
    const { value } = await a.commit(async (tx) => {
      const d = await tx.makeFolder(ROOT_ITEM, 'd')
      const kept = await tx.makeFile(d.item, 'kept', ...file('1'))
      await tx.makeFile(d.item, 'gone', ...file('2'))
      return { d: d.item, kept: kept.item }
    })
    await exchange(a, b)
    await a.commit((tx) => tx.remove(value.d))
    await b.commit((tx) => tx.reassert(value.kept))
    await exchange(a, b)
    expect(await a.list()).toEqual(['d/', 'd/kept'])
    // Moving the ghost does not wake what its deletion had ended.
    await b.commit((tx) => tx.move(value.d, ROOT_ITEM, 'e'))
    expect(await b.list()).toEqual(['e/', 'e/kept'])
  })

  test('changes tell what was and what is, of displaced items too', async () => {
    const [a, b] = [await open(1), await open(2)]
    const { value } = await a.commit(async (tx) => {
      const x = await tx.makeFolder(ROOT_ITEM, 'x')
      const y = await tx.makeFolder(ROOT_ITEM, 'y')
      await tx.makeFile(x.item, 'f', ...file('1'))
      return { x: x.item, y: y.item }
    })
    await exchange(a, b)
    await a.commit((tx) => tx.move(value.x, value.y, 'x'))
    await b.commit((tx) => tx.move(value.y, value.x, 'y'))
    const heard: Array<[string | undefined, string | undefined]> = []
    b.tree.onChange((changes) => {
      for (const { before, after } of changes) heard.push([before?.parent, after?.parent])
    })
    await b.pull(a)
    expect(heard).toEqual(
      expect.arrayContaining([
        [ROOT_ITEM, value.y],
        [value.x, ROOT_ITEM],
      ]),
    )
    expect(heard).toHaveLength(2)
    heard.length = 0
    await b.commit((tx) => tx.remove(value.y))
    expect(heard).toEqual(
      expect.arrayContaining([
        [ROOT_ITEM, undefined],
        [value.y, undefined],
        [value.x, undefined],
      ]),
    )
  })
})
