import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createSeededRandom, type SeededRandom } from '../../src/testing/seeded-random.js'
import { ROOT_ITEM, type TreeEntry, type TreeTransaction } from '../../src/tree/types.js'
import { type Bench, bench, ROOT, text } from './harness.js'

/**
 * Three correlated random trees: one that was synced, then what people did to the disk and what others did to the workspace since. Whatever it
 * was, disk and workspace must become one within a bounded number of rounds, and no content that one side made and did not itself undo may be lost.
 */
const RUNS = Number(process.env.PEERFOLD_RUNS ?? 500)
/** One seed, so that a push is judged by the same histories each time; campaigns choose others. */
const SEED = Number(process.env.PEERFOLD_SEED ?? 1)
const ROUNDS = 200
const NAMES = ['a', 'b', 'c', 'd.txt']

describe('disk and workspace converge', () => {
  test(`whatever happened to either, in ${RUNS} runs (seed ${SEED})`, { timeout: 600_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 2 ** 31 - 1 }), async (seed) => {
        await converges(seed)
      }),
      { numRuns: RUNS, seed: SEED, verbose: 1 },
    )
  })

  // Histories that once failed. 1761544609: a file moves into the folder that takes its name.
  for (const seed of [1_761_544_609]) test(`history ${seed}`, () => converges(seed))
})

async function converges(seed: number): Promise<void> {
  const random = createSeededRandom(seed)
  const b = await bench({ seed })
  const disk = new DiskPerson(b, random.fork('disk'))
  const others = new Others(b, random.fork('others'))
  for (let i = 0; i < 8; i++) await (random.float() < 0.5 ? disk.act() : others.act())
  await b.settle(ROUNDS)
  const shown = new Set(valuesOf(b.onDisk()))
  for (let i = 0; i < random.integer(12); i++) await (random.float() < 0.5 ? disk.act() : others.act())
  const mine = disk.unseen(b.workspace.history)
  const theirs = new Set([...(await liveContents(b))].filter((value) => others.made.has(value)))
  for (const value of shown) theirs.delete(value)
  await b.settle(ROUNDS)
  const live = await liveContents(b)
  for (const value of mine) expect(live, `seed ${seed}: ${value}, made on disk, is lost`).toContain(value)
  for (const value of theirs) expect(live, `seed ${seed}: ${value}, made by others, is lost`).toContain(value)
  expect(b.onDisk(), `seed ${seed}: disk and workspace differ`).toEqual(await b.inWorkspace())
  expect(b.disk.user.walk(`${ROOT}/.peerfold/tmp`), `seed ${seed}: temporary files stay`).toEqual([])
  const commits = b.workspace.commits
  await b.settle(ROUNDS)
  expect(b.workspace.commits, `seed ${seed}: it comes to rest`).toBe(commits)
}

const valuesOf = (tree: Record<string, string>) => Object.values(tree).filter((value) => value !== '/')

/** Contents of all heads. */
async function liveContents(b: Bench): Promise<Set<string>> {
  const found = new Set<string>()
  const walk = async (parent: string) => {
    for await (const entry of b.workspace.tree.children(parent)) {
      for (const head of entry.heads) found.add(new TextDecoder().decode(b.workspace.bytesOf(head.content)))
      if (entry.kind === 'folder') await walk(entry.item)
    }
  }
  await walk(ROOT_ITEM)
  return found
}

/** Somebody who works in the folder while nothing syncs. */
class DiskPerson {
  #count = 0

  constructor(
    private readonly b: Bench,
    private readonly random: SeededRandom,
  ) {}

  /** Contents on disk that the workspace has never seen. */
  unseen(known: ReadonlySet<string>): string[] {
    return valuesOf(this.b.onDisk()).filter((value) => !known.has(value) && !value.startsWith('-> '))
  }

  async act(): Promise<void> {
    const { random } = this
    const user = this.b.disk.user
    const entries = Object.entries(this.b.onDisk())
    const folders = ['', ...entries.filter(([, value]) => value === '/').map(([path]) => path)]
    const target = this.#join(random.pick(folders), random.pick(NAMES))
    const [path] = entries.length === 0 ? [undefined] : random.pick(entries)
    const roll = random.float()
    try {
      if (roll < 0.3) this.#save(target)
      else if (roll < 0.4) user.mkdir(`${ROOT}/${target}`)
      else if (path === undefined) return
      else if (roll < 0.6 && this.b.onDisk()[path] !== '/') this.#save(path)
      else if (roll < 0.75) user.rename(`${ROOT}/${path}`, `${ROOT}/${target}`)
      else if (roll < 0.8) user.chmod(`${ROOT}/${path}`, 0o755)
      else user.remove(`${ROOT}/${path}`)
    } catch (error) {
      if (!(error instanceof Error) || error.name !== 'FileSystemError') throw error
    }
  }

  /** In place, or as careful editors do; sometimes the very bytes that others wrote. */
  #save(path: string): void {
    const user = this.b.disk.user
    const full = `${ROOT}/${path}`
    const value = this.random.float() < 0.1 ? 'same everywhere' : `disk ${this.#count++}`
    if (this.b.onDisk()[path] === '/') return
    const careful = this.random.float() < 0.5
    user.write(careful ? `${full}~` : full, text(value))
    if (careful) user.rename(`${full}~`, full)
  }

  #join(folder: string, name: string): string {
    return folder === '' ? name : `${folder}/${name}`
  }
}

/** Everybody else. */
class Others {
  readonly made = new Set<string>()
  #count = 0

  constructor(
    private readonly b: Bench,
    private readonly random: SeededRandom,
  ) {}

  async act(): Promise<void> {
    await this.b.workspace
      .transact((tx) => this.#change(tx))
      .catch((error: unknown) => {
        if (!(error instanceof Error) || error.name !== 'PeerfoldError') throw error
      })
  }

  async #change(tx: TreeTransaction): Promise<void> {
    const { random } = this
    const entries = await allEntries(tx)
    const folders = [
      ROOT_ITEM,
      ...entries.filter((entry) => entry.kind === 'folder').map((entry) => entry.item),
    ]
    const parent = random.pick(folders)
    const name = random.pick(NAMES)
    const entry = entries.length === 0 ? undefined : random.pick(entries)
    const roll = random.float()
    if (roll < 0.3) await tx.makeFile(parent, name, this.#content(), META)
    else if (roll < 0.4) await tx.makeFolder(parent, name)
    else if (entry === undefined) return
    else if (roll < 0.6 && entry.kind === 'file') {
      const competing = random.float() < 0.2
      await tx.writeFile(entry.item, this.#content(), META, competing ? [] : undefined)
    } else if (roll < 0.8) await tx.move(entry.item, parent, name)
    else await tx.remove(entry.item)
  }

  #content() {
    const value = this.random.float() < 0.1 ? 'same everywhere' : `others ${this.#count++}`
    if (value !== 'same everywhere') this.made.add(value)
    return this.b.workspace.content(text(value))
  }
}

const META = { type: 'file' as const, mtime: 1_600_000_000_000, executable: false }

async function allEntries(tx: TreeTransaction): Promise<TreeEntry[]> {
  const found: TreeEntry[] = []
  const walk = async (parent: string) => {
    for await (const entry of tx.children(parent)) {
      found.push(entry)
      if (entry.kind === 'folder') await walk(entry.item)
    }
  }
  await walk(ROOT_ITEM)
  return found
}
