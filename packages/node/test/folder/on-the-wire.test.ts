import { randomBytes } from 'node:crypto'
import * as fs from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DemoDevice, type Line } from '../../dist/demo/device.js'
import { bringUpPair, startAgain } from '../../dist/demo/pair.js'
import { compare, walk } from '../../dist/demo/verifier.js'
import { read, rows } from './control.js'
import { eventually } from './node-folder.js'

const KIB = 1024
/** The whole claim is about 10,000 files; making them known to two devices is most of the cost (`PEERFOLD_FILES=10000`). */
const FILES = Number(process.env.PEERFOLD_FILES ?? 300)
const COUNTER = new URL('./count-bytes.mjs', import.meta.url).href

let directory: string
let left: DemoDevice
let right: DemoDevice

beforeAll(async () => {
  directory = await fs.mkdtemp(join(tmpdir(), 'peerfold-wire-'))
  process.env.NODE_OPTIONS = `--import ${COUNTER}`
  process.env.PEERFOLD_WIRE = join(directory, 'wire')
  left = new DemoDevice('left', directory)
  right = new DemoDevice('right', directory)
  await bringUpPair(left, right)
}, 120_000)

afterAll(async () => {
  delete process.env.NODE_OPTIONS
  delete process.env.PEERFOLD_WIRE
  await Promise.all([left.close(), right.close()])
  await fs.rm(directory, { recursive: true, force: true })
}, 60_000)

/** What a device has sent and received since it was started, in bytes of TCP: encryption and acknowledgements of commits included. */
async function wireBytes({ pid }: DemoDevice): Promise<number> {
  const file = join(directory, `wire.${pid}`)
  await fs.rm(file, { force: true })
  process.kill(pid as number, 'SIGUSR2')
  let text = ''
  await eventually(async () => {
    text = await fs.readFile(file, 'utf8')
  })
  return Number(text)
}

async function settle(): Promise<void> {
  await left.settle()
  await right.settle()
  expect(compare(await walk(left.folder), await walk(right.folder))).toEqual([])
}

interface Seen {
  bytes: number
  /** What the right device did to its disk. */
  applied: Record<string, number>
}

/** Runs work on the left disk and waits until both have it. */
async function watchWire(what: string, work: () => Promise<void>): Promise<Seen> {
  const applied: Record<string, number> = {}
  const count = ({ type, direction, action }: Line) => {
    if (type === 'activity' && direction === 'applied')
      applied[String(action)] = (applied[String(action)] ?? 0) + 1
  }
  const before = await wireBytes(left)
  const stop = right.onLine(count)
  await work()
  await settle()
  stop()
  const bytes = (await wireBytes(left)) - before
  console.log(`${what}: ${bytes} bytes on the wire`)
  return { bytes, applied }
}

const at = (...names: string[]) => join(left.folder, ...names)

describe('what travels between two devices', () => {
  test(`${FILES} files in a directory that moves into another: one move`, async () => {
    await fs.mkdir(at('from'))
    await fs.mkdir(at('to'))
    for (let i = 0; i < FILES; i++) await fs.writeFile(at('from', `file ${i}`), `content ${i}`)
    await settle()
    const { bytes, applied } = await watchWire(`directory of ${FILES} files moved`, () =>
      fs.rename(at('from'), at('to', 'from')),
    )
    expect(applied).toEqual({ move: 1 })
    expect(bytes).toBeLessThan(100 * KIB)
  }, 400_000)

  test(`${FILES} files that move one by one to another directory: as many moves, and no content`, async () => {
    await fs.mkdir(at('one by one'))
    await settle()
    const { bytes, applied } = await watchWire(`${FILES} files moved one by one`, async () => {
      for (let i = 0; i < FILES; i++)
        await fs.rename(at('to', 'from', `file ${i}`), at('one by one', `file ${i}`))
    })
    expect(applied).toEqual({ move: FILES })
    expect(bytes / FILES).toBeLessThan(250)
  }, 400_000)

  test('a folder that is copied: no block is sent again', async () => {
    const size = 64 * KIB
    const count = 50
    await fs.mkdir(at('album'))
    for (let i = 0; i < count; i++) await fs.writeFile(at('album', `photo ${i}`), randomBytes(size))
    await fs.writeFile(at('album', 'film'), randomBytes(3 * KIB * KIB))
    const first = await watchWire('an album', settle)
    expect(first.bytes).toBeGreaterThan(count * size)
    const copied = await watchWire('the album copied', () =>
      fs.cp(at('album'), at('copy'), { recursive: true }),
    )
    expect(copied.applied).toEqual({ create: count + 2 })
    // Less than any one of its files: names, times and references to blocks, for each file.
    expect(copied.bytes).toBeLessThan(size)
  }, 200_000)

  test('both sides edit the same 1,000 files while they are apart: all 2,000 contents stay', async () => {
    const count = 1000
    const name = (i: number) => `file ${i}`
    await fs.mkdir(at('shared'))
    for (let i = 0; i < count; i++) await fs.writeFile(at('shared', name(i)), 'same')
    await settle()
    await right.stop()
    for (const { folder, name: by } of [left, right])
      for (let i = 0; i < count; i++) await fs.writeFile(join(folder, 'shared', name(i)), `${by} ${i}`)
    await startAgain(right)
    await settle()
    interface Conflict {
      path: string
      versions: Array<{ id: string }>
    }
    const conflicts = await rows<Conflict>(left.home, 'conflicts', {})
    const byPath = (all: Conflict[]) =>
      all.map(({ path, versions }) => [path, ...versions.map(({ id }) => id)].join())
    expect(byPath(await rows<Conflict>(right.home, 'conflicts', {})).sort()).toEqual(byPath(conflicts).sort())
    const found: string[] = []
    for (const { path, versions } of conflicts)
      for (const { id } of versions) found.push(await read(left.home, path, id))
    const wanted = Array.from({ length: count }, (_, i) => [`left ${i}`, `right ${i}`]).flat()
    expect(found.sort()).toEqual(wanted.sort())
  }, 400_000)
})
