import { isPeerfoldError, type LogStore } from '@peerfold/core'
import { logStoreSuite } from '@peerfold/core/testing'
import { describe, expect, test } from 'vitest'
import { openLogStore } from '../../src/stores/log-store.js'
import { openLevel } from '../../src/stores/open-level.js'
import { freshName } from './fresh-name.js'
import { changeStored } from './raw-database.js'

const record = (text: string) => new TextEncoder().encode(text)
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

async function readAll(log: LogStore, from?: number): Promise<string[]> {
  const all: string[] = []
  for await (const { bytes } of log.read(from)) all.push(text(bytes))
  return all
}

/** Changes the database behind a closed log's back. */
async function tamper(name: string, work: (level: Awaited<ReturnType<typeof openLevel>>) => Promise<void>) {
  const level = await openLevel(name)
  await work(level)
  await level.close()
}

const keyOf = (position: number) => `r${String(position).padStart(16, '0')}`

describe('a log in IndexedDB', () => {
  logStoreSuite({ describe, test }, async () => {
    const name = freshName()
    return { store: await openLogStore(name), reopen: () => openLogStore(name) }
  })

  test('goes on where it ended, also when all of it was truncated', async () => {
    const name = freshName()
    const first = await openLogStore(name)
    const positions = await first.append(['a', 'b', 'c'].map(record))
    await first.truncate(first.end)
    await first.close()
    const second = await openLogStore(name)
    expect(second.start).toBe(second.end)
    const [next] = await second.append([record('d')])
    expect(next).toBeGreaterThan(positions.at(-1)!)
    expect(await readAll(second)).toEqual(['d'])
    await second.close()
  })

  test('says where it is damaged, and goes on behind it', async () => {
    const name = freshName()
    const first = await openLogStore(name)
    const positions = await first.append(['a', 'b', 'c'].map(record))
    await first.close()
    await tamper(name, async (level) => {
      const value = (await level.get(keyOf(positions[1]!)))!
      value[value.length - 1]! ^= 1
      await level.put(keyOf(positions[1]!), value)
    })
    const log = await openLogStore(name)
    const error: any = await readAll(log).catch((e: unknown) => e)
    expect(isPeerfoldError(error, 'LOG_CORRUPT')).toBe(true)
    expect(error.details.position).toBe(positions[1])
    expect(await readAll(log, error.details.next)).toEqual(['c'])
    await log.close()
  })

  test('notices a record that is missing, and one in the place of another', async () => {
    const name = freshName()
    const first = await openLogStore(name)
    const [a, b, c] = (await first.append(['a', 'b', 'c'].map(record))) as [number, number, number]
    await first.close()
    await tamper(name, async (level) => {
      await level.put(keyOf(b), (await level.get(keyOf(c)))!)
      await level.del(keyOf(a))
    })
    const log = await openLogStore(name)
    for (const position of [a, b]) {
      const error: unknown = await log.get(position).catch((e: unknown) => e)
      expect(isPeerfoldError(error, 'LOG_CORRUPT')).toBe(true)
    }
    expect(text((await log.get(c)).bytes)).toBe('c')
    await log.close()
  })

  test('finishes a truncation that a crash cut short', async () => {
    const name = freshName()
    const first = await openLogStore(name)
    const positions = await first.append(['a', 'b', 'c'].map(record))
    await first.close()
    await tamper(name, (level) => level.put('start', record(String(positions[2]))))
    const log = await openLogStore(name)
    expect(await readAll(log)).toEqual(['c'])
    await log.close()
    await tamper(name, async (level) =>
      expect(await level.keys({ gte: 'r', lt: 's' }).all()).toEqual([keyOf(positions[2]!)]),
    )
  })

  test('keeps the order of appends that were not awaited', async () => {
    const log = await openLogStore(freshName())
    const positions = await Promise.all(['a', 'b', 'c'].map((name) => log.append([record(name)])))
    expect(positions.flat()).toEqual([...positions.flat()].sort((x, y) => x - y))
    expect(await readAll(log)).toEqual(['a', 'b', 'c'])
    await log.close()
  })

  test('stores what a buffer held when it was given', async () => {
    const log = await openLogStore(freshName())
    const buffer = record('before')
    const appended = log.append([buffer])
    buffer.fill(0)
    await appended
    expect(await readAll(log)).toEqual(['before'])
    await log.close()
  })
})

describe('a log that another tab has taken over', () => {
  /** As the later owner leaves it. */
  const takeOver = (name: string, token: bigint) =>
    changeStored(name, 'fence', () => {
      const fence = new Uint8Array(8)
      new DataView(fence.buffer).setBigUint64(0, token)
      return fence
    })

  test('takes nothing more from the earlier owner', async () => {
    const name = freshName()
    const log = await openLogStore(name, { token: 1 })
    await log.append([record('before')])
    await takeOver(name, 2n)
    const error: unknown = await log.append([record('after')]).catch((e: unknown) => e)
    expect(isPeerfoldError(error) && error.code).toBe('HOME_LOCKED')
    await log.close()
    const later = await openLogStore(name, { token: 3 })
    expect(await readAll(later)).toEqual(['before'])
    await later.close()
  })

  test('does not open for an earlier owner', async () => {
    const name = freshName()
    await (await openLogStore(name, { token: 5 })).close()
    const error: unknown = await openLogStore(name, { token: 4 }).catch((e: unknown) => e)
    expect(isPeerfoldError(error) && error.code).toBe('HOME_LOCKED')
    await (await openLogStore(name, { token: 5 })).close()
  })
})
