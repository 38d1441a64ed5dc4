import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { PeerfoldError } from '../../src/errors.js'
import { createManualClock, type ManualClock } from '../../src/testing/manual-clock.js'
import { asLog, createFakeLog, type FakeLog } from './fake-log.js'
import {
  advanceUntil,
  commitsSent,
  connect,
  createWorld,
  HANDLE,
  type TestPeer,
  tally,
  type World,
} from './world.js'

const OTHER = '22'.repeat(32)
const SOON = 200

let clock: ManualClock
let world: World
beforeEach(() => {
  clock = createManualClock()
  world = createWorld(clock, { seed: 7 })
})
afterEach(() => world.close())

async function started(name: string, handle = HANDLE): Promise<TestPeer & { log: FakeLog }> {
  const peer = world.peer()
  const log = createFakeLog(name)
  peer.sync.attach(handle, asLog(log))
  await peer.sync.start()
  return { ...peer, log }
}

const reach = (what: string, condition: () => boolean, ms = SOON) => advanceUntil(clock, what, condition, ms)
const fill = async (log: FakeLog, count: number, size = 0) => {
  for (let i = 0; i < count; i++) await log.commit(new Uint8Array(size).fill(i))
}
const equal = (...logs: FakeLog[]) =>
  logs.every((log) => log.disk.size === logs[0]?.disk.size && log.heads().join() === logs[0]?.heads().join())

describe('two devices that meet', () => {
  test('exchange what the other lacks, in one session, whoever dialled', async () => {
    const [a, b] = [await started('a'), await started('b')]
    await fill(a.log, 50)
    await fill(b.log, 30)
    await connect(a, b)
    await reach('equal logs', () => equal(a.log, b.log) && a.log.disk.size === 80)
    expect(a.sync.peers().map(({ peer }) => peer)).toEqual([b.network.peer])
    expect(b.sync.peers().map(({ peer }) => peer)).toEqual([a.network.peer])
    expect(commitsSent(a)).toBe(50)
    expect(commitsSent(b)).toBe(30)
  })

  test('send no commits when they have the same', async () => {
    const [a, b] = [await started('a'), await started('b')]
    await fill(a.log, 5)
    for (const [id, entry] of a.log.disk) b.log.disk.set(id, entry)
    await connect(a, b)
    await reach('reports', () => a.sync.progress(HANDLE).get(b.network.peer)?.summary.size === 1)
    await clock.advance(5000)
    expect([tally(a).want, tally(b).want, tally(a).commits, tally(b).commits]).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ])
  })

  test('a new commit is one message away: it leaves at once, without being asked for', async () => {
    const [a, b] = [await started('a'), await started('b')]
    await connect(a, b)
    await reach('reports', () => a.sync.progress(HANDLE).get(b.network.peer)?.summary !== undefined)
    await clock.advance(1000)
    a.sent.length = 0
    b.sent.length = 0
    await a.log.commit('live')
    await reach('arrival', () => b.log.disk.size === 1, 0)
    await clock.advance(1000)
    expect(a.sent.map(({ message }) => message.type)).toEqual(['commits'])
    expect(b.sent.map(({ message }) => message.type)).toEqual(['ack'])
  })

  test('commits made faster than they travel go in batches', async () => {
    const [a, b] = [await started('a'), await started('b')]
    await connect(a, b)
    await reach('reports', () => a.sync.progress(HANDLE).has(b.network.peer))
    await clock.advance(1000)
    const before = commitsSent(a)
    await Promise.all(Array.from({ length: 200 }, (_, i) => a.log.commit(`burst ${i}`)))
    await reach('arrival', () => equal(a.log, b.log))
    expect(commitsSent(a) - before).toBe(200)
    expect(tally(a).commits).toBeLessThan(20)
  })

  test('after a cut they go on where they stopped', async () => {
    await world.close()
    world = createWorld(clock, { seed: 8, bandwidth: 4_000_000, latency: { least: 5, jitter: 5 } })
    const [a, b] = [await started('a'), await started('b')]
    await fill(a.log, 400, 20_000)
    const dial = connect(a, b)
    await reach('the middle', () => b.log.disk.size > 50, 5000)
    await dial
    const here = b.log.disk.size
    expect(here).toBeLessThan(400)
    world.hub.cut(a.network.peer, b.network.peer)
    const redial = connect(a, b)
    await reach('equal logs', () => equal(a.log, b.log), 10_000)
    await redial
    // what was under way at the cut may travel twice: at most the credit
    expect(commitsSent(a)).toBeLessThan(400 + (2 * 1024 * 1024) / 20_000 + 30)
  })

  test('the summary tells forks and re-keyed feeds: a feed that vanished is forgotten', async () => {
    const [a, b] = [await started('a'), await started('b')]
    await fill(a.log, 3)
    await connect(a, b)
    await reach('equal logs', () => equal(a.log, b.log))
    const progress = () => [...(b.sync.progress(HANDLE).get(a.network.peer)?.summary.keys() ?? [])]
    expect(progress()).toEqual([a.log.feed])
    const renamed = 'ff'.repeat(32)
    for (const entry of a.log.disk.values()) entry.feed = renamed
    a.sync.setBlocksComplete(HANDLE, true)
    await reach('the new feed alone', () => progress().join() === renamed)
  })
})

describe('several devices', () => {
  test('commits go round by way of a device between two that do not meet', async () => {
    const [a, b, c] = [await started('a'), await started('b'), await started('c')]
    await connect(a, b)
    await connect(b, c)
    await reach('sessions', () => b.sync.peers().length === 2)
    await a.log.commit('from a')
    await c.log.commit('from c')
    await reach('equal logs', () => equal(a.log, b.log, c.log) && a.log.disk.size === 2)
  })

  test('a commit comes once, although every peer has it to give', async () => {
    const peers = [await started('a'), await started('b'), await started('c'), await started('d')]
    for (const [i, peer] of peers.entries()) for (const other of peers.slice(0, i)) await connect(peer, other)
    await reach('all meet', () => peers.every(({ sync }) => sync.peers().length === 3))
    await clock.advance(1000)
    for (const peer of peers) peer.sent.length = 0
    await peers[0]?.log.commit('one')
    await reach('equal logs', () => equal(...peers.map(({ log }) => log)))
    await clock.advance(5000)
    expect(peers.reduce((sum, peer) => sum + commitsSent(peer), 0)).toBe(3)
  })

  test('a new device fetches the log from one peer, not from all', async () => {
    const [a, b, c] = [await started('a'), await started('b'), await started('c')]
    await fill(a.log, 300, 10_000)
    await connect(a, b)
    await reach('equal logs', () => equal(a.log, b.log))
    const before = commitsSent(a) + commitsSent(b)
    await connect(c, a)
    await connect(c, b)
    await reach('equal logs', () => equal(a.log, c.log))
    expect(commitsSent(a) + commitsSent(b) - before).toBe(300)
  })

  test('when the one that was asked is silent, another is asked', async () => {
    const [a, b, c] = [await started('a'), await started('b'), await started('c')]
    await fill(a.log, 10)
    await connect(a, b)
    await reach('equal logs', () => equal(a.log, b.log))
    // a stops answering wants
    a.log.missing = async function* () {
      await new Promise(() => {})
      yield { id: '', envelope: new Uint8Array() }
    }
    await connect(c, a)
    await reach('c asks a', () => tally(c).want === 1)
    await connect(c, b)
    await reach('equal logs', () => equal(b.log, c.log), 15_000)
    expect(tally(c).want).toBe(2)
  })

  test('a peer that does not take what it is sent does not hold up the others', async () => {
    const [a, b, slow] = [await started('a'), await started('b'), await started('slow')]
    await connect(a, b)
    await connect(a, slow)
    await reach('sessions', () => a.sync.peers().length === 2)
    slow.log.state.gate = new Promise(() => {})
    await fill(a.log, 1000, 10_000)
    await reach('b has all', () => b.log.disk.size === 1000, 5000)
    expect(slow.log.disk.size).toBe(0)
    const toSlow = a.sent.filter(({ to, message }) => to === slow.network.peer && message.type === 'commits')
    expect(toSlow.reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThan(2.1 * 1024 * 1024)
  })
})

describe('many workspaces', () => {
  test('share one session; only those that both have are exchanged', async () => {
    world.registry.handles.add(OTHER)
    const [a, b] = [await started('a'), await started('b')]
    const [otherA, otherB] = [createFakeLog('oa'), createFakeLog('ob')]
    await fill(otherA, 10)
    a.sync.attach(OTHER, asLog(otherA))
    await connect(a, b)
    await reach('sessions', () => b.sync.peers().length === 1)
    await clock.advance(1000)
    expect(b.sync.progress(OTHER).size).toBe(0)
    b.sync.attach(OTHER, asLog(otherB))
    await reach('the other workspace too', () => equal(otherA, otherB))
    expect(tally(a).hello).toBe(1)
  })

  test('a detached workspace stops, an attached one starts again', async () => {
    const [a, b] = [await started('a'), await started('b')]
    await connect(a, b)
    await a.log.commit('1')
    await reach('equal', () => equal(a.log, b.log))
    b.sync.detach(HANDLE)
    await clock.advance(100)
    await a.log.commit('2')
    await clock.advance(100)
    expect(b.log.disk.size).toBe(1)
    expect(a.sync.peers()).toHaveLength(1)
    b.sync.attach(HANDLE, asLog(b.log))
    await reach('equal', () => equal(a.log, b.log))
    await b.log.commit('3')
    await reach('equal', () => equal(a.log, b.log))
  })

  test('attached anew in one go (a log that was opened again) it is exchanged anew', async () => {
    const [a, b] = [await started('a'), await started('b')]
    await fill(a.log, 3)
    await connect(a, b)
    await reach('equal', () => equal(a.log, b.log))
    const empty = createFakeLog('b')
    b.sync.attach(HANDLE, asLog(empty))
    await reach('equal', () => equal(a.log, empty))
    await empty.commit('again')
    await reach('equal', () => equal(a.log, empty))
  })

  test('credit is not lost with a workspace that was detached while commits came in', async () => {
    world.registry.handles.add(OTHER)
    const [a, b] = [await started('a'), await started('b')]
    const [otherA, otherB] = [createFakeLog('oa'), createFakeLog('ob')]
    a.sync.attach(OTHER, asLog(otherA))
    b.sync.attach(OTHER, asLog(otherB))
    let open = () => {}
    b.log.state.gate = new Promise((resolve) => {
      open = resolve
    })
    await fill(a.log, 300, 10_000)
    await connect(a, b)
    await reach('commits come in', () => b.log.state.receives > 0)
    b.sync.detach(HANDLE)
    open()
    await fill(otherA, 300, 10_000)
    await reach('the other goes on', () => equal(otherA, otherB))
  })
})

describe('commits that cannot be taken', () => {
  test('a disk that refuses is asked again later, and nothing is lost', async () => {
    const [a, b] = [await started('a'), await started('b')]
    b.log.state.fail = new PeerfoldError('STORE_FULL', 'full')
    await fill(a.log, 3)
    await connect(a, b)
    await reach('a first try', () => b.log.state.receives > 0)
    await clock.advance(1000)
    expect(b.log.state.receives).toBeLessThan(3)
    b.log.state.fail = undefined
    await reach('equal logs', () => equal(a.log, b.log), 60_000)
  })

  test('a commit refused for good is not asked for again and again', async () => {
    const [a, b] = [await started('a'), await started('b')]
    await fill(a.log, 3)
    const refuse: typeof b.log.receive = async (envelopes) => ({
      applied: [],
      known: [],
      held: [],
      rejected: envelopes.map(() => ({
        id: undefined,
        error: new PeerfoldError('COMMIT_INVALID', 'no'),
        blame: 'author' as const,
      })),
      quarantined: [],
      forked: false,
    })
    b.sync.detach(HANDLE)
    b.sync.attach(HANDLE, asLog({ ...b.log, receive: refuse }))
    await connect(a, b)
    await clock.advance(600_000)
    expect(commitsSent(a)).toBeLessThan(3 * 8)
    expect(b.sync.peers()).toHaveLength(1)
    expect(a.sync.progress(HANDLE).get(b.network.peer)?.rejected).toBeGreaterThan(0)
    const [before, wants] = [commitsSent(a), tally(b).want]
    await a.log.commit('one more')
    await clock.advance(1000)
    // pushed, and asked for once more: not the whole feed
    expect(commitsSent(a) - before).toBeLessThanOrEqual(2)
    expect((tally(b).want ?? 0) - (wants ?? 0)).toBeLessThanOrEqual(1)
  })
})

describe('acknowledged', () => {
  test('resolves when all connected peers have applied the commits and hold their blocks', async () => {
    const [a, b, c] = [await started('a'), await started('b'), await started('c')]
    await connect(a, b)
    await connect(a, c)
    await reach('sessions', () => a.sync.peers().length === 2)
    const commit = await a.log.commit('x')
    let done = false
    const barrier = a.sync.acknowledged(HANDLE, [commit.id]).then(() => {
      done = true
    })
    await reach('commits', () => equal(a.log, b.log, c.log))
    await clock.advance(1000)
    b.sync.setBlocksComplete(HANDLE, true)
    await clock.advance(1000)
    expect(done).toBe(false)
    c.sync.setBlocksComplete(HANDLE, true)
    await reach('the barrier', () => done)
    await barrier
  })

  test('a peer that leaves is waited for no longer; without peers it resolves at once', async () => {
    const [a, b] = [await started('a'), await started('b')]
    const commit = await a.log.commit('x')
    await a.sync.acknowledged(HANDLE, [commit.id])
    await connect(a, b)
    await reach('session', () => a.sync.peers().length === 1)
    const barrier = a.sync.acknowledged(HANDLE, [commit.id])
    await clock.advance(100)
    await b.network.close()
    await barrier
  })

  test('complete blocks are void as soon as another commit comes in', async () => {
    const [a, b] = [await started('a'), await started('b')]
    b.sync.setBlocksComplete(HANDLE, true)
    await connect(a, b)
    const at = () => a.sync.progress(HANDLE).get(b.network.peer)
    await reach('complete', () => at()?.blocksComplete === true)
    await a.log.commit('x')
    await reach('applied', () => at()?.summary.size === 1)
    expect(at()?.blocksComplete).toBe(false)
  })

  test('honours its signal, and names what is not there', async () => {
    const [a, b] = [await started('a'), await started('b')]
    await connect(a, b)
    await reach('session', () => a.sync.peers().length === 1)
    const commit = await a.log.commit('x')
    const controller = new AbortController()
    const barrier = a.sync.acknowledged(HANDLE, [commit.id], controller)
    controller.abort(new Error('enough'))
    await expect(barrier).rejects.toThrow('enough')
    await expect(a.sync.acknowledged(OTHER, [])).rejects.toMatchObject({ code: 'WORKSPACE_NOT_FOUND' })
    await expect(a.sync.acknowledged(HANDLE, ['00'.repeat(32)])).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })
})
