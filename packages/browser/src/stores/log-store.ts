import {
  type AbortOptions,
  type LogPosition,
  type LogRecord,
  type LogStore,
  PeerfoldError,
} from '@peerfold/core'
import { closed, stored } from './errors.js'
import { writeFenced } from './fence.js'
import { type Level, type OpenLevelInit, openLevel } from './open-level.js'

/*
 * Database layout: `r` + position as 16 decimal digits → checksum (8 bytes) ‖ record; `start` → position as text; `fence` → token.
 * Positions count records. An append is one IndexedDB transaction, so there is no torn tail: it is there or it is not.
 */
const DIGITS = 16
const CHECKSUM_BYTES = 8
const START = 'start'
/** Records are read this many at a time. */
const READ_BATCH = 16

export interface OpenLogStoreInit extends OpenLevelInit {
  /** Of this owner; each later one has a greater one, and stops what earlier ones may still write. @default 0 */
  token?: number
}

/**
 * Opens a log in IndexedDB.
 *
 * @param name names the database within the page's origin
 * @throws {PeerfoldError} `HOME_LOCKED` when another tab has it open, or has had it open with a later token
 */
export async function openLogStore(name: string, init: OpenLogStoreInit = {}): Promise<LogStore> {
  const { token = 0 } = init
  const level = await openLevel(name, init)
  try {
    await stored(`the log ${name}`, () => writeFenced(level, token, { puts: [] }))
    return await stored(`the log ${name}`, () => openOn(level, name, token))
  } catch (error) {
    await level.close()
    throw error
  }
}

async function openOn(level: Level, name: string, token: number): Promise<LogStore> {
  const start = await readStart(level)
  // A crash in mid-truncation leaves records before the start.
  await level.clear({ gte: keyOf(0), lt: keyOf(start) })
  const [last] = await level.keys({ gte: keyOf(start), lt: 's', reverse: true, limit: 1 }).all()
  const end = last === undefined ? start : positionOf(last) + 1
  return new LevelLogStore({ name, level, token }, start, end)
}

class LevelLogStore implements LogStore {
  readonly #name: string
  readonly #level: Level
  readonly #token: number
  #start: LogPosition
  #end: LogPosition
  /** Writes happen one after another. */
  #turn: Promise<unknown> = Promise.resolve()

  constructor(
    { name, level, token }: { name: string; level: Level; token: number },
    start: LogPosition,
    end: LogPosition,
  ) {
    this.#name = `the log ${name}`
    this.#level = level
    this.#token = token
    this.#start = start
    this.#end = end
  }

  get start(): LogPosition {
    return this.#start
  }

  get end(): LogPosition {
    return this.#end
  }

  async append(records: readonly Uint8Array[], options?: AbortOptions): Promise<LogPosition[]> {
    this.#check(options)
    // The caller may reuse its buffers once the call is made.
    const copies = records.map((record) => record.slice())
    return this.#inTurn(async () => {
      this.#check(options)
      const positions = copies.map((_, i) => this.#end + i)
      const entries = await Promise.all(
        copies.map((record, i) => encodeRecord(positions[i] as number, record)),
      )
      await this.#write((level) =>
        writeFenced(level, this.#token, {
          puts: entries.map((value, i) => [keyOf(positions[i] as number), value] as const),
        }),
      )
      this.#end += copies.length
      return positions
    })
  }

  async get(position: LogPosition, options?: AbortOptions): Promise<LogRecord> {
    this.#check(options)
    if (!this.#holds(position)) throw this.#invalid(position)
    const value = await stored(this.#name, () => this.#level.get(keyOf(position)))
    options?.signal?.throwIfAborted()
    return this.#decode(position, value)
  }

  read(from: LogPosition = this.#start, options?: AbortOptions): AsyncIterable<LogRecord> {
    return this.#read(from, this.#end, options)
  }

  async *#read(from: LogPosition, end: LogPosition, options?: AbortOptions): AsyncGenerator<LogRecord> {
    this.#check(options)
    if (from !== end && !this.#holds(from)) throw this.#invalid(from)
    for (let position = from; position < end; ) {
      const next = Math.min(position + READ_BATCH, end)
      const keys = Array.from({ length: next - position }, (_, i) => keyOf(position + i))
      const values = await stored(this.#name, () => this.#level.getMany(keys))
      for (const value of values) {
        this.#check(options)
        // What was truncated meanwhile is no longer part of the log.
        if (value !== undefined || position >= this.#start) yield await this.#decode(position, value)
        position++
      }
    }
  }

  async truncate(before: LogPosition, options?: AbortOptions): Promise<void> {
    this.#check(options)
    await this.#inTurn(async () => {
      this.#check(options)
      if (before <= this.#start) return
      if (before !== this.#end && !this.#holds(before)) throw this.#invalid(before)
      const from = this.#start
      const start = new TextEncoder().encode(String(before))
      await this.#write((level) => writeFenced(level, this.#token, { puts: [[START, start]] }))
      this.#start = before
      await this.#write((level) => level.clear({ gte: keyOf(from), lt: keyOf(before) }))
    })
  }

  async close(): Promise<void> {
    await this.#turn.catch(() => {})
    await this.#level.close()
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.catch(() => {}).then(work)
    this.#turn = result
    return result
  }

  #write(work: (level: Level) => Promise<void>): Promise<void> {
    return stored(this.#name, () => work(this.#level))
  }

  #check(options?: AbortOptions): void {
    options?.signal?.throwIfAborted()
    if (this.#level.status !== 'open') throw closed(this.#name)
  }

  #holds(position: LogPosition): boolean {
    return Number.isInteger(position) && position >= this.#start && position < this.#end
  }

  #invalid(position: LogPosition): PeerfoldError {
    return new PeerfoldError('LOG_POSITION_INVALID', `${this.#name} has no record at ${position}`, {
      details: { position, start: this.#start, end: this.#end },
    })
  }

  async #decode(position: LogPosition, value: Uint8Array | undefined): Promise<LogRecord> {
    const bytes = value && (await decodeRecord(position, value))
    if (bytes) return { position, next: position + 1, bytes }
    throw new PeerfoldError('LOG_CORRUPT', `${this.#name} is damaged at ${position}`, {
      details: { position, next: position + 1 },
    })
  }
}

function keyOf(position: LogPosition): string {
  return `r${String(position).padStart(DIGITS, '0')}`
}

function positionOf(key: string): LogPosition {
  return Number(key.slice(1))
}

async function readStart(level: Level): Promise<LogPosition> {
  const value = await level.get(START)
  if (value === undefined) return 0
  const start = Number(new TextDecoder().decode(value))
  if (Number.isSafeInteger(start) && start >= 0) return start
  throw new PeerfoldError('LOG_CORRUPT', 'the start of the log is damaged')
}

async function encodeRecord(position: LogPosition, bytes: Uint8Array): Promise<Uint8Array> {
  const value = new Uint8Array(CHECKSUM_BYTES + bytes.length)
  value.set(await checksum(position, bytes))
  value.set(bytes, CHECKSUM_BYTES)
  return value
}

/** The record, or undefined when its checksum fails. */
async function decodeRecord(position: LogPosition, value: Uint8Array): Promise<Uint8Array | undefined> {
  const bytes = value.slice(CHECKSUM_BYTES)
  const expected = await checksum(position, bytes)
  return value.length >= CHECKSUM_BYTES && expected.every((byte, i) => byte === value[i]) ? bytes : undefined
}

/** The position is in it, so that a record in another's place does not pass. */
async function checksum(position: LogPosition, bytes: Uint8Array): Promise<Uint8Array> {
  const input = new Uint8Array(8 + bytes.length)
  new DataView(input.buffer).setBigUint64(0, BigInt(position))
  input.set(bytes, 8)
  return new Uint8Array(await crypto.subtle.digest('SHA-256', input)).subarray(0, CHECKSUM_BYTES)
}
