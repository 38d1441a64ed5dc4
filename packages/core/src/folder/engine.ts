import type { ItemId } from '../ports/ids.js'
import { applyContents, type ContentOutcome } from './apply-content.js'
import { type ApplyOutcome, applyStructure } from './apply-structure.js'
import { absolute, diskAt, type FolderContext, occupantAt } from './context.js'
import { type DiskNode, isWithin, parentPath } from './disk-tree.js'
import type { PlannedAction } from './explain.js'
import { Fetcher } from './fetcher.js'
import { inodeKey, isRacy, sameFingerprint } from './fingerprint.js'
import { describeFailure } from './guard.js'
import { IGNORE_FILE } from './ignore.js'
import { forEachParallel } from './parallel.js'
import { Patience, type PatienceInit } from './patience.js'
import { type ApplyAction, makePlan, type Plan, type PublishAction } from './plan.js'
import { publishContents } from './publish-content.js'
import { publishStructure } from './publish-structure.js'
import { recover } from './recover.js'
import { scan } from './scanner.js'
import { isGone, readStable } from './stable-read.js'
import type { StatePaths } from './state-directory.js'
import type { TrashLimits } from './trash.js'
import { TrashKeeper } from './trash-keeper.js'
import { listWaits, type Wait } from './waits.js'

export interface EngineInit {
  folder: FolderContext
  paths: StatePaths
  patience: PatienceInit
  trash: TrashLimits
  /** Whether the folder is still there. @throws `FOLDER_MISSING` */
  checkMarker(): Promise<void>
  /** Something became ready: run a round. */
  wake(): void
  /** Other paths are ignored from now on. */
  onRules(): void
}

/** What one round came to. */
export interface Round {
  /** Something was published or applied: another round is due at once. */
  progress: boolean
  /** More to look at, on disk, at once. */
  dirty: boolean
  /** When (monotonic milliseconds) to look again, if nothing happens before. */
  next: number | undefined
  /** Nothing more can be done until something changes. */
  settled: boolean
  /** Too many removals: nothing was done. */
  braked: boolean
  plan: Plan
}

/** What a round did. */
interface RoundOutcome {
  progress?: boolean
  waiting?: boolean
  braked?: boolean
  next?: number | undefined
}

const RULES_MS = 30_000
const BRAKE_ITEMS = 100
const BRAKE_SHARE = 0.25
const READERS = 4
const RETRY_APPLY_MS = 10_000
const NONE = new Uint8Array()

/** Scan, plan, publish, apply: one round after the other, each of which may be the last. */
export class FolderEngine {
  readonly fetcher: Fetcher
  readonly trash: TrashKeeper
  /** How long the last look at both sides took, in milliseconds. */
  lookMs = 0
  readonly #patience: Patience
  #dirty: Set<string> | 'all' = 'all'
  /** Items whose removal a person has accepted. */
  #accepted: ReadonlySet<ItemId> = new Set()
  #loaded = false
  /** When to look at the ignore rules again. */
  #rulesDue: number | undefined
  /** Until when at most nothing is published, because the ignore rules are not known yet. */
  #rulesAwaited: number | undefined

  constructor(private readonly init: EngineInit) {
    const { folder, paths, wake } = init
    this.#patience = new Patience(init.patience)
    this.trash = new TrashKeeper({
      folder,
      paths,
      limits: init.trash,
      onReturn: (directory) => this.markDirty(directory),
    })
    this.fetcher = new Fetcher({
      source: folder.source,
      clock: folder.clock,
      onChange: wake,
      onFailure: ({ path }, error) => {
        const failure = describeFailure(error)
        if (failure !== undefined) folder.issues.add(path, failure.code, failure.message)
      },
    })
  }

  get folder(): FolderContext {
    return this.init.folder
  }

  markDirty(directory: string | 'all'): void {
    if (directory === 'all') this.#dirty = 'all'
    else if (this.#dirty !== 'all') this.#dirty.add(directory)
  }

  /** The brake lets go of what this plan removes, until that is done. */
  accept(plan: Plan): void {
    this.#accepted = plan.removals
  }

  /** @param onStart told how much there is to do, before it is done */
  async round(onStart: (plan: Plan) => void, onDone: (path: string) => void): Promise<Round> {
    const { folder } = this
    const began = folder.clock.monotonic()
    await this.#recover()
    const plan = await this.preview()
    this.lookMs = folder.clock.monotonic() - began
    onStart(plan)
    if (this.isBraked(plan)) return this.#finish(plan, { braked: true })
    const due = this.#sift(plan)
    const published = await this.#publish(due.actions, onDone)
    // A plan is good only for the workspace that it was made of.
    const changed = await this.#refresh()
    const second = published || changed ? await this.#plan() : plan
    if (this.isBraked(second)) return this.#finish(second, { braked: true })
    const applied = await this.#apply(second)
    const captured = await this.trash.checkDue(folder.clock.monotonic())
    const progress = published || applied || captured
    return this.#finish(second, { progress, next: due.next, waiting: due.waiting })
  }

  /** What the last round had begun and could not see to its end is no change of a person. */
  async #recover(): Promise<void> {
    const { folder, paths, checkMarker } = this.init
    if (folder.journal.intents.size === 0) return
    await checkMarker()
    await recover(folder, paths)
  }

  /** Whether the folder lies where it did: one look, and no round. */
  async isThere(): Promise<boolean> {
    return await this.init.checkMarker().then(
      () => true,
      () => false,
    )
  }

  /** What the next round would do: looks at everything that may have changed, and does nothing. */
  async preview(): Promise<Plan> {
    await this.#refresh()
    await this.init.checkMarker()
    await this.#refreshRules()
    await this.#scan()
    await this.init.checkMarker()
    return this.#plan()
  }

  /** What actions of a plan wait for, before they can be done. */
  async waits(plan: Plan, actions: PlannedAction[]): Promise<Wait[]> {
    const { clock, signal } = this.folder
    const [now, wall] = [clock.monotonic(), clock.now()]
    const holdups = {
      rulesDue: this.#awaitRules(plan, now),
      due: (action: PublishAction) => this.#dueOf(action, now, wall),
      since: (path: string) => this.#patience.pendingSince(path),
    }
    return await listWaits(this.folder, this.fetcher, holdups, actions, { signal })
  }

  async #refreshRules(): Promise<void> {
    const { ignore, clock, signal } = this.folder
    const { changed, due } = await ignore.refresh(clock.monotonic(), { signal })
    if (changed) {
      this.markDirty('all')
      this.init.onRules()
    }
    this.#rulesDue = due
  }

  /** @returns whether the workspace has changed since */
  async #refresh(): Promise<boolean> {
    const { merged, signal } = this.folder
    const changed = !this.#loaded || merged.stale
    if (!this.#loaded) await merged.load({ signal })
    this.#loaded = true
    while (merged.stale) await merged.refresh({ signal })
    return changed
  }

  async #scan(): Promise<void> {
    const { folder } = this
    if (this.#dirty !== 'all' && this.#dirty.size === 0) return
    const dirty = this.#dirty
    this.#dirty = new Set()
    try {
      await scan(folder, dirty)
      if (dirty !== 'all') await this.#scanSources()
    } catch (error) {
      this.#dirty = 'all'
      throw error
    }
  }

  /** What appeared here may be what is just vanishing there: look there too, so that a move is not seen as a copy. */
  async #scanSources(): Promise<void> {
    const { folder } = this
    const { synced, disk } = folder
    const sources = new Set<string>()
    let byInode: Map<string, string> | undefined
    for (const { node, path } of walk(disk, '')) {
      if (synced.at(path) !== undefined) continue
      byInode ??= new Map([...synced.entries()].map((entry) => [inodeKey(entry.print), entry.item]))
      const from = synced.path(byInode.get(inodeKey(node.print)) ?? '')
      if (from !== undefined) sources.add(parentPath(from))
    }
    if (sources.size > 0) await scan(folder, sources)
  }

  /** Plans; where bytes must be known first, reads them and plans again. */
  async #plan(): Promise<Plan> {
    const { folder } = this
    for (;;) {
      const { disk, synced, merged, clock, ignore, traits } = folder
      const world = { now: clock.now(), ignore: ignore.rules, executables: traits.executables }
      const plan = makePlan(disk, synced, merged, world)
      this.#renew(plan)
      for (const item of plan.forget) synced.drop(item)
      if (plan.identify.length === 0) return plan
      await forEachParallel(plan.identify, READERS, (path) => this.#identify(path))
    }
  }

  /** Content of a file, remembered with its fingerprint. What can't be read, or has changed since the scan, is like nothing. */
  async #identify(path: string): Promise<void> {
    const { folder } = this
    const { signal, source } = folder
    const node = diskAt(folder, path)
    if (node === undefined || node.type === 'folder') return
    node.plainRacy = isRacy(node.print, folder.clock.now())
    node.plain = NONE
    try {
      const identify = (bytes: AsyncIterable<Uint8Array>) => source.identify(bytes, { signal })
      const { print, value } = await readStable(folder.files, absolute(folder, path), node.type, identify, {
        signal,
      })
      if (sameFingerprint(print, node.print)) node.plain = value.plain
      else this.markDirty(parentPath(path))
    } catch (error) {
      if (signal.aborted) throw error
    }
  }

  /** New fingerprints of what is known to be unchanged, trusted as far as they could be when the bytes were read. */
  #renew(plan: Plan): void {
    const { synced } = this.folder
    for (const { item, path } of plan.note) {
      const entry = synced.get(item)!
      const node = diskAt(this.folder, path)
      if (node !== undefined)
        synced.put({
          ...entry,
          print: node.print,
          racy: node.plainRacy === true,
        })
    }
  }

  /** Whether a plan removes so much beyond what a person has accepted that it must be accepted first. */
  isBraked(plan: Plan): boolean {
    let unseen = 0
    for (const item of plan.removals) if (!this.#accepted.has(item)) unseen++
    return unseen > BRAKE_ITEMS && unseen > BRAKE_SHARE * this.folder.synced.size
  }

  /** What may be published now, and when to come back for the rest. */
  #sift(plan: Plan): { actions: PublishAction[]; next: number | undefined; waiting: boolean } {
    const { clock } = this.folder
    const [now, wall] = [clock.monotonic(), clock.now()]
    const awaited = this.#awaitRules(plan, now)
    const actions: PublishAction[] = []
    const waits: number[] = []
    const paths = new Set<string>()
    const gone = new Set<string>()
    const dues = plan.publish.map((action) => this.#dueOf(action, now, wall))
    // What a folder that goes had held must have left it before.
    const isRemoving = plan.publish.some(({ do: what }, i) => what === 'remove' && dues[i]! <= now)
    for (const [i, action] of plan.publish.entries()) {
      const doubtful = this.#isOwn(action) ? now + RETRY_APPLY_MS : 0
      const due = Math.max(awaited, doubtful, isRemoving && action.do === 'move' ? 0 : dues[i]!)
      if (action.do === 'remove' || action.do === 'move') gone.add(action.item)
      else paths.add(action.path)
      if (due <= now) actions.push(action)
      else {
        waits.push(due)
        this.markDirty(parentPath(action.path))
        if (action.do === 'move') this.markDirty(parentPath(action.from))
      }
    }
    this.#patience.prune(paths, gone, now)
    return { actions, next: waits.length === 0 ? undefined : Math.min(...waits), waiting: waits.length > 0 }
  }

  /** Whether this may be what this device did itself, and could not find out about yet. */
  #isOwn(action: PublishAction): boolean {
    for (const { path, entry } of this.folder.journal.intents.values())
      if (isWithin(action.path, path) || ('item' in action && action.item === entry.item)) return true
    return false
  }

  /** Rules that are just being written, or that others made and are on their way, come first, for a while: what they ignore must not be published. */
  #awaitRules(plan: Plan, now: number): number {
    const onTheirWay = plan.apply.some(({ do: what, path }) => what === 'create' && path === IGNORE_FILE)
    if (!onTheirWay && this.#rulesDue === undefined) this.#rulesAwaited = undefined
    else this.#rulesAwaited ??= now + RULES_MS
    return this.#rulesAwaited ?? 0
  }

  #dueOf(action: PublishAction, now: number, wall: number): number {
    // Where something else has taken the place, there is no doubt.
    if (action.do === 'remove')
      return occupantAt(this.folder, action.path) === undefined
        ? this.#patience.deletable(action.item, now)
        : 0
    // Editors move the old file away to write the new one under its name: a file that is gone may be back at once.
    if (action.do === 'move')
      return occupantAt(this.folder, action.from) === undefined &&
        diskAt(this.folder, action.path)?.kind === 'file'
        ? this.#patience.deletable(action.item, now)
        : 0
    if (action.do !== 'create' && action.do !== 'edit') return 0
    const node = diskAt(this.folder, action.path)
    return node === undefined ? 0 : this.#patience.readable(action.path, node, now, wall)
  }

  async #publish(actions: readonly PublishAction[], onDone: (path: string) => void): Promise<boolean> {
    const { folder } = this
    const structure = actions.filter((action) => action.do !== 'create' && action.do !== 'edit')
    const contents = actions.filter((action) => action.do === 'create' || action.do === 'edit')
    let progress = structure.length > 0 && (await publishStructure(folder, structure))
    await publishContents(folder, contents, {
      onDone: (path) => {
        progress = true
        this.#patience.published(path, folder.clock.monotonic())
        folder.issues.clear(path)
        onDone(path)
      },
      onFailure: (action, error) => this.#unread(action.path, error),
    })
    return progress
  }

  #unread(path: string, error: unknown): void {
    this.markDirty(parentPath(path))
    if (isGone(error)) return
    this.#patience.failed(path, this.folder.clock.monotonic())
    const failure = describeFailure(error)
    if (failure === undefined) throw error
    this.folder.issues.add(path, failure.code, failure.message)
  }

  async #apply(plan: Plan): Promise<boolean> {
    const { folder } = this
    const { paths } = this.init
    const contents = plan.apply.filter(isContent)
    this.#want(contents)
    const structure = plan.apply.filter((action) => !isContent(action))
    const before = new Set(folder.journal.trash.keys())
    let ready: ContentAction[]
    let done: ApplyOutcome
    let filled: ContentOutcome
    try {
      done = await applyStructure(folder, paths, structure as Parameters<typeof applyStructure>[2])
      ready = contents.filter((action) => this.#isReady(action))
      filled = await applyContents(folder, paths, ready)
    } finally {
      this.trash.expectWrites(before)
    }
    if ([...structure, ...ready].some((action) => action.path === IGNORE_FILE)) folder.ignore.replaced()
    for (const version of filled.missing) this.fetcher.lost(version)
    for (const directory of [...done.dirty, ...filled.dirty]) this.markDirty(directory)
    const cameMeanwhile = contents.some((action) => this.#isReady(action) && !ready.includes(action))
    return done.applied + filled.applied > 0 || cameMeanwhile
  }

  #want(contents: readonly ContentAction[]): void {
    const { merged } = this.folder
    this.fetcher.want(
      contents.flatMap(({ do: what, item, path }) => {
        const head = what === 'meta' ? undefined : merged.get(item)?.heads[0]
        return head === undefined ? [] : [{ path, version: head }]
      }),
    )
  }

  #isReady(action: ContentAction): boolean {
    const head = this.folder.merged.get(action.item)?.heads[0]
    return action.do === 'meta' || (head !== undefined && this.fetcher.isReady(head))
  }

  async restoreTrash(name: string): Promise<string> {
    await this.preview()
    const path = await this.trash.restore(name)
    this.markDirty(parentPath(path))
    return path
  }

  #finish(plan: Plan, done: RoundOutcome): Round {
    const { issues, merged, clock, journal } = this.folder
    const { progress = false, waiting = false, braked = false } = done
    issues.clearCode('CONFLICT')
    for (const item of merged.conflicts) this.#reportConflict(item)
    for (const path of plan.obstructed)
      issues.add(path, 'FILE_UNSUPPORTED', 'something that is not synced has this name; rename it')
    const sure = plan.unsure === undefined ? undefined : clock.monotonic() + plan.unsure - clock.now()
    const times = [done.next, sure, this.#rulesDue, ...this.trash.due]
    const stuck =
      journal.intents.size > 0 || plan.apply.some((action) => !isContent(action) || this.#isReady(action))
    if (stuck && !progress) times.push(clock.monotonic() + RETRY_APPLY_MS)
    const next = Math.min(...times.filter((time) => time !== undefined))
    const dirty = !waiting && (this.#dirty === 'all' || this.#dirty.size > 0)
    const settled =
      !progress &&
      !dirty &&
      !waiting &&
      sure === undefined &&
      !this.fetcher.checking &&
      !merged.stale &&
      this.#rulesDue === undefined
    if (settled) this.#accepted = new Set()
    return { progress, dirty, next: Number.isFinite(next) ? next : undefined, settled, braked, plan }
  }

  #reportConflict(item: string): void {
    const { synced, merged, issues } = this.folder
    const path = synced.path(item)
    const heads = merged.get(item)?.heads.length ?? 0
    if (path !== undefined)
      issues.add(path, 'CONFLICT', `${heads} versions compete; the newest is shown, all are kept`)
  }
}

type ContentAction = Extract<ApplyAction, { do: 'create' | 'edit' | 'meta' }>

function isContent(action: ApplyAction): action is ContentAction {
  return action.do === 'create' || action.do === 'edit' || action.do === 'meta'
}

function* walk(node: DiskNode, path: string): IterableIterator<{ node: DiskNode; path: string }> {
  for (const child of node.listing?.children.values() ?? []) {
    const childPath = path === '' ? child.name : `${path}/${child.name}`
    yield { node: child, path: childPath }
    if (child.kind === 'folder') yield* walk(child, childPath)
  }
}
