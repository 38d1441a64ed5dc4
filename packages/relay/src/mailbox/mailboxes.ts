import {
  type CommitId,
  type EpochId,
  type FeedId,
  isPeerfoldError,
  type LogStore,
  PeerfoldError,
  type WorkspaceHandle,
} from '@peerfold/core'
import { MAX_BATCH_BYTES, MAX_BATCH_COMMITS, MAX_HEADS, START_CHAIN } from '@peerfold/core/relay'
import type { Standing } from './jobs.js'
import { decodeEntry } from './records.js'
import { readMailbox, readState, START_STATE } from './reduce.js'
import {
  below,
  type EpochRow,
  epochRow,
  keys,
  type MailboxRow,
  numberRow,
  type PlaceRow,
  placeRow,
  readTip,
  type StateRow,
} from './rows.js'
import type { Rows } from './stage.js'

/** Records of the log that are read at once for one answer. */
const READS_AT_ONCE = 32

export interface MailboxesInit {
  log: LogStore
  rows: Rows
  /** A record of the log cannot be read. */
  onDamage: () => void
}

/** A part of a mailbox, as one answer carries it. */
export interface Reading {
  envelopes: Uint8Array[]
  /** Behind the last of them. */
  standing: Standing
  more: boolean
}

/** What mailboxes hold, read from the index and the log. */
export class Mailboxes {
  readonly #init: MailboxesInit

  constructor(init: MailboxesInit) {
    this.#init = init
  }

  get(handle: WorkspaceHandle): Promise<MailboxRow | undefined> {
    return readMailbox(this.#init.rows, handle)
  }

  async epoch(handle: WorkspaceHandle, epoch: EpochId): Promise<EpochRow | undefined> {
    const bytes = await this.#init.rows.get(keys.epoch(handle, epoch))
    return bytes === undefined ? undefined : epochRow.decode(bytes)
  }

  async totals(): Promise<StateRow> {
    return (await readState(this.#init.rows)) ?? START_STATE
  }

  /** Commits that no other one follows: of a feed that forked, several. */
  async heads(handle: WorkspaceHandle): Promise<Array<{ feed: FeedId; seq: number; id: CommitId }>> {
    const found = await this.#init.rows.keys({ ...below(keys.tips(handle)), limit: MAX_HEADS })
    return found.map(readTip)
  }

  /** The place behind the commit that the epoch after this one was announced by: 1 as long as that is not here (PROTOCOL.md §10.4). */
  async rotationEnd(handle: WorkspaceHandle, epoch: EpochRow): Promise<number> {
    const rotation = epoch.next?.rotation
    if (rotation === undefined) return 1
    const bytes = await this.#init.rows.get(keys.commit(handle, rotation))
    return bytes === undefined ? 1 : numberRow.decode(bytes) + 1
  }

  /** How the mailbox stood when `next` was its next place. */
  async standingAt(handle: WorkspaceHandle, next: number): Promise<Standing> {
    const mailbox = await this.#require(handle)
    if (next >= mailbox.next) return mailbox
    return { incarnation: mailbox.incarnation, next, chain: await this.#chainBefore(handle, next) }
  }

  /**
   * Commits from a place on, as many as fit one message.
   *
   * @param end the first place that may not be read
   */
  async read(handle: WorkspaceHandle, from: number, end = Number.POSITIVE_INFINITY): Promise<Reading> {
    const mailbox = await this.#require(handle)
    const limit = Math.min(end, mailbox.next)
    if (from >= limit) {
      return { envelopes: [], standing: await this.standingAt(handle, limit), more: false }
    }
    const places = await this.#places(handle, from, limit)
    const envelopes = await this.#envelopes(places)
    await this.#checkSame(handle, mailbox)
    const next = from + places.length
    const chain = (places.at(-1) as PlaceRow).chain
    return { envelopes, standing: { incarnation: mailbox.incarnation, next, chain }, more: next < limit }
  }

  async #places(handle: WorkspaceHandle, from: number, end: number): Promise<PlaceRow[]> {
    const most = Math.min(MAX_BATCH_COMMITS, end - from)
    const range = { gte: keys.place(handle, from), lt: keys.place(handle, end), limit: most }
    const rows = (await this.#init.rows.values(range)).map((bytes) => placeRow.decode(bytes))
    if (rows.length !== most) throw this.#damaged(undefined)
    let bytes = 0
    const over = rows.findIndex((row) => {
      bytes += row.bytes
      return bytes > MAX_BATCH_BYTES
    })
    return over < 0 ? rows : rows.slice(0, Math.max(1, over))
  }

  async #envelopes(places: readonly PlaceRow[]): Promise<Uint8Array[]> {
    const envelopes: Uint8Array[] = []
    for (let at = 0; at < places.length; at += READS_AT_ONCE) {
      const batch = places.slice(at, at + READS_AT_ONCE)
      envelopes.push(...(await Promise.all(batch.map(({ position }) => this.#envelope(position)))))
    }
    return envelopes
  }

  async #envelope(position: number): Promise<Uint8Array> {
    try {
      const { bytes } = await this.#init.log.get(position)
      const entry = decodeEntry(bytes)
      if (entry.type === 'commit') return entry.envelope
      throw new PeerfoldError('LOG_CORRUPT', 'another record lies where a commit should')
    } catch (error) {
      const damage = isPeerfoldError(error, 'LOG_CORRUPT') || isPeerfoldError(error, 'LOG_POSITION_INVALID')
      throw damage ? this.#damaged(error) : error
    }
  }

  async #chainBefore(handle: WorkspaceHandle, next: number): Promise<string> {
    if (next <= 1) return START_CHAIN
    const bytes = await this.#init.rows.get(keys.place(handle, next - 1))
    if (bytes === undefined) throw this.#damaged(undefined)
    return placeRow.decode(bytes).chain
  }

  /** Nobody is told a mixture of two incarnations. */
  async #checkSame(handle: WorkspaceHandle, { incarnation }: MailboxRow): Promise<void> {
    if ((await this.#require(handle)).incarnation === incarnation) return
    throw new PeerfoldError('BUSY', 'the mailbox has just begun anew', { details: { retryAfter: 100 } })
  }

  async #require(handle: WorkspaceHandle): Promise<MailboxRow> {
    const mailbox = await this.get(handle)
    if (mailbox !== undefined) return mailbox
    throw new PeerfoldError('WORKSPACE_NOT_FOUND', 'no such workspace is open here')
  }

  #damaged(cause: unknown): PeerfoldError {
    this.#init.onDamage()
    return new PeerfoldError('BUSY', 'stored commits are damaged: the mailbox begins anew', {
      cause,
      details: { retryAfter: 1000 },
    })
  }
}
