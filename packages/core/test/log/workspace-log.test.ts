import { describe, expect, test } from 'vitest'
import { envelopesOf, exchange, openPeer } from './fixtures.js'

describe('a log', () => {
  test('applies own commits, each upon the one before', async () => {
    const a = await openPeer('a')
    const seen: number[] = []
    a.log.on('commit', ({ seq }, local) => local && seen.push(seq))
    const first = await a.say('one')
    const second = await a.say('two', 'and more')
    expect([first.seq, second.seq, second.prev, second.deps]).toEqual([1, 2, first.id, []])
    expect(second.stamp).toBe(first.stamp + 1)
    expect(a.log.heads()).toEqual([second.id])
    expect(a.log.summary()).toEqual(new Map([[first.feed, { seq: 2, id: second.id }]]))
    expect(seen).toEqual([1, 2])
    expect(Object.values(await a.state())).toEqual(['one', 'two', 'and more'])
  })

  test('says nothing when the draft is undefined', async () => {
    const a = await openPeer('a')
    expect(await a.log.commit(async () => undefined)).toBeUndefined()
    expect(a.store.end).toBe(0)
  })

  test('brings commits of others in any order, any number of times', async () => {
    const a = await openPeer('a')
    const b = await openPeer('b')
    for (const text of ['1', '2', '3', '4']) await a.say(text)
    const [one, two, three, four] = (await envelopesOf(a)) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array]
    const early = await b.log.receive([four, three])
    expect(early.held.map(({ reason }) => reason)).toEqual(['dep', 'dep'])
    expect((await b.log.receive([one, one])).applied).toHaveLength(1)
    expect((await b.log.receive([two])).applied).toHaveLength(3)
    expect((await b.log.receive([one, four])).known).toHaveLength(2)
    expect(await b.state()).toEqual(await a.state())
    expect(b.log.heads()).toEqual(a.log.heads())
  })

  test('joins concurrent work: the next commit builds on all heads', async () => {
    const [a, b] = [await openPeer('a'), await openPeer('b')]
    const mine = await a.say('mine')
    const yours = await b.say('yours')
    await exchange(a, b)
    expect(a.log.heads()).toEqual([mine.id, yours.id].sort())
    const joined = await a.say('joined')
    expect(joined.deps).toEqual([yours.id])
    expect(joined.prev).toBe(mine.id)
    const past = await a.log.pastOf(joined.id)
    expect(past.covers(yours.writer, 1)).toBe(true)
    expect(past.covers(joined.writer, 1)).toBe(true)
    expect(past.covers(joined.writer, 2)).toBe(false)
    expect((await a.log.pastOf(mine.id)).covers(yours.writer, 1)).toBe(false)
    await exchange(a, b)
    expect(b.log.heads()).toEqual([joined.id])
  })

  test('goes on with its feed after a restart', async () => {
    let a = await openPeer('a')
    const first = await a.say('before')
    a = await a.restart()
    const second = await a.say('after')
    expect(second.feed).toBe(first.feed)
    expect(second.prev).toBe(first.id)
    expect(a.consumer.resets).toBe(0)
    expect((await a.log.get(first.id)).time).toBe(first.time)
  })
})
