import { keyValueSuite } from '@peerfold/core/testing'
import { describe, expect, test } from 'vitest'
import { openKeyValue } from '../../src/stores/key-value.js'
import { freshName } from './fresh-name.js'

describe('a key-value store in IndexedDB', () => {
  keyValueSuite({ describe, test }, async () => {
    const name = freshName()
    return { db: await openKeyValue(name), reopen: () => openKeyValue(name) }
  })
})

describe('a walk', () => {
  const bytes = (text: string) => new TextEncoder().encode(text)
  async function filled() {
    const db = await openKeyValue(freshName())
    await db.batch(
      ['a', 'b', 'c', 'd', 'e'].map((key) => ({ type: 'put', key, value: bytes(key.repeat(3)) })),
    )
    return db
  }

  test('sees values as they were, whatever is written before its first step', async () => {
    const db = await filled()
    const walk = db.iterator({ gte: 'b', lt: 'd' })
    await db.batch([
      { type: 'put', key: 'b', value: bytes('new') },
      { type: 'del', key: 'c' },
      { type: 'put', key: 'ba', value: bytes('new') },
    ])
    expect(await walk.all()).toEqual([
      ['b', bytes('bbb')],
      ['c', bytes('ccc')],
    ])
    expect(await db.keys().all()).toEqual(['a', 'b', 'ba', 'd', 'e'])
    await db.close()
  })

  test('goes backwards, in pages, with a limit', async () => {
    const db = await filled()
    const walk = db.keys({ reverse: true, lt: 'e', limit: 3 })
    expect(await walk.nextv(2)).toEqual(['d', 'c'])
    expect(await walk.nextv(2)).toEqual(['b'])
    expect(await walk.nextv(2)).toEqual([])
    await walk.close()
    expect(await db.values({ gt: 'c', limit: 1 }).all()).toEqual([bytes('ddd')])
    await db.close()
  })

  test('can be sent to a key, back and forth, and beyond the end', async () => {
    const db = await filled()
    const walk = db.iterator()
    walk.seek('d')
    expect(await walk.next()).toEqual(['d', bytes('ddd')])
    walk.seek('aa')
    expect(await walk.next()).toEqual(['b', bytes('bbb')])
    walk.seek('x')
    expect(await walk.next()).toBeUndefined()
    await walk.close()
    const backwards = db.keys({ reverse: true })
    backwards.seek('cc')
    expect(await backwards.next()).toBe('c')
    await backwards.close()
    await db.close()
  })

  test('may be left early, and ends with its store', async () => {
    const db = await filled()
    for await (const key of db.keys()) if (key === 'b') break
    const walk = db.keys()
    await db.close()
    await expect(walk.next()).rejects.toThrow()
  })
})
