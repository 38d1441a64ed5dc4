import { describe, expect, test } from 'vitest'
import type { ContentRef } from '../../src/content/types.js'
import { concatBytes, toHex } from '../../src/encoding/bytes.js'
import { FileSystemError } from '../../src/errors.js'
import { exportWorkspace } from '../../src/export/export-workspace.js'
import { stampOf } from '../../src/export/layout.js'
import type { ExportOptions, ExportSource } from '../../src/export/types.js'
import { createFakeDisk, type FakeDisk } from '../../src/testing/fake-disk.js'
import { createManualClock } from '../../src/testing/manual-clock.js'
import { createSeededRandom } from '../../src/testing/seeded-random.js'
import {
  type FileMeta,
  type FileVersion,
  ROOT_ITEM,
  type TreeEntry,
  type TreeTransaction,
} from '../../src/tree/types.js'
import { text } from '../folder/harness.js'
import { contentOf, Replica, WORKSPACE } from '../tree/replica.js'

const OUT = '/out'
const MTIME = 1_600_000_000_000

/** A workspace over the real tree, with contents in memory, and a disk to export it to. */
async function world(disk: FakeDisk = createFakeDisk()) {
  const replica = await Replica.open({ writer: 1 })
  const contents = new Map<string, Uint8Array>()
  const away = new Set<string>()
  let fetching: ((bytes: number) => void) | undefined
  const clock = createManualClock()
  const store = (bytes: Uint8Array): ContentRef => {
    const content = { ...contentOf(toHex(bytes)), size: bytes.length }
    contents.set(toHex(content.plain), bytes)
    return content
  }
  const source: ExportSource = {
    id: WORKSPACE,
    transact: async (change) => {
      const { value, sent } = await replica.commit(change)
      return { value, commit: sent?.commit.id }
    },
    identify: async (bytes) => {
      const pieces: Uint8Array[] = []
      for await (const piece of bytes) pieces.push(piece.slice())
      return store(concatBytes(...pieces))
    },
    async *open(content) {
      yield contents.get(toHex(content.plain))!
    },
    available: async (content) => !away.has(toHex(content.plain)),
    fetch: async (content, options) => {
      if (!away.has(toHex(content.plain))) return
      fetching = options?.onProgress
      await new Promise((_, reject) => {
        const abort = () => reject(options?.signal?.reason)
        if (options?.signal?.aborted === true) abort()
        options?.signal?.addEventListener('abort', abort, { once: true })
      }).finally(() => {
        fetching = undefined
      })
    },
    history: replica.tree,
  }
  const change = async <T>(work: (tx: TreeTransaction) => Promise<T>) => (await replica.commit(work)).value
  return {
    disk,
    clock,
    source,
    replica,
    /** Reports progress of the content that is being fetched. */
    fetching: () => fetching,
    textOf: ({ content }: FileVersion) => new TextDecoder().decode(contents.get(toHex(content.plain))),
    change,
    /** Content that is on another device only. */
    takeAway: (value: string) => away.add(toHex(store(text(value)).plain)),
    bringBack: () => away.clear(),
    write: (path: string, value: string, meta: Partial<FileMeta> = {}) =>
      change((tx) => write(tx, path, store(text(value)), meta)),
    edit: (item: string, value: string, basedOn?: string[]) =>
      change((tx) =>
        tx.writeFile(item, store(text(value)), { mtime: MTIME, type: 'file', executable: false }, basedOn),
      ),
    export: (options?: ExportOptions) =>
      exportWorkspace({ source, files: disk, clock, random: createSeededRandom(1) }, OUT, {
        patienceMs: 0,
        ...options,
      }),
  }
}

async function write(
  tx: TreeTransaction,
  path: string,
  content: ContentRef,
  meta: Partial<FileMeta>,
): Promise<TreeEntry> {
  const names = path.split('/')
  let parent = ROOT_ITEM
  for (const name of names.slice(0, -1)) parent = (await tx.makeFolder(parent, name)).item
  const there = await tx.child(parent, names.at(-1)!)
  const full: FileMeta = { mtime: MTIME, type: 'file', executable: false, ...meta }
  if (there === undefined) return await tx.makeFile(parent, names.at(-1)!, content, full)
  return await tx.writeFile(there.item, content, full)
}

function onDisk(disk: FakeDisk): Record<string, string> {
  const found: Record<string, string> = {}
  for (const { path, type, bytes, target } of disk.user.walk(OUT))
    found[path] =
      type === 'folder' ? '/' : type === 'symlink' ? `-> ${target}` : new TextDecoder().decode(bytes)
  return found
}

describe('an export', () => {
  test('is files, folders, empty folders and links, with their times and modes', async () => {
    const w = await world()
    await w.write('docs/a.txt', 'a', { mtime: 1_234_567_890_123 })
    await w.write('run.sh', '#!/bin/sh', { executable: true })
    await w.write('link', 'docs/a.txt', { type: 'symlink' })
    await w.change((tx) => tx.makeFolder(ROOT_ITEM, 'empty'))
    const report = await w.export()
    expect(report).toEqual({ files: 3, folders: 2, kept: 0, bytes: 20, renamed: [], lacking: [] })
    expect(onDisk(w.disk)).toEqual({
      docs: '/',
      'docs/a.txt': 'a',
      empty: '/',
      link: '-> docs/a.txt',
      'run.sh': '#!/bin/sh',
    })
    expect((await w.disk.lstat(`${OUT}/docs/a.txt`)).mtimeNs / 1_000_000n).toBe(1_234_567_890_123n)
    expect((await w.disk.lstat(`${OUT}/run.sh`)).mode & 0o111).not.toBe(0)
    expect((await w.disk.lstat(`${OUT}/docs/a.txt`)).mode & 0o111).toBe(0)
  })

  test('has versions that compete side by side', async () => {
    const w = await world()
    const { item, heads } = await w.write('a.txt', 'base')
    for (const value of ['mine', 'yours']) await w.edit(item, value, [heads[0]!.id])
    const [primary, other] = (await w.replica.tree.entry(item))!.heads
    const as = `a (version ${stampOf(other!)}).txt`
    expect((await w.export()).renamed).toEqual([{ path: 'a.txt', as }])
    expect(onDisk(w.disk)).toEqual({ 'a.txt': w.textOf(primary!), [as]: w.textOf(other!) })
    expect(Object.values(onDisk(w.disk)).sort()).toEqual(['mine', 'yours'])
  })

  test('gives names that the disk can not hold or tell apart aliases, and says which', async () => {
    const w = await world(createFakeDisk({ names: 'caseless' }))
    const long = `${'x'.repeat(300)}.txt`
    const paths = ['Readme', 'README', long, '.history', '.peerfold-export/a', '.peerfold/b']
    for (const path of paths) await w.write(path, path)
    const { renamed, lacking, files } = await w.export({ history: true })
    expect(lacking).toEqual([])
    expect(files).toBe(2 * paths.length)
    const now = renamed.filter(({ as }) => !as.startsWith('.history/'))
    expect(now.map(({ path }) => path).sort()).toEqual(
      ['.history', '.peerfold', '.peerfold-export', 'Readme', long].sort(),
    )
    const disk = onDisk(w.disk)
    for (const path of paths) {
      const as = now.find((one) => path === one.path || path.startsWith(`${one.path}/`))
      expect(disk[as === undefined ? path : path.replace(as.path, as.as)]).toBe(path)
    }
    expect(Object.keys(disk)).not.toContain('.peerfold-export')
  })

  test('goes into a new or empty directory only', async () => {
    const w = await world()
    w.disk.user.mkdir(OUT)
    w.disk.user.write(`${OUT}/mine`, text('mine'))
    await expect(w.export()).rejects.toMatchObject({ code: 'ALREADY_EXISTS' })
    w.disk.user.remove(`${OUT}/mine`)
    expect(await w.export()).toMatchObject({ lacking: [] })
    w.disk.user.remove(OUT)
    w.disk.user.write(OUT, text('a file'))
    await expect(w.export()).rejects.toMatchObject({ code: 'NOT_A_FOLDER' })
  })

  test('is whole after it was killed at any call, and writes nothing twice', async () => {
    const first = await world()
    const paths = ['a/b/c.txt', 'a/d.txt', 'e.txt']
    for (const path of paths) await first.write(path, path)
    let calls = 0
    first.disk.before = () => void calls++
    await first.export()
    const whole = onDisk(first.disk)
    for (let last = 0; last < calls; last++) {
      const disk = createFakeDisk()
      const w = { ...first, disk }
      let left = last
      disk.before = () => {
        if (left-- <= 0) throw new Error('killed')
      }
      const run = (files: FakeDisk) =>
        exportWorkspace({ source: w.source, files, clock: w.clock, random: createSeededRandom(last) }, OUT, {
          patienceMs: 0,
        })
      await run(disk).catch(() => undefined)
      const again = disk.reopen()
      const before = again.user.exists(OUT) ? onDisk(again) : {}
      const { kept } = await run(again).catch((error) => {
        // It was whole already.
        expect(error).toMatchObject({ code: 'ALREADY_EXISTS' })
        return { kept: paths.length }
      })
      expect(onDisk(again), `killed at call ${last}`).toEqual(whole)
      expect(kept).toBe(paths.filter((path) => path in before).length)
    }
  })

  test('names what is lacking, and goes on where it stopped', async () => {
    const w = await world()
    await w.write('here.txt', 'here')
    const { heads } = await w.write('docs/away.txt', 'away')
    w.takeAway('away')
    expect(await w.export()).toMatchObject({
      files: 1,
      kept: 0,
      lacking: [
        { path: 'docs/away.txt', as: 'docs/away.txt', version: heads[0]!.id, code: 'BLOCKS_UNAVAILABLE' },
      ],
    })
    w.bringBack()
    expect(await w.export()).toMatchObject({ files: 2, kept: 1, lacking: [] })
    expect(onDisk(w.disk)).toEqual({ docs: '/', 'docs/away.txt': 'away', 'here.txt': 'here' })
    await expect(w.export()).rejects.toMatchObject({ code: 'ALREADY_EXISTS' })
  })

  test('waits for content as long as it comes, and no longer', async () => {
    const w = await world()
    await w.write('a.txt', 'a')
    w.takeAway('a')
    const seen: number[] = []
    const exported = w.export({ patienceMs: 10_000, onProgress: ({ bytes }) => seen.push(bytes) })
    await until(() => w.fetching() !== undefined)
    await w.clock.advance(9_000)
    w.fetching()!(1)
    await w.clock.advance(9_000)
    expect(w.fetching()).toBeDefined()
    await w.clock.advance(2_000)
    expect(await exported).toMatchObject({ lacking: [{ path: 'a.txt' }] })
    expect(seen).toEqual([1])
  })

  test('overwrites nothing: what was changed between two runs lies beside', async () => {
    const w = await world()
    await w.write('a.txt', 'first')
    await w.write('b.txt', 'away')
    w.takeAway('away')
    await w.export()
    await w.write('a.txt', 'second')
    w.disk.user.write(`${OUT}/b.txt`, text('a stranger'))
    w.bringBack()
    expect((await w.export()).renamed).toEqual([
      { path: 'a.txt', as: 'a (2).txt' },
      { path: 'b.txt', as: 'b (2).txt' },
    ])
    expect(onDisk(w.disk)).toEqual({
      'a.txt': 'first',
      'a (2).txt': 'second',
      'b.txt': 'a stranger',
      'b (2).txt': 'away',
    })
  })

  test('tells equal sizes and times apart by the bytes where the disk rounds times', async () => {
    const w = await world(createFakeDisk({ grainMs: 2000 }))
    await w.write('a.txt', 'one', { mtime: MTIME + 500 })
    await w.write('b.txt', 'away')
    w.takeAway('away')
    await w.export()
    expect(await w.export()).toMatchObject({ kept: 1, renamed: [] })
    await w.write('a.txt', 'two', { mtime: MTIME + 700 })
    w.bringBack()
    expect(await w.export()).toMatchObject({ kept: 0, renamed: [{ path: 'a.txt', as: 'a (2).txt' }] })
  })

  test('reports each thing that the disk refuses, and stops when it is full', async () => {
    const w = await world(createFakeDisk({ symlinks: false }))
    await w.write('link', 'a.txt', { type: 'symlink' })
    await w.write('a.txt', 'a')
    const refused = { path: 'link', as: 'link', version: expect.any(String), code: 'IO_FAILED' }
    expect(await w.export()).toMatchObject({ files: 1, lacking: [refused] })
    w.disk.user.remove(OUT)
    w.disk.before = (operation, path) => {
      if (operation === 'write' && !path.endsWith('.json')) throw new FileSystemError('ENOSPC', path)
    }
    await expect(w.export()).rejects.toMatchObject({ code: 'IO_FAILED' })
    w.disk.before = () => {}
    expect(await w.export()).toMatchObject({ files: 1, lacking: [refused] })
  })

  test('ends when it is told to', async () => {
    const w = await world()
    await w.write('a.txt', 'a')
    w.takeAway('a')
    const stop = new AbortController()
    const exported = w.export({ patienceMs: 10_000, signal: stop.signal })
    await until(() => w.fetching() !== undefined)
    stop.abort(new Error('stopped'))
    await expect(exported).rejects.toThrow('stopped')
  })
})

describe('history', () => {
  test('is every version of every file, also of those that were removed, under their last path', async () => {
    const w = await world()
    const { item } = await w.write('docs/a.txt', 'one')
    await w.edit(item, 'two')
    const gone = await w.write('docs/gone', 'gone')
    await w.change((tx) => tx.remove(gone.item))
    // A folder where there was a file.
    await w.write('docs/gone/below.txt', 'below')
    const { files } = await w.export({ history: true })
    expect(files).toBe(2 + 4)
    const name = async (of: string, value: string, extension: string) => {
      for await (const version of w.replica.tree.versions(of))
        if (w.textOf(version) === value) return `${stampOf(version)}${extension}`
      throw new Error(`no version ${value}`)
    }
    const below = (await w.replica.tree.lookup(['docs', 'gone', 'below.txt']))!.item
    expect(onDisk(w.disk)).toEqual({
      docs: '/',
      'docs/a.txt': 'two',
      'docs/gone': '/',
      'docs/gone/below.txt': 'below',
      '.history': '/',
      '.history/docs': '/',
      '.history/docs/a.txt': '/',
      [`.history/docs/a.txt/${await name(item, 'one', '.txt')}`]: 'one',
      [`.history/docs/a.txt/${await name(item, 'two', '.txt')}`]: 'two',
      '.history/docs/gone': '/',
      [`.history/docs/gone/${await name(gone.item, 'gone', '')}`]: 'gone',
      '.history/docs/gone/below.txt': '/',
      [`.history/docs/gone/below.txt/${await name(below, 'below', '.txt')}`]: 'below',
    })
  })
})

/** Lets what runs go on until it is so. */
async function until(holds: () => boolean): Promise<void> {
  for (let turns = 0; !holds(); turns++) {
    if (turns > 10_000) throw new Error('it never came to that')
    await new Promise((resolve) => setImmediate(resolve))
  }
}
