import { type AbortOptions, isPeerfoldError, type LogPosition } from '@peerfold/core'
import { decodeCbor } from '@peerfold/core/relay'
import type { CID } from 'multiformats/cid'
import { cidOf } from './blocks/shared-blocks.js'
import type { RelayHome } from './home.js'
import { decodeEntry } from './mailbox/records.js'

export interface Damage {
  what: 'log' | 'index' | 'block'
  /** A position of the log, a key of the index, the name of a block. */
  name: string
  message: string
}

export interface VerifyReport {
  /** That were read and are sound. */
  records: number
  rows: number
  blocks: number
  damaged: Damage[]
}

type Stores = Pick<RelayHome, 'log' | 'index' | 'blocks'>

/** Blocks that are looked up or hashed at a time. */
const BATCH = 64

/**
 * Reads all that a relay holds: each record of the log and row of the index, by their checksums; each block, by its name; and whether each block that the
 * index lists is there. A damaged block is moved aside, so that a device can bring it again.
 */
export async function verifyStores(stores: Stores, options: AbortOptions = {}): Promise<VerifyReport> {
  const report: VerifyReport = { records: 0, rows: 0, blocks: 0, damaged: [] }
  await verifyLog(stores, report, options)
  await verifyBlocks(stores, report, options)
  await verifyIndex(stores, report, options)
  return report
}

async function verifyLog({ log }: Stores, report: VerifyReport, options: AbortOptions): Promise<void> {
  let from: LogPosition | undefined = log.start
  while (from !== undefined) from = await verifyLogFrom(log, from, report, options)
}

/** @returns where to go on behind damage */
async function verifyLogFrom(
  log: Stores['log'],
  from: LogPosition,
  report: VerifyReport,
  options: AbortOptions,
): Promise<LogPosition | undefined> {
  let position = from
  try {
    for await (const record of log.read(from, options)) {
      position = record.next
      verifyRecord(record, report)
    }
    return undefined
  } catch (error) {
    if (!isPeerfoldError(error, 'LOG_CORRUPT')) throw error
    const { position: at = position, next } = error.details as { position?: number; next?: number }
    report.damaged.push({ what: 'log', name: String(at), message: error.message })
    return next !== undefined && next > from ? next : undefined
  }
}

function verifyRecord({ position, bytes }: { position: number; bytes: Uint8Array }, report: VerifyReport) {
  try {
    decodeEntry(bytes)
    report.records++
  } catch (error) {
    report.damaged.push({ what: 'log', name: String(position), message: (error as Error).message })
  }
}

async function verifyBlocks({ blocks }: Stores, report: VerifyReport, options: AbortOptions): Promise<void> {
  const verify = async (cid: CID) => {
    try {
      await blocks.get(cid, options)
      report.blocks++
    } catch (error) {
      if (!isPeerfoldError(error, 'BLOCK_CORRUPT')) throw error
      report.damaged.push({
        what: 'block',
        name: cid.toString(),
        message: 'its bytes are not what its name says',
      })
    }
  }
  for await (const batch of inBatches(blocks.list(options))) await Promise.all(batch.map(verify))
}

/** The index is rebuilt from the log when it is damaged; what it lists and is nowhere is lost until a device brings it. */
async function verifyIndex(stores: Stores, report: VerifyReport, options: AbortOptions): Promise<void> {
  const known = new Set(report.damaged.filter(({ what }) => what === 'block').map(({ name }) => name))
  try {
    for await (const batch of inBatches(rowsOf(stores, options))) {
      report.rows += batch.length
      await verifyListed(stores, batch, known, report, options)
    }
  } catch (error) {
    if (!isPeerfoldError(error, 'INDEX_CORRUPT')) throw error
    report.damaged.push({
      what: 'index',
      name: 'index',
      message: `${error.message}; it is built anew at the next start`,
    })
  }
}

async function* rowsOf({ index }: Stores, options: AbortOptions): AsyncGenerator<string> {
  for await (const [key, value] of index.iterator({ signal: options.signal })) {
    // Rows whose key says all have no value.
    if (value.length > 0) decodeCbor(value, 'INDEX_CORRUPT')
    yield key
  }
}

async function verifyListed(
  { blocks }: Stores,
  rows: readonly string[],
  known: Set<string>,
  report: VerifyReport,
  options: AbortOptions,
): Promise<void> {
  const digests = rows.flatMap((key) => /^b\/([0-9a-f]{64})\//.exec(key)?.[1] ?? [])
  const cids = [...new Set(digests)].map(cidOf).filter((cid) => !known.has(cid.toString()))
  const held = await blocks.has(cids, options)
  for (const [i, cid] of cids.entries()) {
    if (held[i] === true) continue
    known.add(cid.toString())
    report.damaged.push({ what: 'block', name: cid.toString(), message: 'it is listed, and not there' })
  }
}

async function* inBatches<T>(items: AsyncIterable<T>): AsyncGenerator<T[]> {
  let batch: T[] = []
  for await (const item of items) {
    batch.push(item)
    if (batch.length < BATCH) continue
    yield batch
    batch = []
  }
  if (batch.length > 0) yield batch
}
