import * as encoding from 'lib0/encoding'
import { equalBytes, fromUtf8 } from '../encoding/bytes.js'
import { PeerfoldError } from '../errors.js'
import type { WriterId } from '../ports/ids.js'
import type { RecordRef } from './record.js'

/**
 * The payload of one Yjs V1 `update` event: records that one writer appended to its array in one shard, and records that they delete
 * (PROTOCOL.md §5.3). Written and read here, byte by byte, without Yjs: nothing that others send reaches Yjs before it is known to be this
 * and nothing else.
 */
export interface TreeUpdate {
  writer: WriterId
  /** Clock of the first record; the others follow. */
  clock: number
  /** At least one. */
  records: string[]
  deletions: RecordRef[]
}

/** An item of strings: `ContentAny`, with an origin on its left. */
const APPENDED = 0x88
/** The same, first in its array: the array is named instead. */
const FIRST = 0x08
const STRING = 119

/** Name of a writer's root array. */
export function arrayName(writer: WriterId): string {
  return String(writer)
}

export function encodeUpdate(update: TreeUpdate): Uint8Array {
  const encoder = encoding.createEncoder()
  writeStruct(encoder, update)
  writeDeletions(encoder, update.deletions)
  return encoding.toUint8Array(encoder)
}

function writeStruct(encoder: encoding.Encoder, { writer, clock, records }: TreeUpdate): void {
  encoding.writeVarUint(encoder, 1)
  encoding.writeVarUint(encoder, 1)
  encoding.writeVarUint(encoder, writer)
  encoding.writeVarUint(encoder, clock)
  if (clock === 0) {
    encoding.writeUint8(encoder, FIRST)
    encoding.writeVarUint(encoder, 1)
    encoding.writeVarString(encoder, arrayName(writer))
  } else {
    encoding.writeUint8(encoder, APPENDED)
    encoding.writeVarUint(encoder, writer)
    encoding.writeVarUint(encoder, clock - 1)
  }
  encoding.writeVarUint(encoder, records.length)
  for (const record of records) {
    encoding.writeUint8(encoder, STRING)
    encoding.writeVarString(encoder, record)
  }
}

/** Writers from the highest, each with its runs of clocks from the lowest, neighbours joined. */
function writeDeletions(encoder: encoding.Encoder, deletions: readonly RecordRef[]): void {
  const byWriter = new Map<WriterId, number[]>()
  for (const { writer, clock } of deletions) {
    const clocks = byWriter.get(writer)
    if (clocks) clocks.push(clock)
    else byWriter.set(writer, [clock])
  }
  encoding.writeVarUint(encoder, byWriter.size)
  for (const writer of [...byWriter.keys()].sort((a, b) => b - a)) {
    const runs = toRuns(byWriter.get(writer)!)
    encoding.writeVarUint(encoder, writer)
    encoding.writeVarUint(encoder, runs.length)
    for (const run of runs) {
      encoding.writeVarUint(encoder, run.clock)
      encoding.writeVarUint(encoder, run.length)
    }
  }
}

function toRuns(clocks: number[]): Array<{ clock: number; length: number }> {
  const runs: Array<{ clock: number; length: number }> = []
  for (const clock of clocks.sort((a, b) => a - b)) {
    const last = runs.at(-1)
    if (last && last.clock + last.length === clock) last.length++
    else runs.push({ clock, length: 1 })
  }
  return runs
}

/**
 * Reads what `encodeUpdate` writes and refuses every other sequence of bytes. Counts are checked against the bytes that are left
 * before anything is allocated for them.
 *
 * @throws {PeerfoldError} `UPDATE_INVALID`
 */
export function decodeUpdate(bytes: Uint8Array): TreeUpdate {
  const reader = new Reader(bytes)
  const update = { ...readStruct(reader), deletions: readDeletions(reader) }
  if (!equalBytes(encodeUpdate(update), bytes)) throw invalid('not in canonical form')
  return update
}

function readStruct(reader: Reader): Omit<TreeUpdate, 'deletions'> {
  if (reader.uint() !== 1) throw invalid('not of exactly one writer')
  if (reader.uint() !== 1) throw invalid('not of exactly one struct')
  const writer = reader.uint()
  const clock = reader.uint()
  readPlaceInArray(reader, writer, clock)
  const count = reader.count(2)
  if (count === 0) throw invalid('without records')
  const records: string[] = []
  for (let i = 0; i < count; i++) {
    if (reader.byte() !== STRING) throw invalid('a record that is no string')
    records.push(reader.string())
  }
  return { writer, clock, records }
}

function readPlaceInArray(reader: Reader, writer: WriterId, clock: number): void {
  if (reader.byte() !== (clock === 0 ? FIRST : APPENDED)) throw invalid('neither first nor appended')
  if (clock === 0) {
    if (reader.uint() !== 1 || reader.string() !== arrayName(writer)) throw invalid('in a foreign array')
  } else if (reader.uint() !== writer || reader.uint() !== clock - 1) {
    throw invalid('not after the record before it')
  }
}

function readDeletions(reader: Reader): RecordRef[] {
  const deletions: RecordRef[] = []
  const writers = reader.count(3)
  for (let i = 0; i < writers; i++) {
    const writer = reader.uint()
    const runs = reader.count(2)
    for (let run = 0; run < runs; run++) {
      const clock = reader.uint()
      const length = reader.uint()
      // Each deletion is named in a record too, where it takes more than one byte.
      if (length > reader.size - deletions.length) throw invalid('more deletions than records can name')
      if (clock + length > Number.MAX_SAFE_INTEGER) throw invalid('a clock out of range')
      for (let at = clock; at < clock + length; at++) deletions.push({ writer, clock: at })
    }
  }
  return deletions
}

class Reader {
  #at = 0

  constructor(private readonly bytes: Uint8Array) {}

  get size(): number {
    return this.bytes.length
  }

  byte(): number {
    const byte = this.bytes[this.#at++]
    if (byte === undefined) throw invalid('cut short')
    return byte
  }

  uint(): number {
    let value = 0
    let factor = 1
    for (let i = 0; i < 8; i++) {
      const byte = this.byte()
      value += (byte & 0x7f) * factor
      if (value > Number.MAX_SAFE_INTEGER) throw invalid('a number out of range')
      if (byte < 0x80) return value
      factor *= 128
    }
    throw invalid('a number out of range')
  }

  /** How many things follow that take at least `each` bytes. */
  count(each: number): number {
    const count = this.uint()
    if (count * each > this.bytes.length - this.#at) throw invalid('counts more than there is')
    return count
  }

  string(): string {
    const length = this.count(1)
    const bytes = this.bytes.subarray(this.#at, this.#at + length)
    this.#at += length
    try {
      return fromUtf8(bytes)
    } catch {
      throw invalid('text that is not UTF-8')
    }
  }
}

function invalid(what: string): PeerfoldError {
  return new PeerfoldError('UPDATE_INVALID', `tree update: ${what}`)
}
