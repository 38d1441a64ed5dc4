import { randomInt } from 'node:crypto'
import * as fs from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { createSeededRandom, type SeededRandom } from '../../../core/src/testing/seeded-random.js'
import { DemoDevice } from '../../dist/demo/device.js'
import { bringUpPair } from '../../dist/demo/pair.js'
import { compare, walk } from '../../dist/demo/verifier.js'
import { startCommand } from '../cli/command.js'
import { ask, read, rows } from './control.js'
import { contents, eventually } from './node-folder.js'

/** Kills in all, each with a start of a process; the campaign (`npm run test:campaign:kill`) makes fifty. */
const KILLS = Number(process.env.PEERFOLD_KILLS ?? 6)
const KILLS_BEFORE_A_LOOK = 4
const SEED = Number(process.env.PEERFOLD_SEED ?? randomInt(2 ** 31))

const KILLER = new URL('./kill-at-call.mjs', import.meta.url).href
/** At which calls, counted from a start of the process: up to where work like this is done. */
const PHASES = { scan: 100, apply: 40, store: 60 } as const
type Phase = keyof typeof PHASES
type Side = 'killed' | 'other'

/** What two people do with their files, and what must come of it. */
class People {
  /** Path → contents, one of which it must show. */
  readonly expected = new Map<string, Set<string>>()
  /** Every content that was ever saved, by the path where that happened, and on which side. */
  readonly ledger: Array<{ content: string; path: string; side: Side }> = []
  /** Files that nobody has touched since both folders were last equal. */
  #untouched: string[] = []
  #counter = 0

  constructor(
    private readonly folders: Record<Side, string>,
    private readonly random: SeededRandom,
  ) {}

  /** Both folders are equal: everything may be touched again, apart from what competes. */
  rest(): void {
    const settled = [...this.expected].filter(([, texts]) => texts.size === 1)
    this.#untouched = settled.map(([path]) => path).sort()
  }

  /** A bit of everything, each file on one side only; and one file on both. */
  async work(): Promise<void> {
    for (const side of ['killed', 'other'] as const) {
      for (let i = 0; i < 3; i++) await this.#create(side)
      for (let i = 0; i < 3; i++) await this.#edit(this.#take(), side)
      await this.#move(this.#take(), side)
      await this.#remove(this.#take(), side)
    }
    const path = this.#take()
    if (path === undefined) return
    await this.#edit(path, 'killed')
    const mine = this.expected.get(path) as Set<string>
    await this.#edit(path, 'other')
    for (const text of mine) this.expected.get(path)?.add(text)
  }

  #take(): string | undefined {
    const [path] = this.#untouched.splice(this.random.integer(this.#untouched.length || 1), 1)
    return path
  }

  async #create(side: Side): Promise<void> {
    const n = ++this.#counter
    await this.#save(`folder ${this.random.integer(4)}/${side} ${n}`, side)
  }

  async #edit(path: string | undefined, side: Side): Promise<void> {
    if (path !== undefined) await this.#save(path, side)
  }

  async #save(path: string, side: Side): Promise<void> {
    const content = `${path}, save ${++this.#counter}\n`.repeat(1 + this.random.integer(2000))
    this.ledger.push({ content, path, side })
    this.expected.set(path, new Set([content]))
    const target = join(this.folders[side], path)
    await fs.mkdir(dirname(target), { recursive: true })
    await fs.writeFile(`${target}.part`, content)
    await fs.rename(`${target}.part`, target)
  }

  async #move(path: string | undefined, side: Side): Promise<void> {
    if (path === undefined) return
    const to = `moved ${++this.#counter}`
    this.expected.set(to, this.expected.get(path) as Set<string>)
    this.expected.delete(path)
    for (const entry of this.ledger) if (entry.path === path) entry.path = to
    await fs.rename(join(this.folders[side], path), join(this.folders[side], to))
  }

  async #remove(path: string | undefined, side: Side): Promise<void> {
    if (path === undefined) return
    this.expected.delete(path)
    await fs.unlink(join(this.folders[side], path))
  }
}

async function settle(...devices: DemoDevice[]): Promise<void> {
  for (const { home } of devices) await ask(home, 'wait', { timeoutMs: 60_000 })
}

interface Version {
  id: string
  deviceName: string
}

/** Every content that the workspace has for a path, with the device that it came from. */
async function versionsOf(device: DemoDevice, path: string): Promise<Array<{ content: string; by: string }>> {
  const versions = await rows<Version>(device.home, 'versions', { path })
  const found = []
  for (const { id, deviceName } of versions)
    found.push({ content: await read(device.home, path, id), by: deviceName })
  return found
}

/** Starts a device that ends itself at a call; `meanwhile` runs once it syncs. Resolves with how it ended, or `settled`. */
async function startDoomed(
  device: DemoDevice,
  phase: Phase,
  call: number,
  meanwhile: () => Promise<void>,
): Promise<string> {
  const point = JSON.stringify({ folder: device.folder, phase, call })
  const { child, ended, line } = startCommand(
    device.home,
    ['--json', 'start', '--listen', '/ip4/127.0.0.1/tcp/0', '--no-mdns'],
    '',
    ['env', `NODE_OPTIONS=--import ${KILLER}`, `PEERFOLD_KILL=${point}`],
  )
  const ready = line().then(meanwhile, meanwhile)
  const settled = ready
    .then(() => settle(device))
    .then(
      () => 'settled',
      () => 'gone',
    )
  await Promise.race([ended, settled])
  await ready
  // Whoever is gone has ended, or is about to.
  if ((await settled) === 'gone') await ended
  const outcome = child.signalCode ?? 'settled'
  child.kill('SIGKILL')
  await ended
  return outcome
}

/** What lies in the folder right after a kill: nothing of ours, and nothing by half. */
async function expectWhole(device: DemoDevice, people: People): Promise<void> {
  const saved = new Set(people.ledger.map(({ content }) => content))
  for (const [path, content] of Object.entries(await contents(device.folder))) {
    expect(path).toMatch(/^(folder \d|(folder \d\/)?(killed|other) \d+|moved \d+)$/)
    if (content !== '/') expect(saved.has(content), `${path} is whole`).toBe(true)
  }
}

async function expectNothingLost(killed: DemoDevice, other: DemoDevice, people: People): Promise<void> {
  await eventually(async () => {
    await settle(killed, other)
    expect(compare(await walk(killed.folder), await walk(other.folder))).toEqual([])
  }, 60_000)
  const found = await contents(killed.folder)
  const files = Object.entries(found).filter(([, content]) => content !== '/')
  expect(files.map(([path]) => path).sort()).toEqual([...people.expected.keys()].sort())
  for (const [path, content] of files) expect(people.expected.get(path)?.has(content), path).toBe(true)
  for (const device of [killed, other])
    expect(await fs.readdir(join(device.folder, '.peerfold', 'tmp'))).toEqual([])
  await expectHistory(killed, people, [killed.name, other.name])
}

/** All that was saved is a version, of the device on which it was saved, and of no other: nobody published what was old. */
async function expectHistory(device: DemoDevice, { ledger }: People, names: [string, string]): Promise<void> {
  const name = { killed: names[0], other: names[1] }
  for (const path of new Set(ledger.map((entry) => entry.path))) {
    const saved = ledger.filter((entry) => entry.path === path)
    const versions = await versionsOf(device, path)
    const show = (content: string, by: string) => `${by}: ${content.slice(0, content.indexOf('\n'))}`
    const published = versions.map(({ content, by }) => show(content, by)).sort()
    expect(published).toEqual(saved.map(({ content, side }) => show(content, name[side])).sort())
  }
}

describe('a device that is killed while it scans and applies', () => {
  test(`${KILLS} times: nothing is lost, nothing old is published, nothing is left visible (seed ${SEED})`, async () => {
    const directory = await fs.mkdtemp(join(tmpdir(), 'peerfold-killed-'))
    const [killed, other] = [new DemoDevice('killed', directory), new DemoDevice('other', directory)]
    const random = createSeededRandom(SEED)
    const people = new People({ killed: killed.folder, other: other.folder }, random)
    const kills: Record<Phase, number> = { scan: 0, apply: 0, store: 0 }
    const total = () => kills.scan + kills.apply + kills.store
    const rarest = () => (Object.keys(kills) as Phase[]).sort((a, b) => kills[a] - kills[b])[0] as Phase
    let starts = 0
    try {
      await bringUpPair(killed, other)
      for (let i = 0; i < 6; i++) await people.work()
      await expectNothingLost(killed, other, people)
      while (total() < KILLS) {
        await killed.stop()
        people.rest()
        for (let round = 0; round < KILLS_BEFORE_A_LOOK && total() < KILLS; round++) {
          const phase = rarest()
          starts++
          const isRunning = random.integer(2) === 0
          if (!isRunning) await people.work()
          const call = 1 + random.integer(PHASES[phase])
          const meanwhile = isRunning ? () => people.work() : async () => {}
          if ((await startDoomed(killed, phase, call, meanwhile)) === 'SIGKILL') kills[phase]++
          await expectWhole(killed, people)
        }
        await killed.start(['start'], ({ type }) => type === 'ready')
        await expectNothingLost(killed, other, people)
      }
      console.log(
        `killed ${JSON.stringify(kills)} in ${starts} starts; ${people.ledger.length} contents are all there`,
      )
    } finally {
      await Promise.all([killed.close(), other.close()])
      await fs.rm(directory, { recursive: true, force: true })
    }
  }, 900_000)
})
