import { decodeCbor, encodeCbor } from '../encoding/cbor.js'
import { deriveKey } from '../encoding/derive.js'
import { isPeerfoldError, PeerfoldError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'
import type { Crypto } from '../ports/crypto.js'
import type { LogStore } from '../ports/log-store.js'
import type { Random } from '../ports/random.js'

/**
 * What belongs to this device alone and cannot be rebuilt from any log: its secrets, identity entries, workspace keys, feeds, addresses.
 * Small named values, each change durable before it counts. Every record is sealed under the home's key (PROTOCOL.md §8).
 */
export interface DeviceJournal {
  get(key: string): Uint8Array | undefined
  /** Keys that begin with `prefix`, sorted. */
  keys(prefix: string): string[]
  /** All or nothing; durable when it resolves. `undefined` removes. */
  set(
    entries: ReadonlyArray<readonly [key: string, value: Uint8Array | undefined]>,
    options?: AbortOptions,
  ): Promise<void>
  /** Records that could not be read at opening: bit rot. What they said is lost. */
  readonly damaged: number
  close(): Promise<void>
}

export interface DeviceJournalInit {
  store: LogStore
  /** 32 bytes. */
  key: Uint8Array
  crypto: Crypto
  random: Random
}

type Entry = [key: string, value: Uint8Array | null]

const FORMAT_VERSION = 1
/** Rewriting pays off when the log is mostly history. */
const COMPACT_FACTOR = 8
const COMPACT_MIN_BYTES = 256 * 1024

/** @throws {PeerfoldError} `DECRYPT_FAILED` when `key` is not the one it was written with */
export async function openDeviceJournal(
  init: DeviceJournalInit,
  options?: AbortOptions,
): Promise<DeviceJournal> {
  const { entries, damaged } = await replay(init, options)
  let queue: Promise<unknown> = Promise.resolve()
  const write = async (batch: Entry[], writeOptions?: AbortOptions): Promise<void> => {
    await init.store.append([await sealRecord(init, batch)], writeOptions)
    for (const [key, value] of batch) {
      if (value === null) entries.delete(key)
      else entries.set(key, value)
    }
    await compact(init, entries)
  }
  return {
    damaged,
    get: (key) => entries.get(key),
    keys: (prefix) => [...entries.keys()].filter((key) => key.startsWith(prefix)).sort(),
    set: (batch, setOptions) => {
      const records = batch.map(([key, value]): Entry => [key, value ?? null])
      const done = queue.then(() => write(records, setOptions))
      queue = done.catch(() => {})
      return done
    },
    close: async () => {
      await queue
      await init.store.close()
    },
  }
}

async function replay(
  init: DeviceJournalInit,
  options?: AbortOptions,
): Promise<{ entries: Map<string, Uint8Array>; damaged: number }> {
  const entries = new Map<string, Uint8Array>()
  let damaged = 0
  let position = init.store.start
  while (position < init.store.end) {
    try {
      for await (const record of init.store.read(position, options)) {
        applyRecord(entries, await openRecord(init, record.bytes))
        position = record.next
      }
      break
    } catch (error) {
      const next = isPeerfoldError(error, 'LOG_CORRUPT') ? error.details.next : undefined
      if (typeof next !== 'number' || next <= position) throw error
      damaged++
      position = next
    }
  }
  return { entries, damaged }
}

function applyRecord(entries: Map<string, Uint8Array>, batch: Entry[]): void {
  for (const [key, value] of batch) {
    if (value === null) entries.delete(key)
    else entries.set(key, value)
  }
}

/** A snapshot of all is appended first, then what lies before it is dropped: a crash between the two loses nothing. */
async function compact(init: DeviceJournalInit, entries: Map<string, Uint8Array>): Promise<void> {
  const bytes = init.store.end - init.store.start
  let live = 0
  for (const [key, value] of entries) live += key.length + value.length
  if (bytes < COMPACT_MIN_BYTES || bytes < live * COMPACT_FACTOR) return
  const [position] = await init.store.append([await sealRecord(init, [...entries])])
  await init.store.truncate(position as number)
}

async function sealRecord({ crypto, random, key }: DeviceJournalInit, batch: Entry[]): Promise<Uint8Array> {
  const salt = random.bytes(32)
  const [sealed] = await crypto.seal([{ key: deriveKey(key, 'journal', salt), plaintext: encodeCbor(batch) }])
  return encodeCbor([FORMAT_VERSION, salt, sealed])
}

async function openRecord({ crypto, key }: DeviceJournalInit, bytes: Uint8Array): Promise<Entry[]> {
  const [version, salt, sealed] = decodeCbor(bytes, 'HOME_INVALID') as [unknown, Uint8Array, Uint8Array]
  if (version !== FORMAT_VERSION)
    throw new PeerfoldError('HOME_INVALID', `journal format ${String(version)} is not known`, {
      hint: 'This home was written by a newer Peerfold: update this one.',
    })
  const [plaintext] = await crypto.open([{ key: deriveKey(key, 'journal', salt), ciphertext: sealed }])
  return decodeCbor(plaintext as Uint8Array, 'HOME_INVALID') as Entry[]
}
