import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isPeerfoldError, PeerfoldError } from '../../src/errors.js'
import type { KeyValue } from '../../src/ports/key-value.js'
import { createMemoryLogStore, type MemoryLogStore } from '../../src/testing/memory-log-store.js'
import { createSeededRandom, type SeededRandom } from '../../src/testing/seeded-random.js'
import { envelopesOf, exchange, memoryDb, memorySecrets, openPeer, type Peer } from './fixtures.js'
import { forge } from './forge.js'

const seed = Number(process.env.PEERFOLD_SEED ?? 20_240_615)

function shuffled<T>(items: readonly T[], random: SeededRandom): T[] {
  const order = items.map((item) => ({ item, at: random.float() }))
  return order.sort((a, b) => a.at - b.at).map(({ item }) => item)
}

/** A history of several devices with partial exchanges, a cloned home, and commits that must be refused. */
async function history(random: SeededRandom): Promise<{ peers: Peer[]; envelopes: Uint8Array[] }> {
  const peers = [await openPeer('a'), await openPeer('b'), await openPeer('c')]
  for (let i = 0; i < 12; i++) {
    const peer = random.pick(peers)
    await peer.say(`${i} by ${peers.indexOf(peer)}`)
    if (random.float() < 0.3) await exchange(random.pick(peers), random.pick(peers))
    if (i === 6) peers.push(await cloneOf(random.pick(peers)))
  }
  const bad = await forge({ text: 'bad!' })
  const upon = await forge({ seq: 2, prev: bad.id })
  const envelopes = (await Promise.all(peers.map(envelopesOf))).flat()
  return { peers, envelopes: [...envelopes, bad.bytes, upon.bytes] }
}

function cloneOf(peer: Peer): Promise<Peer> {
  return openPeer(peer.authority.device === 'a' ? 'a' : 'clone', {
    store: createMemoryLogStore(peer.store.snapshot()),
    secrets: memorySecrets(peer.secrets.seed),
    authority: peer.authority,
    seed: 'clone',
  })
}

describe(`replicas (seed ${seed})`, () => {
  test('converge however commits are shuffled, repeated and cut into deliveries', {
    timeout: 120_000,
  }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer(), async (run) => {
        const random = createSeededRandom(run)
        const { peers, envelopes } = await history(random)
        const replicas = [...peers.slice(0, 1), await openPeer('x'), await openPeer('y')]
        for (const replica of replicas) {
          const order = shuffled([...envelopes, ...envelopes.slice(0, 5)], random)
          for (let i = 0; i < order.length; ) {
            const next = i + 1 + random.integer(8)
            await replica.log.receive(order.slice(i, next))
            i = next
          }
        }
        const [first, ...rest] = replicas as [Peer, ...Peer[]]
        for (const other of rest) {
          expect(await other.state()).toEqual(await first.state())
          expect(other.log.heads()).toEqual(first.log.heads())
          expect([...other.log.summary()].sort()).toEqual([...first.log.summary()].sort())
        }
        expect(Object.keys(await first.state())).toHaveLength(12)
        const rebuilt = await first.restart({ db: memoryDb() })
        expect(await rebuilt.state()).toEqual(await first.state())
        expect([...rebuilt.log.summary()].sort()).toEqual([...first.log.summary()].sort())
      }),
      { seed, numRuns: 6 },
    )
  })
})

/** A disk that dies at the n-th write of either kind; what was written before stays. */
function failingDisk(store: MemoryLogStore, db: KeyValue, dieAt: number) {
  let writes = 0
  const count = () => {
    if (++writes >= dieAt) throw new PeerfoldError('IO_FAILED', 'the power is gone')
  }
  const failing: MemoryLogStore = Object.create(store, {
    append: {
      value: async (records: Uint8Array[]) => {
        const torn = writes + 1 === dieAt && records.length > 1
        if (torn) await store.append(records.slice(0, records.length >> 1))
        count()
        return store.append(records)
      },
    },
  })
  const failingDb: KeyValue = new Proxy(db, {
    get: (target, property) => {
      const value = Reflect.get(target, property) as unknown
      if (property === 'batch' || property === 'clear') {
        return async (...args: unknown[]) => {
          count()
          return (value as (...args: unknown[]) => unknown).apply(target, args)
        }
      }
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  return { store: failing, db: failingDb, survived: () => writes < dieAt }
}

describe('a crash at any write', () => {
  test('leaves a home that opens, has what was acknowledged, and converges', {
    timeout: 120_000,
  }, async () => {
    const other = await openPeer('other')
    const clone = await openPeer('mine', { seed: 'mine' })
    await clone.say('one')
    for (const text of ['a', 'b', 'c']) await other.say(text)
    for (let dieAt = 1, survived = false; !survived; dieAt++) {
      const store = createMemoryLogStore()
      const db = memoryDb()
      const secrets = memorySecrets()
      const disk = failingDisk(store, db, dieAt)
      const acknowledged: string[] = []
      try {
        const peer = await openPeer('mine', { store: disk.store, db: disk.db, secrets })
        acknowledged.push((await peer.say('one, too')).id)
        acknowledged.push(...(await peer.log.receive(await envelopesOf(other))).applied)
        acknowledged.push(...(await peer.log.receive(await envelopesOf(clone))).applied)
        acknowledged.push((await peer.say('two')).id)
      } catch (error) {
        if (!isPeerfoldError(error, 'IO_FAILED') && !isPeerfoldError(error, 'INDEX_CORRUPT')) throw error
      }
      survived = disk.survived()
      const reopened = await openPeer('mine', { store, db, secrets, seed: `after ${dieAt}` })
      for (const id of acknowledged) expect(await reopened.log.has(id), `write ${dieAt}`).toBe(true)
      await reopened.say('life goes on')
      await exchange(reopened, other, clone)
      expect(await reopened.state()).toEqual(await other.state())
      const rebuilt = await reopened.restart({ db: memoryDb() })
      expect(await rebuilt.state()).toEqual(await other.state())
      expect(rebuilt.log.heads()).toEqual(other.log.heads())
    }
  })

  test('stops the log that saw it, with a reason; nothing of the commit shows', async () => {
    const peer = await openPeer('a')
    await peer.say('before')
    peer.consumer.failNext = new PeerfoldError('IO_FAILED', 'disk')
    await expect(peer.say('during')).rejects.toMatchObject({ code: 'IO_FAILED' })
    await expect(peer.say('after')).rejects.toMatchObject({ code: 'INDEX_CORRUPT' })
    const again = await peer.restart()
    expect(Object.values(await again.state())).toEqual(['before', 'during'])
  })

  test('an index that is found damaged while in use is rebuilt at the next opening', async () => {
    const peer = await openPeer('a')
    const first = await peer.say('one')
    for (let i = 0; i < 3; i++) await peer.say('more')
    const again = await peer.restart()
    await again.db.put(`log/c/${first.id}`, Uint8Array.of(1, 2, 3))
    const summary = new Map([[first.feed, { seq: 1, id: first.id }]])
    await expect(again.log.missing(summary)[Symbol.asyncIterator]().next()).rejects.toMatchObject({
      code: 'INDEX_CORRUPT',
    })
    const healed = await again.restart()
    expect(healed.consumer.resets).toBe(1)
    expect(await healed.state()).toEqual(await peer.state())
    await healed.say('life goes on')
  })

  test('rebuilds an index that is from the future, from another log, or damaged', async () => {
    const peer = await openPeer('a')
    await peer.say('one')
    const older = peer.store.snapshot()
    await peer.say('two')
    const restored = await peer.restart({ store: createMemoryLogStore(older) })
    expect(restored.consumer.resets).toBe(1)
    expect(Object.values(await restored.state())).toEqual(['one'])
    const other = await openPeer('b')
    await other.say('of another log')
    await other.say('of another log')
    const mixed = await restored.restart({ store: createMemoryLogStore(other.store.snapshot()) })
    expect(Object.values(await mixed.state())).toEqual(['of another log', 'of another log'])
    await mixed.db.put('log/state', Uint8Array.of(1, 2, 3))
    expect((await mixed.restart()).consumer.resets).toBe(1)
  })
})
