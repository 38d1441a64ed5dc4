import {
  type AbortOptions,
  type LogPosition,
  type LogRecord,
  type LogStore,
  PeerfoldError,
} from '@peerfold/core'
import type { SegmentFiles } from '@peerfold/core/platform'
import { diskError, openSegmentFiles } from './files.js'
import { decodeFrame, encodeFrame, FRAME_HEAD, MAX_RECORD_BYTES } from './frame.js'
import {
  afterDamage,
  createSegment,
  cutTornTail,
  openSegment,
  readFrame,
  readRange,
  SEGMENT_HEAD,
  type Segment,
  segmentStart,
  startsFrame,
} from './segment.js'

export interface FileLogStoreInit {
  /** Bytes after which a new file begins. @default 64 MiB */
  segmentBytes?: number
  /** The disk. @default that directory */
  files?: SegmentFiles
}

const MIB = 1024 * 1024
const READ_AHEAD = MIB

/**
 * Opens a `LogStore` in a directory: checksummed append-only segments (PROTOCOL.md §8.1). What a crash left of an unfinished append is cut
 * off.
 *
 * @param directory created, 0700, when it is not there. One process at a time may have it open.
 * @throws {PeerfoldError} `IO_FAILED`, `STORE_FULL`, `PROTOCOL_UNSUPPORTED`
 *
 * @example
 * ```ts
 * const store = await openFileLogStore(join(home, 'log'))
 * const [position] = await store.append([record])
 * ```
 */
export async function openFileLogStore(
  directory: string,
  init: FileLogStoreInit = {},
  options?: AbortOptions,
): Promise<LogStore> {
  options?.signal?.throwIfAborted()
  try {
    const files = init.files ?? (await openSegmentFiles(directory))
    const segments = await openSegments(files)
    return new FileLogStore(files, segments, init.segmentBytes ?? 64 * MIB)
  } catch (error) {
    throw diskError('opening the log', error)
  }
}

async function openSegments(files: SegmentFiles): Promise<Segment[]> {
  const starts = (await files.list()).flatMap((name) => {
    const start = segmentStart(name)
    return start === undefined ? [] : [{ name, start }]
  })
  const segments: Segment[] = []
  try {
    for (const { name, start } of starts.sort((a, b) => a.start - b.start)) {
      const segment = await openSegment(files, name, start)
      if (segment !== undefined) segments.push(segment)
    }
    for (const [i, segment] of segments.slice(1).entries()) {
      const before = segments[i] as Segment
      before.end = Math.min(before.end, segment.start)
    }
    const last = segments.at(-1)
    if (last === undefined) segments.push(await createSegment(files, 0))
    else await cutTornTail(last)
    return segments
  } catch (error) {
    await Promise.all(segments.map(({ file }) => file.close()))
    throw error
  }
}

interface Pending {
  records: readonly Uint8Array[]
  resolve(positions: LogPosition[]): void
  reject(error: unknown): void
}

class FileLogStore implements LogStore {
  readonly #files: SegmentFiles
  readonly #segments: Segment[]
  readonly #segmentBytes: number
  #pending: Pending[] = []
  #flushing: Promise<void> | undefined
  /** Set for ever once it is unknown what the disk holds. */
  #failure: PeerfoldError | undefined
  #closed: Promise<void> | undefined
  /** Moves only when a whole round is durable. */
  #end: LogPosition

  constructor(files: SegmentFiles, segments: Segment[], segmentBytes: number) {
    this.#files = files
    this.#segments = segments
    this.#segmentBytes = segmentBytes
    this.#end = this.#active.end
  }

  get start(): LogPosition {
    return (this.#segments[0] as Segment).start
  }

  get end(): LogPosition {
    return this.#end
  }

  get #active(): Segment {
    return this.#segments.at(-1) as Segment
  }

  async append(records: readonly Uint8Array[], options?: AbortOptions): Promise<LogPosition[]> {
    this.#assertOpen(options)
    if (this.#failure !== undefined) throw this.#failure
    for (const { length } of records) {
      if (length <= MAX_RECORD_BYTES) continue
      throw new PeerfoldError('INVALID_ARGUMENT', `a record of ${length} bytes; at most ${MAX_RECORD_BYTES}`)
    }
    if (records.length === 0) return []
    return new Promise((resolve, reject) => {
      this.#pending.push({ records, resolve, reject })
      this.#flushing ??= this.#flush()
    })
  }

  async get(position: LogPosition, options?: AbortOptions): Promise<LogRecord> {
    this.#assertOpen(options)
    if (position >= this.end || position < this.start || !Number.isSafeInteger(position))
      throw misplaced(position)
    return this.#reading(async () => {
      const segment = this.#segmentOf(position)
      const bytes = await readFrame(segment, position)
      const record = decodeFrame(bytes, 0, position)
      if (record !== undefined) return toRecord(position, record)
      if (position < segment.end && !(await startsFrame(segment, position))) throw misplaced(position)
      throw await this.#damage(segment, position)
    })
  }

  async *read(from: LogPosition = this.start, options?: AbortOptions): AsyncIterable<LogRecord> {
    this.#assertOpen(options)
    const stop = this.end
    if (from === stop) return
    if (from > stop || from < this.start || !Number.isSafeInteger(from)) throw misplaced(from)
    for (let at = from; at < stop; ) {
      const segment = this.#segmentOf(at)
      if (at >= segment.end) throw await this.#damage(segment, at)
      const ahead = Math.min(segment.end, stop, at + READ_AHEAD + FRAME_HEAD + MAX_RECORD_BYTES)
      const bytes = await this.#reading(() => readRange(segment, at, ahead))
      const base = at
      for (
        let record = decodeFrame(bytes, 0, base);
        record !== undefined;
        record = decodeFrame(bytes, at - base, at)
      ) {
        this.#assertOpen(options)
        yield toRecord(at, record)
        at += FRAME_HEAD + record.length
        if (at - base >= READ_AHEAD) break
      }
      if (at === stop || at === segment.end || at - base >= READ_AHEAD) continue
      if (at === from && at < segment.end && !(await startsFrame(segment, at))) throw misplaced(at)
      throw await this.#damage(segment, at)
    }
  }

  async truncate(before: LogPosition, options?: AbortOptions): Promise<void> {
    this.#assertOpen(options)
    if (before > this.end || before < 0 || !Number.isSafeInteger(before)) throw misplaced(before)
    while (this.#segments.length > 1 && (this.#segments[1] as Segment).start <= before) {
      const [oldest] = this.#segments.splice(0, 1) as [Segment]
      try {
        await oldest.file.close()
        await this.#files.remove(oldest.name)
        await this.#files.sync()
      } catch (error) {
        throw diskError('truncating the log', error)
      }
    }
  }

  close(): Promise<void> {
    this.#closed ??= this.#shut()
    return this.#closed
  }

  async #shut(): Promise<void> {
    await this.#flushing
    await Promise.all(this.#segments.map(({ file }) => file.close()))
  }

  /** Writes everything that waits, as one write and one sync per round; what comes meanwhile waits for the next round. */
  async #flush(): Promise<void> {
    await Promise.resolve()
    while (this.#pending.length > 0) {
      const round = this.#pending.splice(0)
      try {
        if (this.#failure !== undefined) throw this.#failure
        const positions = await this.#write(round.flatMap(({ records }) => records))
        for (const { records, resolve } of round) resolve(positions.splice(0, records.length))
      } catch (error) {
        for (const { reject } of round) reject(error)
      }
    }
    this.#flushing = undefined
  }

  /** All or nothing is visible: positions move only when every byte is durable. */
  async #write(records: readonly Uint8Array[]): Promise<LogPosition[]> {
    const positions: LogPosition[] = []
    const segments = this.#segments.length
    try {
      for (let i = 0; i < records.length; ) i += await this.#writeSome(records, i, positions)
      this.#end = this.#active.end
      return positions
    } catch (error) {
      await this.#undo(segments)
      throw diskError('appending to the log', error)
    }
  }

  /** Writes as many records as the active segment takes; returns how many. */
  async #writeSome(records: readonly Uint8Array[], from: number, positions: LogPosition[]): Promise<number> {
    if (this.#active.end - this.#active.start >= this.#segmentBytes) {
      this.#segments.push(await createSegment(this.#files, this.#active.end))
    }
    const active = this.#active
    const frames: Uint8Array[] = []
    let at = active.end
    for (let i = from; i < records.length; i++) {
      const frame = encodeFrame(at, records[i] as Uint8Array)
      if (frames.length > 0 && at + frame.length - active.start > this.#segmentBytes) break
      frames.push(frame)
      positions.push(at)
      at += frame.length
    }
    await active.file.write(Buffer.concat(frames), SEGMENT_HEAD + active.end - active.start)
    await this.#sync(active)
    active.end = at
    return frames.length
  }

  /** After a failed sync nobody knows what the disk holds: nothing is ever appended again. */
  async #sync(segment: Segment): Promise<void> {
    try {
      await segment.file.datasync()
    } catch (cause) {
      this.#failure = new PeerfoldError('IO_FAILED', 'the disk failed to keep the log; open it again', {
        cause,
        retryable: false,
      })
      throw this.#failure
    }
  }

  /** Takes back what a failed append has written. */
  async #undo(segments: number): Promise<void> {
    try {
      for (const { file, name } of this.#segments.splice(segments)) {
        await file.close()
        await this.#files.remove(name)
      }
      const active = this.#active
      active.end = this.#end
      await active.file.truncate(SEGMENT_HEAD + active.end - active.start)
    } catch (cause) {
      this.#failure ??= diskError('taking back a failed append', cause)
    }
  }

  #segmentOf(position: LogPosition): Segment {
    return this.#segments.findLast(({ start }) => start <= position) as Segment
  }

  async #damage(segment: Segment, position: LogPosition): Promise<PeerfoldError> {
    const sound = position < segment.end ? await afterDamage(segment, position) : segment.end
    const following = this.#segments[this.#segments.indexOf(segment) + 1]
    const next = sound < segment.end ? sound : (following?.start ?? segment.end)
    const details = { position, next }
    return new PeerfoldError('LOG_CORRUPT', `the log is damaged from ${position} to ${next}`, { details })
  }

  async #reading<T>(read: () => Promise<T>): Promise<T> {
    try {
      return await read()
    } catch (error) {
      throw diskError('reading the log', error)
    }
  }

  #assertOpen(options?: AbortOptions): void {
    options?.signal?.throwIfAborted()
    if (this.#closed !== undefined) throw new PeerfoldError('CLOSED', 'the log store is closed')
  }
}

function toRecord(position: LogPosition, record: Uint8Array): LogRecord {
  return { position, next: position + FRAME_HEAD + record.length, bytes: record.slice() }
}

function misplaced(position: LogPosition): PeerfoldError {
  return new PeerfoldError('LOG_POSITION_INVALID', `no record starts at ${position}`, {
    details: { position },
  })
}
