import { raceSignal } from '../async/deadline.js'
import { isPeerfoldError, PeerfoldError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'
import type { Watcher } from '../ports/watcher.js'
import type { FolderContext } from './context.js'
import { parentPath } from './disk-tree.js'
import type { FolderEngine, Round } from './engine.js'
import { actionsAt, type Explanation, explain } from './explain.js'
import { describeFailure } from './guard.js'
import { STATE_DIRECTORY } from './names.js'
import type { Plan } from './plan.js'
import type { FolderActivity, FolderPlan, FolderStatus, FolderSync, TrashedFile } from './types.js'

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
const REWATCH_MS = 60_000
const MISSING_RETRY_MS = 2_000
const FAILURE_RETRY_MS = 1_000
const FAILURE_RETRY_MAX_MS = 60_000
const STATUS_INTERVAL_MS = 200
/** Wall time running ahead of the monotonic clock by this much: the machine slept. */
const SLEPT_MS = 30_000
/** Rounds in a row that find the disk changed again without getting anything done. */
const RESTLESS_ROUNDS = 10

interface Barrier {
  /** Its scan began after the call. */
  scanned: boolean
  resolve(): void
  reject(error: unknown): void
}

/** Runs rounds of the engine whenever there is a reason to, and tells the world about it. */
export class FolderLoop implements FolderSync {
  readonly #init: FolderLoopInit
  readonly #statusListeners = new Set<(status: FolderStatus) => void>()
  readonly #activityListeners = new Set<(activity: FolderActivity) => void>()
  readonly #barriers = new Set<Barrier>()
  readonly #tasks: Task<any>[] = []
  #state: FolderStatus['state'] = 'syncing'
  #error: FolderStatus['error']
  #pending = { files: 0, bytes: 0 }
  #weights = new Map<string, number>()
  #paused = false
  #prepared = false
  #watched = false
  /** Ends the present watch, and begins another. */
  #watchEnd = new AbortController()
  #failures = 0
  #restless = 0
  #nextScan = 0
  #wakeUp: (() => void) | undefined
  #woken = false
  #statusSaidAt = 0
  /** The workspace changed since the last round began. */
  #behind = false
  #idle: Promise<void> = Promise.resolve()
  #running: Promise<unknown> | undefined
  #watching: Promise<void> | undefined
  #closing: Promise<void> | undefined

  constructor(init: FolderLoopInit) {
    this.#init = init
  }

  get directory(): string {
    return this.#init.folder.directory
  }

  /** @internal A folder that starts paused is watched from its first `resume` on. */
  start(prepared: boolean, paused = false): void {
    this.#prepared = prepared
    this.#paused = paused
    if (paused) this.#state = 'paused'
    else this.#watching = this.#watch()
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
    if (this.#state === 'synced') this.#say('syncing')
    this.wake()
  }

  /** @internal Other directories are ignored from now on. */
  watchAnew(): void {
    this.#watchEnd.abort()
  }

  /** @internal */
  tell(activity: FolderActivity): void {
    for (const listener of this.#activityListeners) listener(activity)
  }

  status(): FolderStatus {
    const awaiting = this.#init.engine.fetcher
      .awaiting()
      .map(({ path, version }) => ({ path, size: version.size }))
    const status: FolderStatus = {
      state: this.#state,
      pending: { ...this.#pending },
      awaiting,
      issues: this.#init.folder.issues.list(),
    }
    return this.#error === undefined ? status : { ...status, error: this.#error }
  }

  on(event: 'status', listener: (status: FolderStatus) => void): () => void
  on(event: 'activity', listener: (activity: FolderActivity) => void): () => void
  on(
    event: 'status' | 'activity',
    listener: ((it: FolderStatus) => void) & ((it: FolderActivity) => void),
  ): () => void {
    const listeners: Set<typeof listener> =
      event === 'status' ? this.#statusListeners : (this.#activityListeners as Set<any>)
    listeners.add(listener)
    return () => listeners.delete(listener)
  }

  settled(options: AbortOptions = {}): Promise<void> {
    if (this.#closing !== undefined) return Promise.reject(closed())
    if (options.signal?.aborted) return Promise.reject(options.signal.reason)
    if (this.#paused) return Promise.reject(paused())
    return new Promise((resolve, reject) => {
      const end = () => {
        this.#barriers.delete(barrier)
        options.signal?.removeEventListener('abort', onAbort)
      }
      const barrier: Barrier = {
        scanned: false,
        resolve: () => {
          end()
          resolve()
        },
        reject: (error) => {
          end()
          reject(error)
        },
      }
      const onAbort = () => barrier.reject(options.signal?.reason)
      options.signal?.addEventListener('abort', onAbort)
      this.#barriers.add(barrier)
      this.wake()
    })
  }

  async pause(): Promise<void> {
    this.#paused = true
    for (const barrier of [...this.#barriers]) barrier.reject(paused())
    this.wake()
    await this.#idle
    if (this.#closing === undefined) this.#say('paused')
  }

  async resume(): Promise<void> {
    if (!this.#paused || this.#closing !== undefined) return
    this.#paused = false
    this.#watching ??= this.#watch()
    this.#init.engine.markDirty('all')
    this.#say('syncing')
    this.wake()
  }

  plan(options: AbortOptions = {}): Promise<FolderPlan> {
    const { engine } = this.#init
    return this.#between(async () => {
      engine.markDirty('all')
      const plan = await engine.preview()
      const { publish, apply, removals } = plan
      return { publish, apply, removals, braked: engine.isBraked(plan) }
    }, options)
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

  acceptPlan(options: AbortOptions = {}): Promise<void> {
    const { engine } = this.#init
    return this.#between(async () => {
      const plan = await engine.preview()
      if (!engine.isBraked(plan)) return
      engine.accept(plan)
      engine.markDirty('all')
      if (!this.#paused) this.#say('syncing')
    }, options)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#init.stop.abort(closed())
    this.wake()
    for (const barrier of [...this.#barriers]) barrier.reject(closed())
    for (const task of this.#tasks.splice(0)) task.reject(closed())
    await this.#init.engine.fetcher.close()
    await Promise.all([this.#running, this.#watching])
    await this.#init.end()
  }

  async #run(): Promise<void> {
    const { signal } = this.#init.folder
    while (!signal.aborted) {
      this.#woken = false
      for (const task of this.#tasks.splice(0)) await task.run()
      const wait = this.#paused ? undefined : await this.#attempt()
      if (signal.aborted) return
      if (wait !== 0) await this.#sleep(wait)
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
    if (this.#isScanDue()) await engine.purge()
    for (const barrier of this.#barriers) {
      if (!barrier.scanned) engine.markDirty('all')
      barrier.scanned = true
    }
    this.#behind = false
    const round = await engine.round(
      (plan) => this.#count(plan),
      (path) => this.#counted(path),
    )
    await folder.journal.flush(folder.synced)
    return this.#conclude(round)
  }

  async #prepare(): Promise<void> {
    if (this.#prepared) return
    await this.#init.prepare()
    this.#prepared = true
    this.#init.engine.markDirty('all')
  }

  /** Every hour or so, and every minute while nothing is watched, everything is looked at. */
  #isScanDue(): boolean {
    const { clock, random } = this.#init.folder
    const now = clock.monotonic()
    if (now < this.#nextScan) return false
    this.#init.engine.markDirty('all')
    const every = this.#watched ? RESCAN_MS : UNWATCHED_RESCAN_MS
    const jitter = 0.75 + (random.bytes(1)[0]! / 255) * 0.5
    this.#nextScan = now + every * jitter
    return true
  }

  #conclude(round: Round): number | undefined {
    const now = this.#init.folder.clock.monotonic()
    if (round.braked) return this.#brake(round.plan)
    this.#error = undefined
    this.#restless = round.progress || !round.dirty ? 0 : this.#restless + 1
    const awaiting = this.#init.engine.fetcher.awaiting().length > 0
    const waits = [...(round.next === undefined ? [] : [round.next]), this.#nextScan].map(
      (time) => time - now,
    )
    this.#count(round.plan)
    if (round.settled) {
      for (const barrier of [...this.#barriers]) if (barrier.scanned) barrier.resolve()
      this.#say(awaiting || this.#pending.files > 0 || this.#behind ? 'syncing' : 'synced')
    } else this.#say('syncing')
    if (round.progress || round.dirty) return this.#restless > RESTLESS_ROUNDS ? FAILURE_RETRY_MS : 0
    return Math.max(1, Math.min(...waits))
  }

  #brake(plan: Plan): undefined {
    const error = new PeerfoldError('BRAKE', `${plan.removals} items would be removed`)
    this.#error = { code: error.code, message: error.message }
    this.#rejectBarriers(error)
    this.#say('paused')
    return undefined
  }

  #fail(error: unknown): number {
    const { signal } = this.#init.folder
    if (signal.aborted) return 0
    const failure = describeFailure(error) ?? { code: 'INTERNAL' as const, message: String(error) }
    this.#error = failure
    this.#rejectBarriers(error)
    this.#say('error')
    this.#init.engine.markDirty('all')
    if (isPeerfoldError(error, 'FOLDER_MISSING')) {
      this.#prepared = false
      return MISSING_RETRY_MS
    }
    return Math.min(FAILURE_RETRY_MAX_MS, FAILURE_RETRY_MS * 2 ** this.#failures++)
  }

  #rejectBarriers(error: unknown): void {
    for (const barrier of [...this.#barriers]) if (barrier.scanned) barrier.reject(error)
  }

  /** Hints come in bursts, and contents one by one: a moment's rest lets them gather. */
  async #gather(hurry: boolean): Promise<void> {
    const { clock, signal } = this.#init.folder
    const rest = Math.min(GATHER_MAX_MS, Math.max(hurry ? 0 : DEBOUNCE_MS, this.#init.engine.lookMs))
    if (rest >= 1) await clock.sleep(rest, { signal }).catch(() => undefined)
  }

  /** Until woken, or the time is over. */
  async #sleep(ms: number | undefined): Promise<void> {
    const { clock, signal } = this.#init.folder
    const before = { wall: clock.now(), monotonic: clock.monotonic() }
    const woken = new AbortController()
    this.#wakeUp = () => woken.abort()
    // Closing wakes, too: no signal that outlives this sleep is listened to.
    if (this.#woken || signal.aborted) woken.abort()
    await clock.sleep(ms ?? RESCAN_MS, { signal: woken.signal }).catch(() => undefined)
    this.#wakeUp = undefined
    const slept = clock.now() - before.wall - (clock.monotonic() - before.monotonic)
    if (slept > SLEPT_MS) this.#init.engine.markDirty('all')
  }

  async #watch(): Promise<void> {
    const { folder } = this.#init
    const { signal, clock } = folder
    while (!signal.aborted) {
      this.#watchEnd = new AbortController()
      const ended = await this.#watchOnce(AbortSignal.any([signal, this.#watchEnd.signal]))
      if (signal.aborted) return
      // Whatever happens until the next watch is in force is found by the scan that its readiness asks for.
      if (this.#watchEnd.signal.aborted) continue
      this.#watched = false
      if (ended !== undefined)
        folder.issues.add(
          '',
          'IO_FAILED',
          `changes can't be watched, the folder is scanned every minute: ${ended}`,
        )
      this.#nextScan = Math.min(this.#nextScan, clock.monotonic() + UNWATCHED_RESCAN_MS)
      await clock.sleep(REWATCH_MS, { signal }).catch(() => undefined)
    }
  }

  /** @returns why it ended, if it failed */
  async #watchOnce(signal: AbortSignal): Promise<string | undefined> {
    const { folder, watcher, engine } = this.#init
    const onReady = () => {
      this.#watched = true
      folder.issues.clear('')
      engine.markDirty('all')
      this.wake()
    }
    const { rules } = folder.ignore
    const skips = (directory: string) =>
      directory.startsWith(`${STATE_DIRECTORY}/`) || rules.find(directory, 'folder') !== undefined
    try {
      for await (const hint of watcher.watch(folder.directory, { signal, onReady, skips })) {
        engine.markDirty(hint.type === 'overflow' ? 'all' : hint.directory)
        this.wake()
      }
    } catch (error) {
      if (!signal.aborted) return describeFailure(error)?.message ?? String(error)
    }
    return undefined
  }

  #count(plan: Plan): void {
    this.#weights = new Map()
    for (const action of [...plan.publish, ...plan.apply])
      if (action.do === 'create' || action.do === 'edit') this.#weights.set(action.path, action.bytes)
    this.#total()
    if (this.#weights.size > 0 && this.#state === 'synced') this.#say('syncing')
  }

  #counted(path: string): void {
    this.#weights.delete(path)
    const now = this.#init.folder.clock.monotonic()
    if (now - this.#statusSaidAt < STATUS_INTERVAL_MS) return
    this.#total()
    this.#say(this.#state)
  }

  #total(): void {
    let bytes = 0
    for (const weight of this.#weights.values()) bytes += weight
    this.#pending = { files: this.#weights.size, bytes }
  }

  #lastSaid = ''

  #say(state: FolderStatus['state']): void {
    this.#state = state
    this.#statusSaidAt = this.#init.folder.clock.monotonic()
    const status = this.status()
    const summary = JSON.stringify([
      status.state,
      status.pending,
      status.error,
      status.issues,
      status.awaiting,
    ])
    if (summary === this.#lastSaid) return
    this.#lastSaid = summary
    for (const listener of this.#statusListeners) listener(status)
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
