import { type LogPosition, type LogStore, PeerfoldError, type WorkspaceHandle } from '@peerfold/core'
import { type Sealed, sha256Now, toHex } from '@peerfold/core/relay'
import type { Health } from '../health.js'
import type { RelayCounters } from '../service.js'
import { encodeEntry, type LogEntry } from './records.js'
import {
  applyCommit,
  applyDropped,
  applyEpoch,
  applyKept,
  applyLease,
  applyMailbox,
  applyReset,
  readState,
  START_STATE,
} from './reduce.js'
import { keys, type MailboxRow, stateRow } from './rows.js'
import { type Rows, Stage } from './stage.js'

/** Commits and bytes of one append. */
const GROUP = { commits: 128, bytes: 256 * 1024 }
/** Jobs that may wait. Their bytes are bounded by who submits them. */
const MAX_WAITING = 8192
/** What a record costs in the log beside its bytes (PROTOCOL.md §8.2): positions are dense. */
const FRAME_HEAD = 8
/** What who finds the queue full is told to wait, milliseconds. */
const BUSY_MS = 500

/** What is told of a mailbox that grew: its next place, and what it costs. */
export type Grown = Pick<MailboxRow, 'next' | 'bytes'>

/** What a job does: look at rows, and append records, all of them or, when it throws, none. */
export interface Draft {
  stage: Stage
  append(entry: Exclude<LogEntry, { type: 'commit' }>): Promise<void>
  appendCommit(sealed: Sealed, sender: string): Promise<void>
  /** Whoever listens is told of these once all is durable. */
  changed(handle: WorkspaceHandle, now: Grown): void
}

/** What a job will cost, and rows that it is going to ask for. */
interface JobInit {
  commits: number
  bytes: number
  reads?: readonly string[]
}

interface Job extends JobInit {
  run(draft: Draft): Promise<unknown>
  resolve(result: unknown): void
  reject(error: unknown): void
  /** Runs by itself, between groups. */
  alone: (() => Promise<void>) | undefined
}

/** What a group of jobs has come to, before it is written. */
interface Group {
  stage: Stage
  records: Uint8Array[]
  position: LogPosition
  last: { position: LogPosition; record: Uint8Array } | undefined
  changed: Map<WorkspaceHandle, Grown>
  settled: Array<() => void>
}

export interface WriterInit {
  log: LogStore
  rows: Rows
  health: Health
  counters: RelayCounters
  onChange: (handle: WorkspaceHandle, now: Grown) => void
}

/**
 * The one queue through which everything goes that changes what the relay keeps: jobs of all workspaces, a group at a time. Order of writes: append
 * to the log, durable → one index batch that names the log position → acknowledged → told (PROTOCOL.md §10.9). While one group is being synced the
 * next one gathers, so a group is as large as the disk is slow.
 */
export class Writer {
  readonly #init: WriterInit
  readonly #waiting: Job[] = []
  #bytes = 0
  #working: Promise<void> | undefined
  #closed = false

  constructor(init: WriterInit) {
    this.#init = init
  }

  get waiting(): { jobs: number; bytes: number } {
    return { jobs: this.#waiting.length, bytes: this.#bytes }
  }

  /**
   * Resolves with what the job returned when all that it appended is durable.
   * @throws {PeerfoldError} what the job threw; `BUSY` when too much waits; why the relay is read-only; `CLOSED`
   */
  submit<T>(init: JobInit, run: (draft: Draft) => Promise<T>): Promise<T> {
    if (this.#waiting.length >= MAX_WAITING) return Promise.reject(busy())
    return this.#enqueue({ ...init, run, alone: undefined })
  }

  /** Runs a task while nothing else is written. */
  async alone(task: () => Promise<void>): Promise<void> {
    await this.#enqueue({ commits: 0, bytes: 0, run: async () => {}, alone: task })
  }

  /** Finishes what waits. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#working
  }

  #enqueue<T>(job: Omit<Job, 'resolve' | 'reject'>): Promise<T> {
    if (this.#closed) return Promise.reject(new PeerfoldError('CLOSED', 'the relay is closing'))
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push({ ...job, resolve: resolve as Job['resolve'], reject })
      this.#bytes += job.bytes
      this.#working ??= this.#work()
    })
  }

  async #work(): Promise<void> {
    await Promise.resolve()
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      if (first.alone === undefined) await this.#writeGroup()
      else await this.#runAlone(this.#take(), first.alone)
    }
    this.#working = undefined
  }

  async #runAlone(job: Job, task: () => Promise<void>): Promise<void> {
    await task().then(job.resolve, job.reject)
  }

  #take(): Job {
    const job = this.#waiting.shift() as Job
    this.#bytes -= job.bytes
    return job
  }

  /** At least one. */
  #takeGroup(): Job[] {
    const taken = [this.#take()]
    let { commits, bytes } = taken[0] as Job
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      commits += next.commits
      bytes += next.bytes
      const fits = commits <= GROUP.commits && bytes <= GROUP.bytes && taken.length < GROUP.commits
      if (next.alone !== undefined || !fits) break
      taken.push(this.#take())
    }
    return taken
  }

  async #writeGroup(): Promise<void> {
    const { log, rows } = this.#init
    const group: Group = {
      stage: new Stage(rows),
      records: [],
      position: log.end,
      last: undefined,
      changed: new Map(),
      settled: [],
    }
    const taken = this.#takeGroup()
    // One look at the index for all of them: one for each would take as many turns of a busy event loop. Who needs a damaged row finds out itself.
    await group.stage.getMany([...new Set(taken.flatMap(({ reads }) => reads ?? []))]).catch(() => {})
    for (const job of taken) await this.#runJob(group, job)
    try {
      await this.#write(group)
      for (const settle of group.settled) settle()
    } catch (error) {
      for (const job of taken) job.reject(error)
      return
    }
    for (const [handle, now] of group.changed) this.#init.onChange(handle, now)
  }

  /** What the job changes shows in the group only if all of it went well. */
  async #runJob(group: Group, job: Job): Promise<void> {
    const draft = new JobDraft(group.stage.fork(), group.position)
    try {
      const result = await job.run(draft)
      group.stage.merge(draft.stage)
      group.records.push(...draft.records)
      group.position = draft.position
      group.last = draft.last ?? group.last
      for (const [handle, now] of draft.changes) group.changed.set(handle, now)
      group.settled.push(() => job.resolve(result))
    } catch (error) {
      job.reject(error)
    }
  }

  async #write(group: Group): Promise<void> {
    const { log, rows, health, counters } = this.#init
    if (group.records.length > 0) {
      health.checkAlive()
      const positions = await log.append(group.records).catch((error) => {
        health.failed(error)
        throw error
      })
      if (positions.at(-1) !== group.last?.position) {
        throw health.failed(new PeerfoldError('INTERNAL', 'the log did not go on where it was expected to'))
      }
      await this.#mark(group)
    }
    if (group.stage.changes.size === 0) return
    await rows.write(group.stage.changes).catch((cause) => {
      // The log is ahead of the index now: nothing may be placed behind it before the index has caught up, at the next start.
      throw health.failed(new PeerfoldError('IO_FAILED', 'the index cannot be written', { cause }))
    })
    if (group.records.length > 0) counters.groups++
  }

  /** How far the index has come, in the batch itself. */
  async #mark({ stage, position, last }: Group): Promise<void> {
    if (last === undefined) return
    const state = (await readState(stage)) ?? START_STATE
    stage.put(
      keys.state,
      stateRow.encode({ ...state, position, last: { position: last.position, hash: hashOf(last.record) } }),
    )
  }
}

export function hashOf(record: Uint8Array): string {
  return toHex(sha256Now(record))
}

class JobDraft implements Draft {
  readonly stage: Stage
  readonly records: Uint8Array[] = []
  readonly changes = new Map<WorkspaceHandle, Grown>()
  position: LogPosition
  last: Group['last']

  constructor(stage: Stage, position: LogPosition) {
    this.stage = stage
    this.position = position
  }

  async append(entry: Exclude<LogEntry, { type: 'commit' }>): Promise<void> {
    const position = this.#append(entry)
    if (entry.type === 'mailbox') await applyMailbox(this.stage, entry)
    else if (entry.type === 'epoch') await applyEpoch(this.stage, entry)
    else if (entry.type === 'reset') await applyReset(this.stage, entry)
    else if (entry.type === 'kept') applyKept(this.stage, entry, position)
    else if (entry.type === 'lease') await applyLease(this.stage, entry, position)
    else await applyDropped(this.stage, entry)
  }

  async appendCommit(sealed: Sealed, sender: string): Promise<void> {
    const position = this.#append({ type: 'commit', handle: sealed.handle, sender, envelope: sealed.bytes })
    await applyCommit(this.stage, sealed, sender, position)
  }

  changed(handle: WorkspaceHandle, now: Grown): void {
    this.changes.set(handle, now)
  }

  #append(entry: LogEntry): LogPosition {
    const record = encodeEntry(entry)
    const { position } = this
    this.records.push(record)
    this.last = { position, record }
    this.position += FRAME_HEAD + record.length
    return position
  }
}

export function busy(retryAfter = BUSY_MS, what = 'too much waits to be written'): PeerfoldError {
  return new PeerfoldError('BUSY', what, { details: { retryAfter } })
}
