import { describe, expect, test } from 'vitest'
import { toHex, toUtf8 } from '../../src/encoding/bytes.js'
import { sha256Now } from '../../src/encoding/derive.js'
import { envelopesOf, epochOf, exchange, FakeUpdateStore, openPeer } from './fixtures.js'

describe('what waits', () => {
  test('for a key is opened when the key comes from outside', async () => {
    const [a, b] = [await openPeer('a'), await openPeer('b')]
    a.authority.learn('second')
    a.authority.currentEpoch = epochOf('second')
    await a.say('under the second epoch')
    const { held } = await b.log.receive(await envelopesOf(a))
    expect(held.map(({ reason }) => reason)).toEqual(['key'])
    const applied = new Promise((resolve) => b.log.on('commit', resolve))
    b.authority.learn('second')
    await applied
    expect(await b.state()).toEqual(await a.state())
  })

  test('for a key that a commit brings is opened right after it, in the same call', async () => {
    const [a, b] = [await openPeer('a'), await openPeer('b')]
    await a.log.commit(async () => ({ updates: [], operations: [{ type: 'epoch', label: 'next' }] }))
    a.authority.currentEpoch = epochOf('next')
    await a.say('under the next epoch')
    const [first, second] = (await envelopesOf(a)) as [Uint8Array, Uint8Array]
    expect((await b.log.receive([second, first])).applied).toHaveLength(2)
  })

  test('for blocks is applied when they are there: a transaction of any size is one commit', async () => {
    const kept = new Map<string, Uint8Array>()
    const a = await openPeer('a', { updateStore: new FakeUpdateStore(kept) })
    const updateStore = new FakeUpdateStore(kept)
    let b = await openPeer('b', { updateStore })
    const texts = Array.from({ length: 400 }, (_, i) => `${i} ${'x'.repeat(1000)}`)
    const commit = await a.say(...texts)
    await a.say('upon it')
    expect(commit.updates).toHaveLength(400)
    updateStore.hidden = true
    const result = await b.log.receive(await envelopesOf(a))
    expect(result.held.map(({ reason }) => reason).sort()).toEqual(['blocks', 'dep'])
    expect((await b.log.retry()).applied).toEqual([])
    expect(await b.state()).toEqual({})
    updateStore.hidden = false
    expect((await b.log.retry()).applied).toHaveLength(2)
    expect(JSON.stringify(await b.state())).toBe(JSON.stringify(await a.state()))
    expect((await b.log.get(commit.id)).updates[399]).toEqual(commit.updates[399])
    b = await b.restart()
    expect((await b.log.get(commit.id)).updates).toHaveLength(400)
  })

  test('needs blocks: without a place for them a large transaction is refused whole', async () => {
    const a = await openPeer('a')
    await expect(a.say(...Array.from({ length: 300 }, () => 'x'.repeat(1000)))).rejects.toMatchObject({
      code: 'COMMIT_TOO_LARGE',
    })
    expect(a.store.end).toBe(0)
    expect((await a.say('small')).seq).toBe(1)
  })
})

describe('what is quarantined', () => {
  test('lies in the log without effect, whether it came before or after the verdict', async () => {
    const [owner, thief, late] = [await openPeer('owner'), await openPeer('thief'), await openPeer('late')]
    await thief.say('honest')
    await exchange(owner, thief)
    await thief.say('after removal')
    await exchange(owner, thief)
    expect(Object.values(await owner.state()).sort()).toEqual(['after removal', 'honest'])
    const device = toHex(sha256Now(toUtf8('thief')))
    const operation = { type: 'condemn', device, above: 1 }
    await owner.log.commit(async () => ({ updates: [], operations: [operation] }))
    expect(Object.values(await owner.state())).toEqual(['honest'])
    await owner.say('goes on')
    const rest = await owner.restart()
    expect(Object.values(await rest.state()).sort()).toEqual(['goes on', 'honest'])
    const [first, second] = (await envelopesOf(thief)) as [Uint8Array, Uint8Array]
    late.authority.condemned.set(device, 1)
    const result = await late.log.receive([first, second])
    expect([result.applied.length, result.quarantined.length]).toEqual([1, 1])
    expect(late.log.heads()).toEqual(result.applied)
  })

  test('does not let its author write', async () => {
    const a = await openPeer('a')
    await a.say('before')
    a.authority.condemned.set(a.authority.device, 1)
    await expect(a.say('after')).rejects.toMatchObject({ code: 'PERMISSION_DENIED' })
    expect(a.log.heads()).toHaveLength(1)
  })
})
