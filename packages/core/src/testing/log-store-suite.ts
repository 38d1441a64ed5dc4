import { isPeerfoldError } from '../errors.js'
import type { LogPosition, LogStore } from '../ports/log-store.js'
import { assertAborts, assertCode, assertEqual, assertTrue, collect } from './assert.js'
import type { SuiteRunner } from './runner.js'

export interface LogStoreFixture {
  store: LogStore
  /** Closes the store and opens another on what it kept. Omit where nothing outlives the process. */
  reopen?: () => Promise<LogStore>
}

/** What every `LogStore` must do. `create` gives an empty store; the suite closes it. */
export function logStoreSuite({ describe, test }: SuiteRunner, create: () => Promise<LogStoreFixture>): void {
  const withStore =
    (body: (store: LogStore, reopen: () => Promise<LogStore>) => Promise<void>) => async () => {
      const { store, reopen } = await create()
      let current = store
      const again = async () => {
        await current.close()
        current = reopen === undefined ? store : await reopen()
        return current
      }
      try {
        await body(store, reopen === undefined ? async () => store : again)
      } finally {
        await current.close()
      }
    }

  describe('LogStore', () => {
    test(
      'gives each record a position and reads it back',
      withStore(async (store) => {
        const positions = await store.append([bytes(1), bytes(0), bytes(300)])
        assertEqual(positions[0] as number, store.start, 'the first record lies at the start')
        assertTrue(isAscending([...positions, store.end]), 'positions grow')
        const middle = await store.get(positions[1] as LogPosition)
        assertEqual(middle, { position: positions[1], next: positions[2], bytes: bytes(0) } as typeof middle)
        const last = await store.get(positions[2] as LogPosition)
        assertEqual(last.next, store.end)
        assertEqual(last.bytes, bytes(300))
      }),
    )
    test(
      'reads from any record to the end',
      withStore(async (store) => {
        const positions = await append(store, 20)
        const all = await collect(store.read())
        assertEqual(
          all.map(({ position }) => position),
          positions,
        )
        const some = await collect(store.read(positions[7] as LogPosition))
        assertEqual(
          some.map(({ bytes }) => bytes),
          Array.from({ length: 13 }, (_, i) => bytes(i + 7)),
        )
        assertEqual(await collect(store.read(store.end)), [])
      }),
    )
    test(
      'is empty at first, and an append of nothing changes nothing',
      withStore(async (store) => {
        assertEqual(await store.append([]), [])
        assertEqual(store.start, store.end)
        assertEqual(await collect(store.read()), [])
      }),
    )
    test(
      'reads to the end as it was when reading began',
      withStore(async (store) => {
        await append(store, 3)
        const seen: number[] = []
        for await (const { bytes } of store.read()) {
          seen.push(bytes.length)
          if (seen.length < 10) await store.append([bytes])
        }
        assertEqual(seen, [0, 1, 2])
      }),
    )
    test(
      'keeps concurrent appends whole and apart',
      withStore(async (store) => {
        const appends = Array.from({ length: 50 }, (_, i) => store.append([bytes(i), bytes(i + 100)]))
        const positions = await Promise.all(appends)
        for (const [i, [first, second]] of (positions as [number, number][]).entries()) {
          const record = await store.get(first)
          assertEqual(record.bytes, bytes(i))
          assertEqual(record.next, second, 'records of one append lie side by side')
          assertEqual((await store.get(second)).bytes, bytes(i + 100))
        }
        assertEqual((await collect(store.read())).length, 100)
      }),
    )
    test(
      'does not share memory with its callers',
      withStore(async (store) => {
        const record = bytes(4)
        const [position] = (await store.append([record])) as [number]
        record.fill(0xff)
        const read = await store.get(position)
        assertEqual(read.bytes, bytes(4))
        read.bytes.fill(0xff)
        assertEqual((await store.get(position)).bytes, bytes(4))
      }),
    )
    test(
      'says where no record starts',
      withStore(async (store) => {
        const positions = await append(store, 5)
        await assertCode(store.get(store.end), 'LOG_POSITION_INVALID')
        await assertCode(store.get(-1), 'LOG_POSITION_INVALID')
        const between = (positions[3] as number) + 1
        if (between !== positions[4]) {
          await assertCode(store.get(between), 'LOG_POSITION_INVALID')
          await assertCode(collect(store.read(between)), 'LOG_POSITION_INVALID')
        }
        await assertCode(collect(store.read(store.end + 1)), 'LOG_POSITION_INVALID')
      }),
    )
    test(
      'forgets at most what lies before a truncation',
      withStore(async (store) => {
        const positions = await append(store, 40)
        const kept = positions[30] as LogPosition
        await store.truncate(kept)
        assertTrue(store.start <= kept, 'what was kept is still there')
        const rest = await collect(store.read())
        assertEqual(rest.at(-1)?.position, positions[39])
        assertEqual((await store.get(kept)).bytes, bytes(30))
        assertEqual(
          (await collect(store.read(kept))).map(({ position }) => position),
          positions.slice(30),
        )
        await assertCode(store.truncate(store.end + 1), 'LOG_POSITION_INVALID')
      }),
    )
    test(
      'still has everything, at the same positions, when it is opened again',
      withStore(async (store, reopen) => {
        const positions = await append(store, 40)
        const end = store.end
        const again = await reopen()
        assertEqual(again.end, end)
        assertEqual(
          (await collect(again.read())).map(({ position }) => position),
          positions,
        )
        assertEqual((await again.append([bytes(9)]))[0], end)
      }),
    )
    test(
      'obeys an abort signal',
      withStore(async (store) => {
        const [position] = (await store.append([bytes(1)])) as [number]
        await assertAborts((signal) => store.append([bytes(2)], { signal }))
        await assertAborts((signal) => store.get(position, { signal }))
        await assertAborts((signal) => collect(store.read(position, { signal })))
        await assertAborts((signal) => store.truncate(position, { signal }))
        assertEqual((await collect(store.read())).length, 1)
      }),
    )
    test(
      'is closed once and for all',
      withStore(async (store) => {
        const [position] = (await store.append([bytes(1)])) as [number]
        await Promise.all([store.close(), store.close()])
        await store.close()
        await assertCode(store.append([bytes(1)]), 'CLOSED')
        await assertCode(store.get(position), 'CLOSED')
        await assertCode(collect(store.read()), 'CLOSED')
      }),
    )
  })
}

/** Records that survive damage: what reading gives, and which positions it reports as damaged. */
export async function readThroughDamage(
  store: LogStore,
): Promise<{ records: Uint8Array[]; damaged: LogPosition[] }> {
  const records: Uint8Array[] = []
  const damaged: LogPosition[] = []
  for (let at = store.start; at < store.end; ) {
    try {
      for await (const record of store.read(at)) {
        records.push(record.bytes)
        at = record.next
      }
    } catch (error) {
      if (!isPeerfoldError(error, 'LOG_CORRUPT')) throw error
      damaged.push(error.details.position as number)
      at = error.details.next as number
    }
  }
  return { records, damaged }
}

function bytes(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 7 + length) & 0xff)
}

async function append(store: LogStore, count: number): Promise<LogPosition[]> {
  const positions: LogPosition[] = []
  for (let i = 0; i < count; i++) positions.push(...(await store.append([bytes(i)])))
  return positions
}

function isAscending(numbers: readonly number[]): boolean {
  return numbers.every((number, i) => i === 0 || (numbers[i - 1] as number) < number)
}
