import { describe, expect, test } from 'vitest'
import type { ContentRef } from '../../src/content/types.js'
import { concatBytes, toHex } from '../../src/encoding/bytes.js'
import { assemble } from '../../src/folder/open-folder.js'
import type { FolderSource } from '../../src/folder/types.js'
import { createFakeDisk } from '../../src/testing/fake-disk.js'
import { createMemoryLogStore } from '../../src/testing/memory-log-store.js'
import { createSeededRandom, type SeededRandom } from '../../src/testing/seeded-random.js'
import { contentOf, Replica, WORKSPACE } from '../tree/replica.js'
import { diskAsText, hurriedClock, ROOT, text } from './harness.js'

/** A device: its disk, its replica of the real tree, and the engine between them. */
async function device(writer: number, contents: Map<string, Uint8Array>) {
  const replica = await Replica.open({ writer })
  const disk = createFakeDisk()
  disk.user.mkdir(ROOT)
  const store = (bytes: Uint8Array): ContentRef => {
    const content = { ...contentOf(toHex(bytes)), size: bytes.length }
    contents.set(toHex(content.plain), bytes)
    return content
  }
  const gather = async (bytes: Parameters<FolderSource['ingest']>[0]) => {
    const pieces: Uint8Array[] = []
    for await (const piece of bytes) pieces.push(piece)
    return concatBytes(...pieces)
  }
  const source: FolderSource = {
    id: WORKSPACE,
    name: 'real tree',
    tree: replica.tree,
    transact: async (change) => {
      const { value, sent } = await replica.commit(change)
      return { value, commit: sent?.commit.id }
    },
    ingest: async (bytes) => store(await gather(bytes)),
    identify: async (bytes) => store(await gather(bytes)),
    async *open(content) {
      yield contents.get(toHex(content.plain))!
    },
    available: async () => true,
    fetch: async () => {},
    onChange: (listener) => replica.tree.onChange((changes) => listener(changes)),
  }
  const { engine, prepare } = await assemble({
    source,
    directory: ROOT,
    files: disk,
    watcher: { async *watch() {} },
    journal: createMemoryLogStore(),
    clock: hurriedClock(),
    random: createSeededRandom(writer),
  })
  await prepare()
  const settle = async () => {
    for (let n = 0; n < 200; n++) {
      engine.markDirty('all')
      const round = await engine.round(
        () => {},
        () => {},
      )
      await new Promise((resolve) => setImmediate(resolve))
      if (round.settled) return
    }
    throw new Error('not settled')
  }
  return {
    replica,
    disk,
    settle,
    onDisk: () => diskAsText(disk),
    write: (path: string, value: string) => disk.user.write(`${ROOT}/${path}`, text(value)),
  }
}

type Device = Awaited<ReturnType<typeof device>>

async function exchange(a: Device, b: Device): Promise<void> {
  for (const sent of [...a.replica.log]) if (!b.replica.has(sent)) await b.replica.receive(sent)
  for (const sent of [...b.replica.log]) if (!a.replica.has(sent)) await a.replica.receive(sent)
}

async function together(a: Device, b: Device): Promise<void> {
  for (let n = 0; n < 6; n++) {
    await a.settle()
    await b.settle()
    await exchange(a, b)
  }
}

async function pair(): Promise<[Device, Device, Map<string, Uint8Array>]> {
  const contents = new Map<string, Uint8Array>()
  return [await device(1, contents), await device(2, contents), contents]
}

describe('two folders over the real tree, commits travelling between them', () => {
  test('become equal, and stay so through renames, edits and removals', async () => {
    const [a, b] = await pair()
    a.disk.user.mkdir(`${ROOT}/d`)
    a.write('d/x', '1')
    b.write('y', '2')
    await together(a, b)
    expect(a.onDisk()).toEqual({ d: '/', 'd/x': '1', y: '2' })
    expect(b.onDisk()).toEqual(a.onDisk())
    b.disk.user.rename(`${ROOT}/d`, `${ROOT}/e`)
    a.write('d/x', 'edited while it was moved')
    a.disk.user.remove(`${ROOT}/y`)
    await together(a, b)
    expect(a.onDisk()).toEqual({ e: '/', 'e/x': 'edited while it was moved' })
    expect(b.onDisk()).toEqual(a.onDisk())
  })

  test('the same tree put into both is one tree, without conflicts', async () => {
    const [a, b] = await pair()
    for (const one of [a, b]) {
      one.disk.user.mkdir(`${ROOT}/d`)
      for (let i = 0; i < 20; i++) one.write(`d/f${i}`, `${i}`)
    }
    await together(a, b)
    expect(Object.keys(a.onDisk()).length).toBe(21)
    expect(b.onDisk()).toEqual(a.onDisk())
    a.write('d/f3', 'edited')
    await together(a, b)
    const file = (await b.replica.tree.lookup(['d', 'f3']))!
    expect([file.heads.length, b.onDisk()['d/f3']]).toEqual([1, 'edited'])
  })

  test('concurrent edits keep both versions, on both sides', async () => {
    const [a, b] = await pair()
    a.write('f', 'base')
    await together(a, b)
    a.write('f', 'from a')
    b.write('f', 'from b')
    await together(a, b)
    expect(a.onDisk()).toEqual(b.onDisk())
    expect((await a.replica.tree.lookup(['f']))!.heads.length).toBe(2)
  })

  test('an edit survives a concurrent removal of its folder', async () => {
    const [a, b] = await pair()
    a.disk.user.mkdir(`${ROOT}/d`)
    a.write('d/x', '1')
    a.write('d/y', '2')
    await together(a, b)
    a.disk.user.remove(`${ROOT}/d`)
    b.write('d/x', 'saved')
    await together(a, b)
    expect(a.onDisk()).toEqual({ d: '/', 'd/x': 'saved' })
    expect(b.onDisk()).toEqual(a.onDisk())
  })

  test('random work on both disks ends equal, with every last save kept (50 seeds)', {
    timeout: 300_000,
  }, async () => {
    for (let seed = 0; seed < 50; seed++) await randomWork(seed)
  })
})

async function randomWork(seed: number): Promise<void> {
  const [a, b, contents] = await pair()
  const random = createSeededRandom(seed)
  for (let phase = 0; phase < 3; phase++) {
    const before = new Set([...Object.values(a.onDisk()), ...Object.values(b.onDisk())])
    for (let i = 0; i < 6; i++) act(random.float() < 0.5 ? a : b, random, `${seed} ${phase} ${i}`)
    const made = [...Object.values(a.onDisk()), ...Object.values(b.onDisk())].filter(
      (value) => !before.has(value),
    )
    await together(a, b)
    expect(a.onDisk(), `seed ${seed}`).toEqual(b.onDisk())
    const live = await liveContents(a, contents)
    for (const value of made)
      if (value !== '/') expect(live, `seed ${seed}: ${value} is lost`).toContain(value)
  }
}

function act(one: Device, random: SeededRandom, label: string): void {
  const names = ['a', 'b', 'c']
  const entries = Object.entries(one.onDisk())
  const folders = ['', ...entries.filter(([, value]) => value === '/').map(([path]) => path)]
  const folder = random.pick(folders)
  const target = folder === '' ? random.pick(names) : `${folder}/${random.pick(names)}`
  const [path] = entries.length === 0 ? [undefined] : random.pick(entries)
  const roll = random.float()
  try {
    if (roll < 0.4 || path === undefined) {
      if (one.onDisk()[target] !== '/') one.write(target, label)
    } else if (roll < 0.5) one.disk.user.mkdir(`${ROOT}/${target}`)
    else if (roll < 0.8) one.disk.user.rename(`${ROOT}/${path}`, `${ROOT}/${target}`)
    else one.disk.user.remove(`${ROOT}/${path}`)
  } catch (error) {
    if ((error as Error).name !== 'FileSystemError') throw error
  }
}

async function liveContents(one: Device, contents: Map<string, Uint8Array>): Promise<string[]> {
  const found: string[] = []
  const walk = async (parent: string) => {
    for await (const entry of one.replica.tree.children(parent)) {
      for (const head of entry.heads)
        found.push(new TextDecoder().decode(contents.get(toHex(head.content.plain))))
      if (entry.kind === 'folder') await walk(entry.item)
    }
  }
  await walk('0'.repeat(32))
  return found
}
