import { FileSystemError, isPeerfoldError, PeerfoldError } from '../../src/errors.js'
import type { FolderEngine, Round } from '../../src/folder/engine.js'
import type { NameRules } from '../../src/folder/names.js'
import { assemble } from '../../src/folder/open-folder.js'
import type { Plan } from '../../src/folder/plan.js'
import type { FolderSource } from '../../src/folder/types.js'
import type { FakeDisk } from '../../src/testing/fake-disk.js'
import type { FakeWorkspace } from '../../src/testing/fake-workspace.js'
import { createMemoryLogStore, type MemoryLogStore } from '../../src/testing/memory-log-store.js'
import type { SeededRandom } from '../../src/testing/seeded-random.js'
import { ROOT } from './harness.js'
import type { RandomDisk } from './random-disk.js'

const RETRY_MS = 60_000
const LATE_WRITES_MS = 11_000

export interface Weather {
  /** Share of the calls to disk and journal that fail. */
  failing: number
  /** Calls until the process is killed. */
  lifetime: number
  /** Called before each call to the disk. */
  before(operation: string, path: string): void
}

const CALM: Weather = { failing: 0, lifetime: Number.POSITIVE_INFINITY, before: () => {} }

/** A device whose process can be killed at any call to disk, journal or workspace, and starts again on what is left. */
export class MortalDevice {
  disk: FakeDisk
  weather: Weather = CALM
  readonly windows: Windows
  /** Commits of this device. */
  published = 0
  #journal: MemoryLogStore
  #engine: FolderEngine | undefined
  #prepare: (() => Promise<void>) | undefined
  #prepared = false
  #calls = 0
  /** Grows with each death; what an earlier process still tries fails. */
  #life = 0

  constructor(
    private readonly made: RandomDisk,
    private readonly workspace: FakeWorkspace,
    private readonly random: SeededRandom,
  ) {
    this.disk = made.disk
    this.#journal = this.#mortalJournal([])
    this.windows = new Windows(made.kind.hardLinks !== false, made.names)
    if (!this.disk.user.exists(ROOT)) this.disk.user.mkdir(ROOT)
  }

  get engine(): FolderEngine {
    return this.#engine!
  }

  /** One round, as the loop runs them. Undefined when it failed, or was the last of this process. */
  async round(onStart: (plan: Plan) => void = () => {}): Promise<Round | undefined> {
    const life = this.#life
    try {
      if (this.#engine === undefined) await this.#start()
      if (!this.#prepared) await this.#prepare!()
      this.#prepared = true
      this.engine.markDirty('all')
      const round = await this.engine.round(onStart, () => {})
      await new Promise((resolve) => setImmediate(resolve))
      return round
    } catch (error) {
      if (life === this.#life) this.#failed(error)
      return undefined
    }
  }

  #failed(error: unknown): void {
    if (!isPeerfoldError(error) && !(error instanceof FileSystemError)) throw error
    if (isPeerfoldError(error, 'FOLDER_MISSING') || !this.#prepared) this.#prepared = false
    this.made.clock.advance(RETRY_MS)
  }

  /** Nothing fails, nobody comes in between. */
  calm(): void {
    this.weather = CALM
    this.disk.failing = 0
  }

  /** Rounds until nothing is left to do; `finally`: also not later, when the trash has been looked at again. */
  async settle(limit: number, how: 'now' | 'finally' = 'now'): Promise<void> {
    this.calm()
    let isLate = how === 'now'
    for (let n = 1; n <= limit; n++) {
      const round = await this.round()
      if (round?.settled) {
        if (isLate || round.next === undefined) return
        isLate = true
        this.made.clock.advance(LATE_WRITES_MS)
      } else if (round !== undefined && !round.progress && !round.dirty) this.#wait(round.next)
    }
    throw new Error(`not settled after ${limit} rounds`)
  }

  #wait(next: number | undefined): void {
    const { clock } = this.made
    if (next !== undefined) clock.advance(Math.max(0, next - clock.monotonic()))
  }

  async #start(): Promise<void> {
    const life = this.#life
    const { disk } = this
    this.windows.watch(disk)
    disk.before = (operation, path) => {
      this.windows.before(operation, path)
      this.weather.before(operation, path)
      this.windows.after(operation, path)
      this.#count(life)
      disk.failing = this.weather.failing
    }
    const { engine, prepare } = await assemble({
      source: this.#mortalSource(life),
      directory: ROOT,
      files: disk,
      watcher: { async *watch() {} },
      journal: this.#journal,
      clock: this.made.clock,
      random: this.random,
    })
    this.#engine = engine
    this.#prepare = prepare
    this.#prepared = false
  }

  /** The call at which the process dies may or may not have been done. It may be one that a round left behind when it failed. */
  #count(life: number): void {
    this.#check(life)
    if (++this.#calls < this.weather.lifetime) return
    this.#calls = 0
    this.#life++
    this.#engine = undefined
    this.#journal = this.#mortalJournal(this.#journal.snapshot())
    this.disk = this.disk.reopen()
    this.windows.close()
  }

  #check(life: number): void {
    if (life !== this.#life) throw new PeerfoldError('CLOSED', 'killed')
  }

  async #mortal<T>(life: number, call: () => Promise<T>): Promise<T> {
    this.#check(life)
    const before = this.random.float() < 0.5
    if (before) this.#count(life)
    this.#check(life)
    if (this.weather.failing > this.random.float()) throw new PeerfoldError('IO_FAILED', 'no room')
    const value = await call()
    if (!before) this.#count(life)
    this.#check(life)
    return value
  }

  #mortalSource(life: number): FolderSource {
    const source = this.workspace.source()
    return {
      ...source,
      transact: (change, options) =>
        this.#mortal(life, async () => {
          const done = await source.transact(change, options)
          if (done.commit !== undefined) this.published++
          return done
        }),
      ingest: (bytes, options) => this.#mortal(life, () => source.ingest(bytes, options)),
    }
  }

  #mortalJournal(contents: readonly Uint8Array[]): MemoryLogStore {
    const life = this.#life
    const journal = createMemoryLogStore(contents)
    const append = journal.append.bind(journal)
    journal.append = (batch, options) => this.#mortal(life, () => append(batch, options))
    return journal
  }
}

/**
 * The moments that no call of Node can close (docs/decisions/0051): between the last look at a place and the rename that takes it, a save by
 * rename is lost. People keep off the place then, and only then.
 */
export class Windows {
  readonly #open = new Set<string>()
  readonly #renames = new Map<string, string>()
  readonly #looked = new Map<string, string>()

  /** A place is one however it is spelled, if the disk takes it so. */
  isOpen = (path: string): boolean => {
    const { fold } = this.names
    for (const place of this.#open) if (`${fold(place)}/`.startsWith(`${fold(path)}/`)) return true
    return false
  }

  constructor(
    private readonly hardLinks: boolean,
    private readonly names: Pick<NameRules, 'fold'>,
  ) {}

  /** Is told of a disk's calls as they are made, and by `before` as they are done. */
  watch(disk: FakeDisk): void {
    const { link, rename } = disk
    disk.link = (from, to) => {
      // Replacing begins with a link into the trash; without links, whatever takes a place does.
      if (this.hardLinks && isState(to)) this.#looked.set(from, to)
      if (!this.hardLinks && !isState(to)) this.#looked.set(to, to)
      return link(from, to)
    }
    disk.rename = (from, to) => {
      this.#renames.set(from, to)
      return rename(from, to)
    }
  }

  close(): void {
    this.#open.clear()
    this.#renames.clear()
    this.#looked.clear()
  }

  before(operation: string, path: string): void {
    if (operation === 'lstat' && this.#looked.has(path)) this.#open.add(path)
    if (operation === 'unlink')
      for (const [place, kept] of this.#looked) if (kept === path) this.#close(place)
  }

  after(operation: string, path: string): void {
    if (operation !== 'rename') return
    const to = this.#renames.get(path)
    if (to !== undefined) this.#close(to)
  }

  #close(place: string): void {
    this.#looked.delete(place)
    this.#open.delete(place)
  }
}

const isState = (path: string): boolean => path.includes('/.peerfold/')
