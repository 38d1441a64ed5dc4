import { randomBytes } from 'node:crypto'
import {
  type Crypto,
  isPeerfoldError,
  type LogRecord,
  type LogStore,
  type PeerfoldError,
} from '@peerfold/core'
import { decodeEnvelope, identify, type Sealed, toHex } from '@peerfold/core/relay'
import type { RelayLog } from '../types.js'
import { decodeEntry, encodeEntry, type LogEntry } from './records.js'
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
import { below, keys, type StateRow, stateRow } from './rows.js'
import { type Rows, Stage } from './stage.js'
import { hashOf } from './writer.js'

/** Records and bytes of one batch of the index. */
const BATCH = { records: 1024, bytes: 8 * 1024 * 1024 }
/** Mailboxes that begin another incarnation in one append. */
const RENEWED_AT_ONCE = 512

export interface ReplayInit {
  log: LogStore
  rows: Rows['inner']
  crypto: Pick<Crypto, 'hash'>
  told: RelayLog
  onDamage: () => void
}

/**
 * Brings the index to where the log is (PROTOCOL.md §10.9): from where it ended, or from the start when it is missing, damaged, or of another log.
 * When anything that was acknowledged turns out to be lost, every mailbox begins another incarnation: loss is never silent.
 *
 * @param restored the operator says that the disk is older than what devices have seen
 */
export async function catchUp(init: ReplayInit, restored = false): Promise<void> {
  const state = await readState(init.rows)
  if (state !== undefined && !(await isOfThisLog(init.log, state))) {
    init.told.error(
      { position: state.position, end: init.log.end },
      'the index knows more than the log: what is missing was lost',
    )
    await startAnew(init, true)
  }
  await replay(init)
  const caughtUp = (await readState(init.rows)) ?? START_STATE
  if (caughtUp.renew || restored) await renewAll(init)
}

/** After damage to the log or the index was found at work. */
export async function rebuild(init: ReplayInit): Promise<void> {
  await startAnew(init, false)
  await replay(init)
  if (((await readState(init.rows)) ?? START_STATE).renew) await renewAll(init)
}

/** Whether the log goes on behind the very record that the index saw last. */
async function isOfThisLog(log: LogStore, { position, last }: StateRow): Promise<boolean> {
  if (last === undefined) return position === 0
  if (position > log.end || position < log.start) return false
  try {
    const record = await log.get(last.position)
    return record.next === position && hashOf(record.bytes) === last.hash
  } catch (error) {
    if (isPeerfoldError(error, 'LOG_CORRUPT') || isPeerfoldError(error, 'LOG_POSITION_INVALID')) return false
    throw error
  }
}

/** The row that stays says first why: a crash in between must not make anyone forget. */
async function startAnew({ rows }: ReplayInit, lost: boolean): Promise<void> {
  const state = await readState(rows).catch(() => undefined)
  const renew = lost || state?.renew === true
  await rows.write(new Map([[keys.state, stateRow.encode({ ...START_STATE, renew })]]))
  await rows.clear(keys.state)
}

async function replay(init: ReplayInit): Promise<void> {
  const { log, rows } = init
  const state = (await readState(rows)) ?? START_STATE
  let batch: LogRecord[] = []
  let bytes = 0
  let lost = false
  const flush = async () => {
    if (batch.length > 0 || lost) await applyBatch(init, batch, lost)
    batch = []
    bytes = 0
    lost = false
  }
  for await (const record of readThrough(log, Math.max(state.position, log.start))) {
    if (isPeerfoldError(record)) {
      init.onDamage()
      init.told.error({ ...record.details }, 'a record of the log is damaged: passed over')
      lost = true
      continue
    }
    batch.push(record)
    bytes += record.bytes.length
    if (batch.length >= BATCH.records || bytes >= BATCH.bytes) await flush()
  }
  await flush()
}

async function* readThrough(log: LogStore, from: number): AsyncIterable<LogRecord | PeerfoldError> {
  for (let at = from; ; ) {
    try {
      for await (const record of log.read(at)) {
        yield record
        at = record.next
      }
      return
    } catch (error) {
      if (!isPeerfoldError(error, 'LOG_CORRUPT')) throw error
      yield error
      const { next } = error.details
      if (typeof next !== 'number' || next <= at) return
      at = next
    }
  }
}

async function applyBatch(init: ReplayInit, batch: readonly LogRecord[], lost: boolean): Promise<void> {
  const stage = new Stage(init.rows)
  const read = batch.map((record) => decodeRecord(record, init))
  const sealed = await openEnvelopes(init, read)
  await stage.getMany([
    ...new Set(sealed.flatMap(({ handle, id }) => [keys.mailbox(handle), keys.commit(handle, id)])),
  ])
  const commits = new Map(sealed.map((commit) => [commit.bytes, commit]))
  for (const [i, entry] of read.entries()) {
    const { position } = batch[i] as LogRecord
    if (entry !== undefined) await applyEntry(stage, entry, position, commits)
  }
  const unread = read.includes(undefined)
  const last = batch.at(-1)
  const state = (await readState(stage)) ?? START_STATE
  const renew = state.renew || lost || unread
  const reached =
    last === undefined
      ? { ...state, renew }
      : { ...state, renew, position: last.next, last: { position: last.position, hash: hashOf(last.bytes) } }
  stage.put(keys.state, stateRow.encode(reached))
  await init.rows.write(stage.changes)
}

/** Undefined for what has a sound checksum and says nothing: it counts as lost. */
function decodeRecord(record: LogRecord, init: ReplayInit): LogEntry | undefined {
  try {
    const entry = decodeEntry(record.bytes)
    if (entry.type === 'commit') decodeEnvelope(entry.envelope)
    return entry
  } catch (error) {
    if (!isPeerfoldError(error)) throw error
    init.onDamage()
    init.told.error(
      { position: record.position, reason: error.message },
      'a record of the log is no record of ours: passed over',
    )
    return undefined
  }
}

/** Commits with their ids. Their signatures were checked before they were written. */
function openEnvelopes(
  { crypto }: ReplayInit,
  entries: ReadonlyArray<LogEntry | undefined>,
): Promise<Sealed[]> {
  const envelopes = entries.flatMap((entry) =>
    entry?.type === 'commit' ? [decodeEnvelope(entry.envelope)] : [],
  )
  return identify(crypto, envelopes)
}

async function applyEntry(
  stage: Stage,
  entry: LogEntry,
  position: number,
  commits: ReadonlyMap<Uint8Array, Sealed>,
): Promise<void> {
  switch (entry.type) {
    case 'mailbox':
      return applyMailbox(stage, entry)
    case 'epoch':
      return applyEpoch(stage, entry)
    case 'reset':
      return applyReset(stage, entry)
    case 'commit':
      return applyCommit(stage, commits.get(entry.envelope) as Sealed, entry.sender, position)
    case 'kept':
      return applyKept(stage, entry, position)
    case 'lease':
      return applyLease(stage, entry, position)
    case 'dropped':
      return applyDropped(stage, entry)
  }
}

/** Every mailbox begins another incarnation: devices compare everything, and send again what is missing. */
async function renewAll(init: ReplayInit): Promise<void> {
  const { rows, told } = init
  let from = below('m/').gte
  let count = 0
  for (;;) {
    const found = await rows.keys({ gte: from, lt: below('m/').lt, limit: RENEWED_AT_ONCE })
    const last = found.at(-1)
    if (last === undefined) break
    await renew(
      init,
      found.map((key) => key.slice(2)),
    )
    count += found.length
    from = `${last}\0`
  }
  const state = (await readState(rows)) ?? START_STATE
  await rows.write(new Map([[keys.state, stateRow.encode({ ...state, renew: false })]]))
  told.warn({ mailboxes: count }, 'mailboxes began another incarnation')
}

async function renew({ log, rows }: ReplayInit, handles: readonly string[]): Promise<void> {
  const entries = handles.map(
    (handle) => ({ type: 'mailbox', handle, incarnation: newIncarnation() }) as const,
  )
  const records = entries.map(encodeEntry)
  const positions = await log.append(records)
  const stage = new Stage(rows)
  for (const entry of entries) await applyMailbox(stage, entry)
  const state = (await readState(stage)) ?? START_STATE
  const last = { position: positions.at(-1) as number, hash: hashOf(records.at(-1) as Uint8Array) }
  stage.put(keys.state, stateRow.encode({ ...state, position: log.end, last }))
  await rows.write(stage.changes)
}

export function newIncarnation(): string {
  return toHex(randomBytes(16))
}
