import { cp, mkdtemp, open, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SegmentFile, SegmentFiles } from '@peerfold/core/platform'
import { readThroughDamage } from '@peerfold/core/testing'
import { afterEach, describe, expect, test } from 'vitest'
import { openSegmentFiles } from '../../src/stores/log-store/files.js'
import { openFileLogStore } from '../../src/stores/log-store/index.js'

const directories: string[] = []

async function temporary(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'peerfold-crash-'))
  directories.push(directory)
  return directory
}

afterEach(async () => {
  for (const directory of directories.splice(0)) await rm(directory, { recursive: true, force: true })
})

const HEAD = 20
const record = (i: number) => new Uint8Array(10 + i).fill(i + 1)

/** A log with `count` records in one segment; where each begins. */
async function written(count: number, segmentBytes?: number) {
  const directory = await temporary()
  const store = await openFileLogStore(directory, segmentBytes === undefined ? {} : { segmentBytes })
  const positions: number[] = []
  for (let i = 0; i < count; i++) positions.push(...(await store.append([record(i)])))
  const end = store.end
  await store.close()
  const [name] = (await readdir(directory)).sort() as [string]
  return { directory, file: join(directory, name), positions, end }
}

async function contents(directory: string): Promise<Uint8Array[]> {
  const store = await openFileLogStore(directory)
  const { records, damaged } = await readThroughDamage(store)
  await store.close()
  expect(damaged).toEqual([])
  return records
}

describe('a crash in mid-append', () => {
  test('at any byte leaves the records before it, and appending goes on', async () => {
    const { file, directory, positions, end } = await written(4)
    const whole = await readFile(file)
    for (let size = (positions[2] as number) + HEAD; size <= end + HEAD; size++) {
      await writeFile(file, whole.subarray(0, size))
      const complete = [...positions, end].filter(
        (position) => position > 0 && position + HEAD <= size,
      ).length
      const store = await openFileLogStore(directory)
      await store.append([record(9)])
      await store.close()
      const expected = [0, 1, 2, 3].slice(0, complete).map(record)
      expect(await contents(directory), `cut at ${size}`).toEqual([...expected, record(9)])
    }
  })

  test.each([
    ['zeros', 0],
    ['rubbish', 0xa7],
  ])('that left %s behind the last record is cut off', async (_, byte) => {
    const { file, directory } = await written(3)
    await writeFile(file, new Uint8Array(5000).fill(byte), { flag: 'a' })
    expect(await contents(directory)).toEqual([0, 1, 2].map(record))
  })

  test('before a new segment had its header is forgotten', async () => {
    const { directory, end } = await written(3)
    for (const size of [0, 7, HEAD]) {
      await writeFile(join(directory, `${String(end).padStart(16, '0')}.log`), new Uint8Array(size))
      expect(await contents(directory)).toEqual([0, 1, 2].map(record))
    }
  })
})

describe('flipped bits', () => {
  test('anywhere before the last record are detected, and cost that record only', async () => {
    const { file, directory, positions } = await written(4)
    const whole = await readFile(file)
    const tail = positions[3] as number
    for (let at = 0; at < tail; at++) {
      const damaged = Uint8Array.from(whole)
      damaged[HEAD + at] = (damaged[HEAD + at] as number) ^ (1 << (at % 8))
      await writeFile(file, damaged)
      const victim = positions.findLastIndex((position) => position <= at)
      const store = await openFileLogStore(directory)
      const found = await readThroughDamage(store)
      expect(found.damaged, `byte ${at}`).toEqual([positions[victim]])
      expect(found.records).toEqual([0, 1, 2, 3].filter((i) => i !== victim).map(record))
      await expect(store.get(positions[victim] as number)).rejects.toMatchObject({
        code: 'LOG_CORRUPT',
        details: { position: positions[victim], next: positions[victim + 1] },
      })
      await store.close()
    }
  })

  test('in the last record look like a torn tail: it is cut, what came before stays', async () => {
    const { file, directory, positions } = await written(3)
    const handle = await open(file, 'r+')
    await handle.write(Uint8Array.of(0xee), 0, 1, HEAD + (positions[2] as number) + 9)
    await handle.close()
    expect(await contents(directory)).toEqual([0, 1].map(record))
  })

  test('in a header are survived: each record proves its own place', async () => {
    const { file, directory } = await written(3)
    const handle = await open(file, 'r+')
    await handle.write(Uint8Array.of(0xee), 0, 1, 3)
    await handle.close()
    expect(await contents(directory)).toEqual([0, 1, 2].map(record))
  })

  test('a lost or shortened segment is reported with the place where reading goes on', async () => {
    const { directory, positions } = await written(12, 60)
    const names = (await readdir(directory)).sort()
    expect(names.length).toBeGreaterThan(3)
    const copy = await temporary()
    await cp(directory, copy, { recursive: true })
    await rm(join(directory, names[2] as string))
    await truncate(join(copy, names[2] as string), HEAD + 5)
    for (const broken of [directory, copy]) {
      const store = await openFileLogStore(broken)
      const { records, damaged } = await readThroughDamage(store)
      expect(damaged).toHaveLength(1)
      expect(positions).toContain(damaged[0])
      expect(records.length).toBeGreaterThan(8)
      expect(records.at(-1)).toEqual(record(11))
      await store.close()
    }
  })
})

/** A disk whose calls can be made to fail. */
async function failingFiles(directory: string, fail: (call: string) => NodeJS.ErrnoException | undefined) {
  const files = await openSegmentFiles(directory)
  const check = (call: string) => {
    const error = fail(call)
    if (error !== undefined) throw error
  }
  const wrap = (file: SegmentFile): SegmentFile => ({
    ...file,
    write: async (bytes, offset) => {
      if (fail('write') !== undefined) await file.write(bytes.subarray(0, bytes.length >> 1), offset)
      check('write')
      await file.write(bytes, offset)
    },
    datasync: async () => {
      check('datasync')
      await file.datasync()
    },
  })
  const failing: SegmentFiles = {
    ...files,
    open: async (name, create) => wrap(await files.open(name, create)),
  }
  return failing
}

function errno(code: string): NodeJS.ErrnoException {
  return Object.assign(new Error(code), { code })
}

describe('a failing disk', () => {
  test('that is full refuses the append, shows nothing of it, and works again when there is room', async () => {
    const directory = await temporary()
    let full = false
    const files = await failingFiles(directory, (call) =>
      full && call === 'write' ? errno('ENOSPC') : undefined,
    )
    const store = await openFileLogStore('', { files })
    await store.append([record(0)])
    const end = store.end
    full = true
    await expect(store.append([record(1), record(2)])).rejects.toMatchObject({
      code: 'STORE_FULL',
      retryable: true,
    })
    expect(store.end).toBe(end)
    full = false
    await store.append([record(3)])
    await store.close()
    expect(await contents(directory)).toEqual([record(0), record(3)])
  })

  test('that fails to sync never takes an append again, and can still be read', async () => {
    const directory = await temporary()
    let failing = false
    const files = await failingFiles(directory, (call) =>
      failing && call === 'datasync' ? errno('EIO') : undefined,
    )
    const store = await openFileLogStore('', { files })
    const [position] = (await store.append([record(0)])) as [number]
    failing = true
    await expect(store.append([record(1)])).rejects.toMatchObject({ code: 'IO_FAILED', retryable: false })
    failing = false
    await expect(store.append([record(2)])).rejects.toMatchObject({ code: 'IO_FAILED' })
    expect((await store.get(position)).bytes).toEqual(record(0))
    await store.close()
  })

  test('syncs once for appends that come together', async () => {
    const directory = await temporary()
    let syncs = 0
    const files = await failingFiles(directory, (call) => {
      if (call === 'datasync') syncs++
      return undefined
    })
    const store = await openFileLogStore('', { files })
    const before = syncs
    await Promise.all(Array.from({ length: 100 }, (_, i) => store.append([record(i)])))
    expect(syncs - before).toBeLessThanOrEqual(2)
    await store.close()
  })
})
