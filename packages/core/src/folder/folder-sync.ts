import { raceSignal } from '../async/deadline.js'
import { isPeerfoldError, PeerfoldError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'
import type { Watcher } from '../ports/watcher.js'
import { Barriers } from './barriers.js'
import type { FolderContext } from './context.js'
import { parentPath } from './disk-tree.js'
import type { FolderEngine, Round } from './engine.js'
import { actionsAt, type Explanation, explain } from './explain.js'
import { describeFailure } from './guard.js'
import type { Plan } from './plan.js'
import { StatusBoard } from './status-board.js'
import type { FolderActivity, FolderPlan, FolderStatus, FolderSync, TrashedFile } from './types.js'
import { Watching } from './watching.js'

export interface FolderLoopInit {
  folder: FolderContext
  engine: FolderEngine
  watcher: Watcher
  /** Finds the folder and its marker; before the first round, and again after it was missing. */
  prepare(): Promise<void>
  /** Ends the folder's work. */
  stop: AbortController
  /** Releases what belongs to it, once its work has ended. */
  end(): Promise<void>
}

const DEBOUNCE_MS = 50
/** Looking at everything costs time that grows with the folder: hints may gather for as long as the last look took, but no longer than this. */
const GATHER_MAX_MS = 2_000
const RESCAN_MS = 3_600_000
const UNWATCHED_RESCAN_MS = 60_000
/** How often a folder at rest is looked for: no watcher tells of a file system that was mounted over it. */
const PRESENCE_MS = 5_000
const MISSING_RETRY_MS = 2_000
const FAILURE_RETRY_MS = 1_000
const FAILURE_RETRY_MAX_MS = 60_000
/** Wall time running ahead of the monotonic clock by this much: the machine slept. */
const SLEPT_MS = 30_000
/** Rounds in a row that find the disk changed again without getting anything done. */
const RESTLESS_ROUNDS = 10

/** Runs rounds of the engine whenever there is a reason to, and tells the world about it. */
export class FolderLoop implements FolderSync {
  readonly #init: FolderLoopInit
  readonly #board: StatusBoard
  readonly #watching: Watching
  readonly #activityListeners = new Set<(activity: FolderActivity) => void>()
  readonly #barriers = new Barriers()
  readonly #tasks: Task<any>[] = []
  #paused = false
  #prepared = false
  #failures = 0
  #restless = 0
  #nextScan = 0
  #wakeUp: (() => void) | undefined
  #woken = false
  /** The workspace changed since the last round began. */
  #behind = false
  #idle: Promise<void> = Promise.resolve()
  #running: Promise<void> | undefined
  #watched: Promise<void> | undefined
  #closing: Promise<void> | undefined

  constructor(init: FolderLoopInit) {
    this.#init = init
    const { folder, engine, watcher } = init
    this.#board = new StatusBoard(folder, engine.fetcher)
    this.#watching = new Watching({
      folder,
      watcher,
      onHint: (hint) => {
        engine.markDirty(hint.type === 'overflow' ? 'all' : hint.directory)
        this.wake()
      },
      onBlind: () => {
        this.#nextScan = Math.min(this.#nextScan, folder.clock.monotonic() + UNWATCHED_RESCAN_MS)
      },
    })
  }

  get directory(): string {
    return this.#init.folder.directory
  }

  /** @internal A folder that starts paused is watched from its first `resume` on. */
  start(prepared: boolean, paused = false): void {
    this.#prepared = prepared
    this.#paused = paused
    if (paused) this.#board.say('paused')
    else this.#watched = this.#watching.run()
    this.#running = this.#run()
  }

  /** @internal Something became ready. */
  wake(): void {
    this.#woken = true
    this.#wakeUp?.()
  }

  /** @internal The workspace changed: the disk is behind from this very moment, not from the next round on. */
  merged(): void {
    this.#behind = true
    if (this.#board.state === 'synced') this.#board.say('syncing')
    this.wake()
  }

  /** @internal Other directories are ignored from now on. */
  watchAnew(): void {
    this.#watching.anew()
  }

  /** @internal */
  tell(activity: FolderActivity): void {
    for (const listener of this.#activityListeners) listener(activity)
  }

  status(): FolderStatus {
    return this.#board.status()
  }

  on(event: 'status', listener: (status: FolderStatus) => void): () => void
  on(event: 'activity', listener: (activity: FolderActivity) => void): () => void
  on(
    event: 'status' | 'activity',
    listener: ((it: FolderStatus) => void) & ((it: FolderActivity) => void),
  ): () => void {
    if (event === 'status') return this.#board.listen(listener)
    this.#activityListeners.add(listener)
    return () => this.#activityListeners.delete(listener)
  }

  settled(options: AbortOptions = {}): Promise<void> {
    if (this.#closing !== undefined) return Promise.reject(closed())
    if (this.#paused) return Promise.reject(paused())
    const passed = this.#barriers.add(options)
    this.wake()
    return passed
  }

  async pause(): Promise<void> {
    this.#paused = true
    this.#barriers.end(paused())
    this.wake()
    await this.#idle
    if (this.#closing === undefined) this.#board.say('paused')
  }

  async resume(): Promise<void> {
    if (!this.#paused || this.#closing !== undefined) return
    this.#paused = false
    this.#watched ??= this.#watching.run()
    this.#init.engine.markDirty('all')
    this.#board.say('syncing')
    this.wake()
  }

  plan(options: AbortOptions = {}): Promise<FolderPlan> {
    return this.#between(async () => this.#show(await this.#preview()), options)
  }

  explain(path: string, options: AbortOptions = {}): Promise<Explanation> {
    const { engine, folder } = this.#init
    return this.#between(async () => {
      engine.markDirty(parentPath(path))
      const plan = await engine.preview()
      const actions = actionsAt(plan, path)
      const waits = await engine.waits(plan, actions)
      return await explain(folder, path, actions, { waits, braked: engine.isBraked(plan) })
    }, options)
  }

  trash(): TrashedFile[] {
    const records = [...this.#init.folder.journal.trash.values()]
    return records
      .map(({ name, path, print, time }) => ({ name, path, size: print.size, time }))
      .sort((a, b) => b.time - a.time)
  }

  restoreTrash(name: string, options: AbortOptions = {}): Promise<string> {
    return this.#between(() => this.#init.engine.restoreTrash(name), options)
  }

  /** Work that must not meet a round: it waits for the present one to end. */
  #between<T>(work: () => Promise<T>, { signal }: AbortOptions): Promise<T> {
    if (this.#closing !== undefined) return Promise.reject(closed())
    const task = new Task(async () => {
      signal?.throwIfAborted()
      await this.#prepare()
      return work()
    })
    this.#tasks.push(task)
    this.wake()
    return raceSignal(task.done, signal)
  }

  acceptPlan(options: AbortOptions = {}): Promise<FolderPlan> {
    const { engine } = this.#init
    return this.#between(async () => {
      const plan = await this.#preview()
      const shown = this.#show(plan)
      if (!shown.braked) return shown
      engine.accept(plan)
      engine.markDirty('all')
      if (!this.#paused) this.#board.say('syncing')
      return shown
    }, options)
  }

  #preview(): Promise<Plan> {
    const { engine } = this.#init
    engine.markDirty('all')
    return engine.preview()
  }

  #show(plan: Plan): FolderPlan {
    const { publish, apply, removals } = plan
    return { publish, apply, removals: removals.size, braked: this.#init.engine.isBraked(plan) }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#init.stop.abort(closed())
    this.wake()
    this.#barriers.end(closed())
    for (const task of this.#tasks.splice(0)) task.reject(closed())
    await this.#init.engine.fetcher.close()
    await Promise.all([this.#running, this.#watched])
    await this.#init.end()
  }

  async #run(): Promise<void> {
    const { signal } = this.#init.folder
    while (!signal.aborted) {
      this.#woken = false
      for (const task of this.#tasks.splice(0)) await task.run()
      const wait = this.#paused ? undefined : await this.#attempt()
      if (signal.aborted) return
      if (wait === undefined) await this.#sleep(RESCAN_MS)
      else if (wait !== 0) await this.#rest(wait)
      if (this.#woken || wait === 0) await this.#gather(wait === 0 || this.#barriers.size > 0)
    }
  }

  /** One round; returns milliseconds until the next one, unless something happens before. */
  async #attempt(): Promise<number | undefined> {
    const round = this.#round()
    this.#idle = round.then(
      () => undefined,
      () => undefined,
    )
    try {
      const wait = await round
      this.#failures = 0
      return wait
    } catch (error) {
      return this.#fail(error)
    }
  }

  async #round(): Promise<number | undefined> {
    const { engine, folder } = this.#init
    await this.#prepare()
    if (this.#isScanDue()) await engine.trash.purge()
    if (this.#barriers.scan()) engine.markDirty('all')
    this.#behind = false
    const round = await engine.round(
      (plan) => this.#board.count(plan),
      (path) => this.#board.done(path),
    )
    await folder.journal.flush(folder.synced)
    return this.#conclude(round)
  }

  async #prepare(): Promise<void> {
    if (this.#prepared) return
    await this.#init.prepare()
    this.#prepared = true
    // What is mounted here now may have nothing in common with what was watched.
    this.#watching.anew()
    this.#init.engine.markDirty('all')
  }

  /** Every hour or so, and every minute while nothing is watched, everything is looked at. */
  #isScanDue(): boolean {
    const { clock, random } = this.#init.folder
    const now = clock.monotonic()
    if (now < this.#nextScan) return false
    this.#init.engine.markDirty('all')
    const every = this.#watching.active ? RESCAN_MS : UNWATCHED_RESCAN_MS
    const jitter = 0.75 + (random.bytes(1)[0]! / 255) * 0.5
    this.#nextScan = now + every * jitter
    return true
  }

  #conclude(round: Round): number | undefined {
    const now = this.#init.folder.clock.monotonic()
    if (round.braked) return this.#brake(round.plan)
    this.#board.setError(undefined)
    this.#restless = round.progress || !round.dirty ? 0 : this.#restless + 1
    const awaiting = this.#init.engine.fetcher.awaiting().length > 0
    const waits = [...(round.next === undefined ? [] : [round.next]), this.#nextScan].map(
      (time) => time - now,
    )
    this.#board.count(round.plan)
    if (round.settled) {
      this.#barriers.pass()
      this.#board.say(awaiting || this.#board.pending > 0 || this.#behind ? 'syncing' : 'synced')
    } else this.#board.say('syncing')
    if (round.progress || round.dirty) return this.#restless > RESTLESS_ROUNDS ? FAILURE_RETRY_MS : 0
    return Math.max(1, Math.min(...waits))
  }

  #brake(plan: Plan): undefined {
    const error = new PeerfoldError('BRAKE', `${plan.removals.size} items would be removed`)
    this.#board.setError({ code: error.code, message: error.message })
    this.#barriers.fail(error)
    this.#board.say('paused')
    return undefined
  }

  #fail(error: unknown): number {
    const { signal } = this.#init.folder
    if (signal.aborted) return 0
    const failure = describeFailure(error) ?? { code: 'INTERNAL' as const, message: String(error) }
    this.#board.setError(failure)
    this.#barriers.fail(error)
    this.#board.say('error')
    this.#init.engine.markDirty('all')
    if (isPeerfoldError(error, 'FOLDER_MISSING')) {
      this.#prepared = false
      return MISSING_RETRY_MS
    }
    return Math.min(FAILURE_RETRY_MAX_MS, FAILURE_RETRY_MS * 2 ** this.#failures++)
  }

  /** Hints come in bursts, and contents one by one: a moment's rest lets them gather. */
  async #gather(hurry: boolean): Promise<void> {
    const { clock, signal } = this.#init.folder
    const rest = Math.min(GATHER_MAX_MS, Math.max(hurry ? 0 : DEBOUNCE_MS, this.#init.engine.lookMs))
    if (rest >= 1) await clock.sleep(rest, { signal }).catch(() => undefined)
  }

  /** Until woken, or the time is over, or the folder is gone. */
  async #rest(ms: number): Promise<void> {
    const { clock } = this.#init.folder
    const end = clock.monotonic() + ms
    for (let left = ms; left > 0 && !this.#woken; left = end - clock.monotonic()) {
      await this.#sleep(Math.min(left, PRESENCE_MS))
      if (!this.#woken && !(await this.#init.engine.isThere())) return
    }
  }

  /** Until woken, or the time is over. */
  async #sleep(ms: number): Promise<void> {
    const { clock, signal } = this.#init.folder
    const before = { wall: clock.now(), monotonic: clock.monotonic() }
    const woken = new AbortController()
    this.#wakeUp = () => woken.abort()
    // Closing wakes, too: no signal that outlives this sleep is listened to.
    if (this.#woken || signal.aborted) woken.abort()
    await clock.sleep(ms, { signal: woken.signal }).catch(() => undefined)
    this.#wakeUp = undefined
    const slept = clock.now() - before.wall - (clock.monotonic() - before.monotonic)
    if (slept > SLEPT_MS) this.#init.engine.markDirty('all')
  }
}

/** Work with its outcome. */
class Task<T> {
  readonly done: Promise<T>
  reject!: (error: unknown) => void
  #resolve!: (value: T) => void

  constructor(private readonly work: () => Promise<T>) {
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.reject = reject
    })
    this.done.catch(() => undefined)
  }

  async run(): Promise<void> {
    try {
      this.#resolve(await this.work())
    } catch (error) {
      this.reject(error)
    }
  }
}

function paused(): PeerfoldError {
  return new PeerfoldError('FOLDER_PAUSED', 'the folder is paused')
}

function closed(): PeerfoldError {
  return new PeerfoldError('CLOSED', 'the folder was closed')
}
