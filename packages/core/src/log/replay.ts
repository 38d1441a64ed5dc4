import { isPeerfoldError, PeerfoldError } from '../errors.js'
import type { Crypto } from '../ports/crypto.js'
import type { LogPosition, LogRecord, LogStore } from '../ports/log-store.js'
import { decodeEnvelope, identify } from './envelope.js'
import { MAX_GROUP, MAX_GROUP_BYTES } from './limits.js'
import type { Arrival } from './pipeline.js'
import { decodeRecord } from './record.js'

/** Commits of the own log in batches, with the position behind each batch. Damaged records are reported and passed over. */
export async function* readArrivals(
  store: LogStore,
  crypto: Pick<Crypto, 'hash'>,
  from: LogPosition,
  onDamage: (error: PeerfoldError) => void,
  signal?: AbortSignal,
): AsyncIterable<{ arrivals: Arrival[]; next: LogPosition }> {
  let records: LogRecord[] = []
  let bytes = 0
  for await (const record of readThrough(store, from, onDamage, signal)) {
    records.push(record)
    bytes += record.bytes.length
    if (records.length < MAX_GROUP && bytes < MAX_GROUP_BYTES) continue
    yield { arrivals: await toArrivals(records, crypto, onDamage), next: record.next }
    records = []
    bytes = 0
  }
  const arrivals = await toArrivals(records, crypto, onDamage)
  yield { arrivals, next: store.end }
}

async function* readThrough(
  store: LogStore,
  from: LogPosition,
  onDamage: (error: PeerfoldError) => void,
  signal?: AbortSignal,
): AsyncIterable<LogRecord> {
  for (let at = from; ; ) {
    try {
      for await (const record of store.read(at, signal ? { signal } : {})) {
        yield record
        at = record.next
      }
      return
    } catch (error) {
      if (!isPeerfoldError(error, 'LOG_CORRUPT')) throw error
      onDamage(error)
      const { next } = error.details
      if (typeof next !== 'number' || next <= at) return
      at = next
    }
  }
}

async function toArrivals(
  records: readonly LogRecord[],
  crypto: Pick<Crypto, 'hash'>,
  onDamage: (error: PeerfoldError) => void,
): Promise<Arrival[]> {
  const decoded = records.flatMap((record) => {
    try {
      const { received, envelope } = decodeRecord(record.bytes)
      return [{ record, received, envelope: decodeEnvelope(envelope) }]
    } catch (error) {
      if (!isPeerfoldError(error)) throw error
      onDamage(damaged(record, error))
      return []
    }
  })
  const sealed = await identify(
    crypto,
    decoded.map(({ envelope }) => envelope),
  )
  return decoded.map(({ record, received }, i) => {
    return { sealed: sealed[i] as Arrival['sealed'], received, position: record.position, next: record.next }
  })
}

function damaged({ position, next }: LogRecord, cause: Error): PeerfoldError {
  return new PeerfoldError('LOG_CORRUPT', `no commit lies at ${position}`, {
    cause,
    details: { position, next },
  })
}
