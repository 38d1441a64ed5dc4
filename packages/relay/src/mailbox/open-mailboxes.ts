import { type Crypto, isPeerfoldError, type KeyValue } from '@peerfold/core'
import type { Health } from '../health.js'
import { type RelayHome, withReserve } from '../home.js'
import type { RelayCounters } from '../service.js'
import type { RelayLog } from '../types.js'
import { Mailboxes } from './mailboxes.js'
import { catchUp, type ReplayInit, rebuild } from './replay.js'
import { below } from './rows.js'
import { Rows } from './stage.js'
import { Writer, type WriterInit } from './writer.js'

const MAX_TOLD = 100_000

export interface OpenMailboxesInit {
  home: RelayHome
  crypto: Crypto
  health: Health
  counters: RelayCounters
  told: RelayLog
  /** Devices have seen more than this disk holds. */
  restored: boolean
  onChange: WriterInit['onChange']
}

export interface OpenedMailboxes {
  rows: Rows
  writer: Writer
  mailboxes: Mailboxes
}

/** Mailboxes, with the index where the log is. An index that opens and cannot be used is moved aside: the log rebuilds it. */
export async function openMailboxes(init: OpenMailboxesInit): Promise<OpenedMailboxes> {
  try {
    return await open(init, init.home.index)
  } catch (error) {
    if (isPeerfoldError(error) && error.code !== 'INDEX_CORRUPT') throw error
    init.told.error({ reason: String(error) }, 'the index cannot be used: moved aside, and built anew')
    return open(init, await init.home.replaceIndex())
  }
}

async function open(init: OpenMailboxesInit, db: KeyValue): Promise<OpenedMailboxes> {
  const { home, crypto, health, counters, told, restored, onChange } = init
  let repairing = false
  const repair = () => {
    if (!repairing) void repairAtWork()
  }
  const rows = new Rows({ db, onDamage: repair })
  const replay: ReplayInit = {
    log: home.log,
    rows: rows.inner,
    crypto,
    told,
    onDamage: () => counters.damagedRecords++,
  }
  await withReserve(home.directory, () => catchUp(replay, restored))
  const writer = new Writer({ log: home.log, rows, health, counters, onChange })
  const mailboxes = new Mailboxes({ log: home.log, rows, onDamage: repair })
  const repairAtWork = async () => {
    repairing = true
    try {
      await writer.alone(() => rows.pausedWhile(() => rebuild(replay)))
      repairing = false
      await tellAll(rows, mailboxes, onChange)
    } catch (error) {
      // Reading and writing go on as far as they can; the next start builds it anew.
      if (!isPeerfoldError(error, 'CLOSED')) health.failed(error)
    }
  }
  return { rows, writer, mailboxes }
}

/** Whoever has one open is to look: it began another incarnation. */
async function tellAll(rows: Rows, mailboxes: Mailboxes, onChange: OpenMailboxesInit['onChange']) {
  const found = await rows.keys({ ...below('m/'), limit: MAX_TOLD })
  for (const key of found) {
    const handle = key.slice(2)
    const mailbox = await mailboxes.get(handle)
    if (mailbox !== undefined) onChange(handle, mailbox)
  }
}
