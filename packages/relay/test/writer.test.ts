import { join } from 'node:path'
import { isPeerfoldError, type LogStore, PeerfoldError } from '@peerfold/core'
import { createManualClock } from '@peerfold/core/testing'
import { describe, expect, it } from 'vitest'
import { openKeyValue } from '../../node/src/stores/key-value.js'
import { openFileLogStore } from '../../node/src/stores/log-store/index.js'
import { createCounters } from '../src/counters.js'
import { Health } from '../src/health.js'
import { DEFAULT_RELAY_LIMITS } from '../src/index.js'
import { decodeEntry, encodeEntry, type LogEntry } from '../src/mailbox/records.js'
import { readMailbox } from '../src/mailbox/reduce.js'
import { Rows } from '../src/mailbox/stage.js'
import { Writer } from '../src/mailbox/writer.js'
import { randomId, TestFeed } from './commits.js'
import { relayFixture } from './fixture.js'

const fixture = relayFixture()
const silent = { info: () => {}, warn: () => {}, error: () => {} }
const PEER = '12D3KooWNP1YUA7pEUsm3PGT6LYBLPp6ymZ7zCFWnXxcRx3wcY9m'

/** A writer over a log whose appends a test may delay or fail. */
async function writerOver(append?: (log: LogStore, records: readonly Uint8Array[]) => Promise<number[]>) {
  const directory = await fixture.directory()
  const log = await openFileLogStore(join(directory, 'log'))
  fixture.cleanUp(() => log.close())
  const failing: LogStore = Object.create(log, {
    append: {
      value: (records: readonly Uint8Array[]) =>
        append === undefined ? log.append(records) : append(log, records),
    },
    end: { get: () => log.end },
    start: { get: () => log.start },
  })
  const db = await openKeyValue(join(directory, 'index'))
  fixture.cleanUp(() => db.close())
  const clock = createManualClock()
  const health = new Health({ directory, clock, log: silent, watermarks: DEFAULT_RELAY_LIMITS })
  await health.start()
  fixture.cleanUp(() => health.close())
  const told: Array<[string, number]> = []
  const rows = new Rows({ db, onDamage: () => {} })
  const counters = createCounters()
  const onChange = (handle: string, { next }: { next: number }) => told.push([handle, next])
  const writer = new Writer({ log: failing, rows, health, counters, onChange })
  return { writer, rows, health, counters, told, clock, directory, log }
}

const cost = { commits: 1, bytes: 400 }

describe('the queue', () => {
  it('writes what comes meanwhile as one append, and acknowledges only what is durable', async () => {
    const appends: number[] = []
    let release = () => {}
    const { writer, rows, told } = await writerOver(async (log, records) => {
      appends.push(records.length)
      await new Promise<void>((resolve) => {
        release = resolve
      })
      return log.append(records)
    })
    const handle = randomId()
    let acknowledged = 0
    const pushes = Array.from({ length: 200 }, () =>
      writer
        .submit(cost, async (draft) => {
          await draft.append({ type: 'mailbox', handle, incarnation: 'ab'.repeat(16) })
          draft.changed(handle, { next: 1, bytes: 0 })
        })
        .then(() => acknowledged++),
    )
    const settled = Promise.all(pushes)
    while (appends.length < 1) await new Promise(setImmediate)
    expect(acknowledged).toBe(0)
    expect(await readMailbox(rows, handle)).toBeUndefined()
    expect(told).toEqual([])
    while (acknowledged < 200) {
      release()
      await new Promise(setImmediate)
    }
    await settled
    expect(appends.reduce((sum, count) => sum + count, 0)).toBe(200)
    expect(Math.max(...appends)).toBe(128)
    expect(appends.length).toBe(2)
    expect(await readMailbox(rows, handle)).toBeDefined()
  })

  it('a job that throws leaves nothing, and does not keep the others of its group', async () => {
    const { writer, rows } = await writerOver()
    const [sound, broken] = [randomId(), randomId()]
    const outcomes = await Promise.allSettled([
      writer.submit(cost, (draft) =>
        draft.append({ type: 'mailbox', handle: sound, incarnation: 'ab'.repeat(16) }),
      ),
      writer.submit(cost, async (draft) => {
        await draft.append({ type: 'mailbox', handle: broken, incarnation: 'ab'.repeat(16) })
        throw new PeerfoldError('COMMIT_HELD', 'it misses something')
      }),
    ])
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
    expect(await readMailbox(rows, sound)).toBeDefined()
    expect(await readMailbox(rows, broken)).toBeUndefined()
  })

  it('after a failed sync nothing is ever acknowledged again; what is there can be read', async () => {
    let fail = false
    const { writer, rows, health, told } = await writerOver(async (log, records) => {
      if (fail) throw new PeerfoldError('IO_FAILED', 'the disk failed to keep the log')
      return log.append(records)
    })
    const [before, after] = [randomId(), randomId()]
    const begin = (handle: string) =>
      writer.submit(cost, (draft) => draft.append({ type: 'mailbox', handle, incarnation: 'ab'.repeat(16) }))
    await begin(before)
    fail = true
    await expect(begin(after)).rejects.toMatchObject({ code: 'IO_FAILED' })
    fail = false
    await expect(begin(after)).rejects.toMatchObject({ code: 'IO_FAILED' })
    expect(() => health.checkWritable()).toThrow('read-only')
    expect(await readMailbox(rows, before)).toBeDefined()
    expect(await readMailbox(rows, after)).toBeUndefined()
    expect(told).toEqual([])
  })

  it('a full disk is told as such, and is over when there is room for the reserve again', async () => {
    let full = true
    const { writer, health, clock } = await writerOver(async (log, records) => {
      if (full) throw new PeerfoldError('STORE_FULL', 'no room')
      return log.append(records)
    })
    const handle = randomId()
    const begin = () =>
      writer.submit(cost, async (draft) => {
        health.checkWritable()
        await draft.append({ type: 'mailbox', handle, incarnation: 'ab'.repeat(16) })
      })
    await expect(begin()).rejects.toMatchObject({ code: 'STORE_FULL' })
    await expect(begin()).rejects.toMatchObject({ code: 'STORE_FULL' })
    full = false
    while (health.failure !== undefined) {
      await clock.step()
      await new Promise(setImmediate)
    }
    await begin()
  })

  it('a queue that is full answers BUSY, with a time', async () => {
    const { writer } = await writerOver((log, records) => log.append(records))
    const jobs = Array.from({ length: 8300 }, () => writer.submit(cost, async () => {}))
    const refused = (await Promise.allSettled(jobs)).filter((each) => each.status === 'rejected')
    expect(refused.length).toBeGreaterThan(0)
    for (const { reason } of refused as PromiseRejectedResult[]) {
      expect(isPeerfoldError(reason, 'BUSY')).toBe(true)
      expect(reason.details.retryAfter).toBeGreaterThan(0)
    }
  })

  it('closes after what waits, and takes nothing more', async () => {
    const { writer, rows } = await writerOver()
    const handle = randomId()
    const pushed = writer.submit(cost, (draft) =>
      draft.append({ type: 'mailbox', handle, incarnation: 'ab'.repeat(16) }),
    )
    await writer.close()
    await pushed
    expect(await readMailbox(rows, handle)).toBeDefined()
    await expect(writer.submit(cost, async () => {})).rejects.toMatchObject({ code: 'CLOSED' })
  })
})

describe('records of the log (§10.9)', () => {
  const handle = 'ab'.repeat(32)
  const bytes = (length: number) => new Uint8Array(length).fill(3)

  it('are read as they were written', async () => {
    const { bytes: envelope } = await new TestFeed(handle).next()
    const registration = { handle, epoch: handle, pull: bytes(32), push: bytes(32), control: bytes(32) }
    const entries: LogEntry[] = [
      { type: 'mailbox', handle, incarnation: 'cd'.repeat(16) },
      {
        type: 'epoch',
        registration: { ...registration, previous: undefined, rotation: handle },
        signature: bytes(64),
      },
      { type: 'commit', handle, sender: PEER, envelope },
      { type: 'kept', handle, sender: PEER },
      { type: 'lease', handle, sender: PEER, until: 5, blocks: [{ digest: handle, bytes: 10 }] },
      { type: 'dropped', handle, digests: [handle] },
    ]
    for (const entry of entries) expect(decodeEntry(encodeEntry(entry))).toEqual(entry)
  })

  it('anything else is refused', async () => {
    const { encodeCbor } = await import('@peerfold/core/relay')
    const wrong = [
      {},
      [],
      ['other', bytes(32)],
      ['toString'],
      ['mailbox', bytes(32)],
      ['mailbox', bytes(31), bytes(16)],
      ['kept', bytes(32), 'nobody'],
      ['commit', bytes(32), PEER, 'text'],
      ['lease', bytes(32), PEER, -1, []],
      ['lease', bytes(32), PEER, 1, [[bytes(32)]]],
      ['dropped', bytes(32), bytes(32)],
    ]
    for (const record of wrong) {
      expect(() => decodeEntry(encodeCbor(record))).toThrow(expect.objectContaining({ code: 'LOG_CORRUPT' }))
    }
    expect(() => decodeEntry(new Uint8Array([0xff]))).toThrow(
      expect.objectContaining({ code: 'LOG_CORRUPT' }),
    )
  })
})
