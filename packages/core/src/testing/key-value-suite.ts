import { toUtf8 } from '../encoding/bytes.js'
import type { KeyValue } from '../ports/key-value.js'
import { assertEqual, assertRejects, assertTrue } from './assert.js'
import type { SuiteRunner } from './runner.js'

export interface KeyValueFixture {
  db: KeyValue
  /** Closes the database and opens what it kept. Omit where nothing outlives the process. */
  reopen?: () => Promise<KeyValue>
}

/** What the index asks of a key-value database, beyond being an abstract-level. `create` gives an empty one; the suite closes it. */
export function keyValueSuite({ describe, test }: SuiteRunner, create: () => Promise<KeyValueFixture>): void {
  const withDb = (body: (db: KeyValue, reopen: () => Promise<KeyValue>) => Promise<void>) => async () => {
    const { db, reopen } = await create()
    let current = db
    const again = async () => {
      if (reopen === undefined) return db
      await current.close()
      current = await reopen()
      return current
    }
    try {
      await body(db, again)
    } finally {
      await current.close()
    }
  }

  describe('KeyValue', () => {
    test(
      'keeps any bytes under any text',
      withDb(async (db, reopen) => {
        const values = [
          new Uint8Array(),
          Uint8Array.of(0),
          Uint8Array.from({ length: 70_000 }, (_, i) => i & 0xff),
        ]
        const keys = ['a', 'a/ü/😀', 'ab']
        for (const [i, key] of keys.entries()) await db.put(key, values[i] as Uint8Array)
        const again = await reopen()
        assertEqual(await again.getMany([...keys, 'absent']), [...values, undefined])
        assertTrue((await again.get('a')) instanceof Uint8Array, 'values are Uint8Array')
      }),
    )
    test(
      'answers undefined for what is not there',
      withDb(async (db) => {
        assertEqual(await db.get('absent'), undefined)
      }),
    )
    test(
      'orders keys by their UTF-8 bytes, and walks a range',
      withDb(async (db) => {
        const keys = ['b', 'a', 'a/1', 'a/10', 'a/2', 'a0', 'é', '\u{1f600}', '\uffee']
        await db.batch(keys.map((key) => ({ type: 'put', key, value: toUtf8(key) })))
        assertEqual(await db.keys({ gt: 'a/', lt: 'a0' }).all(), ['a/1', 'a/10', 'a/2'])
        assertEqual(await db.keys({ gte: 'b' }).all(), ['b', 'é', '\uffee', '\u{1f600}'])
        assertEqual(await db.keys({ reverse: true, limit: 1 }).all(), ['\u{1f600}'])
        assertEqual(await db.values({ gte: 'a0', lt: 'b' }).all(), [toUtf8('a0')])
      }),
    )
    test(
      'writes a batch whole, the later entry of a key winning',
      withDb(async (db, reopen) => {
        await db.put('gone', Uint8Array.of(1))
        await db.batch([
          { type: 'put', key: 'x', value: Uint8Array.of(1) },
          { type: 'del', key: 'gone' },
          { type: 'put', key: 'x', value: Uint8Array.of(2) },
        ])
        const again = await reopen()
        assertEqual(await again.getMany(['x', 'gone']), [Uint8Array.of(2), undefined])
      }),
    )
    test(
      'clears a range and nothing beside it',
      withDb(async (db) => {
        for (const key of ['log/a', 'log/b', 'log0', 'lof']) await db.put(key, Uint8Array.of(1))
        await db.clear({ gt: 'log/', lt: 'log0' })
        assertEqual(await db.keys().all(), ['lof', 'log0'])
      }),
    )
    test(
      'walks what was there when the walk began',
      withDb(async (db) => {
        for (const key of ['1', '2', '3']) await db.put(key, Uint8Array.of(1))
        const seen: string[] = []
        for await (const key of db.keys()) {
          seen.push(key)
          await db.put(`9${key}`, Uint8Array.of(1))
          await db.del('3')
        }
        assertEqual(seen, ['1', '2', '3'])
      }),
    )
    test(
      'refuses to work when closed, however often it is closed',
      withDb(async (db) => {
        await db.close()
        await db.close()
        await assertRejects(db.get('k'))
        await assertRejects(db.put('k', Uint8Array.of(1)))
      }),
    )
  })
}
