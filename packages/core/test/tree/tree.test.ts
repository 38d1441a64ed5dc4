import { describe, expect, test } from 'vitest'
import { ROOT_ITEM } from '../../src/tree/types.js'
import { contentOf, META, Replica } from './replica.js'

describe('one device', () => {
  test('makes folders and files, and lists them by UTF-8 bytes', async () => {
    const a = await Replica.open({ writer: 1001 })
    await a.commit(async (tx) => {
      const photos = await tx.makeFolder(ROOT_ITEM, 'photos')
      await tx.makeFile(photos.item, 'b.jpg', contentOf('b'), META)
      await tx.makeFile(photos.item, 'a.jpg', contentOf('a'), META)
      await tx.makeFile(ROOT_ITEM, 'photos.txt', contentOf('t'), META)
    })
    expect(await a.list()).toEqual(['photos/', 'photos/a.jpg', 'photos/b.jpg', 'photos.txt'])
    expect(await a.tree.stats()).toEqual({ files: 3, folders: 1, bytes: 3, conflicts: 0 })
    const entry = await a.tree.lookup(['photos', 'a.jpg'])
    expect(entry!.heads[0]!.content).toEqual(contentOf('a'))
    expect(await a.tree.path(entry!.item)).toEqual(['photos', 'a.jpg'])
  })
  test('a second replica merges', async () => {
    const a = await Replica.open({ writer: 1001 })
    const b = await Replica.open({ writer: 1002 })
    await a.commit(async (tx) => {
      const d = await tx.makeFolder(ROOT_ITEM, 'd')
      await tx.makeFile(d.item, 'x', contentOf('x'), META)
    })
    await b.pull(a)
    const x = (await b.tree.lookup(['d', 'x']))!
    await b.commit((tx) => tx.writeFile(x.item, contentOf('x2'), META))
    await a.commit(async (tx) => tx.remove((await tx.lookup(['d']))!.item))
    expect(await a.list()).toEqual([])
    await a.pull(b)
    await b.pull(a)
    expect(await a.list()).toEqual(['d/', 'd/x'])
    expect(await b.list()).toEqual(['d/', 'd/x'])
  })
})
