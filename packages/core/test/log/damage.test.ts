import { describe, expect, test } from 'vitest'
import { PeerfoldError } from '../../src/errors.js'
import { createMemoryLogStore, type MemoryLogStore } from '../../src/testing/memory-log-store.js'
import { envelopesOf, exchange, memoryDb, openPeer } from './fixtures.js'

/** The store, with one record that its disk has damaged. */
function damagedAt(store: MemoryLogStore, position: number, next: number): MemoryLogStore {
  const corrupt = () => new PeerfoldError('LOG_CORRUPT', 'damaged', { details: { position, next } })
  return Object.create(store, {
    start: { get: () => store.start },
    end: { get: () => store.end },
    get: {
      value: async (at: number) => {
        if (at === position) throw corrupt()
        return store.get(at)
      },
    },
    read: {
      async *value(from: number = store.start) {
        for await (const record of store.read(from)) {
          if (record.position === position) throw corrupt()
          yield record
        }
      },
    },
  })
}

describe('a damaged record of the log', () => {
  test('is told, costs nothing but itself, and is healed by a peer', async () => {
    const [a, b] = [await openPeer('a'), await openPeer('b')]
    for (const text of ['1', '2', '3', '4']) await a.say(text)
    await b.say('of b')
    await exchange(a, b)
    const records = []
    for await (const record of a.store.read()) records.push(record)
    const { position, next } = records[1] as (typeof records)[number]
    const store = damagedAt(createMemoryLogStore(a.store.snapshot()), position, next)
    const hurt = await a.restart({ store, db: memoryDb() })
    const warnings: string[] = []
    hurt.log.on('warning', ({ code }) => warnings.push(code))
    expect(warnings).toEqual(['LOG_CORRUPT'])
    expect(Object.values(await hurt.state()).sort()).toEqual(['1', 'of b'])
    await exchange(b, hurt)
    expect(await hurt.state()).toEqual(await b.state())
    const again = await hurt.restart({ store })
    expect(await again.state()).toEqual(await b.state())
    expect((await envelopesOf(again)).length).toBe(5)
  })

  test('that is found when a peer asks for it does not hide the others, and the next opening sees to it', async () => {
    const [a, b] = [await openPeer('a'), await openPeer('b')]
    for (const text of ['1', '2', '3']) await a.say(text)
    await exchange(a, b)
    const records = []
    for await (const record of a.store.read()) records.push(record)
    const { position, next } = records[1] as (typeof records)[number]
    const store = damagedAt(createMemoryLogStore(a.store.snapshot()), position, next)
    const hurt = await a.restart({ store })
    expect(hurt.consumer.resets).toBe(0)
    expect(await envelopesOf(hurt)).toHaveLength(2)
    const again = await hurt.restart({ store })
    expect(again.consumer.resets).toBe(1)
    await exchange(b, again)
    expect(await again.state()).toEqual(await b.state())
    expect(await envelopesOf(again)).toHaveLength(3)
  })

  test('of the own feed makes the device write under another, so that nothing collides', async () => {
    const [a, b] = [await openPeer('a'), await openPeer('b')]
    for (const text of ['1', '2', '3']) await a.say(text)
    await exchange(a, b)
    const records = []
    for await (const record of a.store.read()) records.push(record)
    const { position, next } = records[1] as (typeof records)[number]
    const store = damagedAt(createMemoryLogStore(a.store.snapshot()), position, next)
    const hurt = await a.restart({ store, db: memoryDb() })
    const own = await hurt.say('while it is damaged')
    expect(own.seq).toBe(1)
    expect((await hurt.say('and again')).signedFeed).toBe(own.signedFeed)
    await exchange(b, hurt)
    expect(await hurt.state()).toEqual(await b.state())
    expect(Object.keys(await b.state())).toHaveLength(5)
    expect([...b.log.summary().keys()]).toHaveLength(2)
  })
})
