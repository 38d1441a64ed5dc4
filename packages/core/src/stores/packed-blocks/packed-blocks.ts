import { fromHex, toHex } from '../../encoding/bytes.js'
import { PeerfoldError } from '../../errors.js'
import type { Crypto } from '../../ports/crypto.js'
import type { BlockDisk, SegmentFile, SegmentFiles } from './block-disk.js'
import { type BlockIndex, type Changes, DamagedRow, type Place } from './block-index.js'
import { SMALL_BELOW } from './limits.js'
import {
  BLOCK_AT,
  decodeRecord,
  encodeRecord,
  FRAME_MAX,
  frameLength,
  SEGMENT_HEADER,
  type SegmentRecord,
  scanSegment,
  segmentName,
  segmentNumber,
} from './segment-records.js'

interface Segment {
  file: SegmentFile
  /** Position behind its last record. */
  end: number
}

export interface PackedBlocksInit {
  /** Directory for what is damaged. */
  quarantine: string
  /** A segment takes no more records beyond this. */
  segmentBytes: number
  /** Hashes what is read while segments are scanned. */
  crypto: Pick<Crypto, 'hash'>
}

/** A block by its digest in hexadecimal. */
export interface PackedBlock {
  digest: string
  bytes: Uint8Array
}

/** Rows entered into the index in one batch while segments are scanned. */
const SCAN_BATCH = 1000
/** Bytes written in one call, and at most one frame more. */
const WRITE_BYTES = 512 * 1024

/** What a flush makes durable: all that was there when it began. */
export interface Unflushed {
  files: readonly SegmentFile[]
  /** How far each segment goes that holds more than the index knows. */
  indexedTo: ReadonlyMap<number, number>
  newSegments: boolean
}

/**
 * Blocks, packed into append-only segments so that ten thousand of them are not ten thousand files and fsyncs. The segments are the truth, the
 * index a cache: it is entered after the segments are synced, and built anew from them whenever it is behind, damaged or gone.
 *
 * Calls that change anything must not run at the same time, but for `sync`: the store sees to that.
 */
export class PackedBlocks {
  readonly #disk: BlockDisk
  readonly #files: SegmentFiles
  readonly #index: BlockIndex
  readonly #quarantine: string
  readonly #segmentBytes: number
  readonly #crypto: Pick<Crypto, 'hash'>
  readonly #segments = new Map<number, Segment>()
  /** Changes that the index does not have yet. */
  #pending = new Map<string, Place | null>()
  #pendingBytes = 0
  /** Those that a flush is about to enter. */
  #entering: Changes = new Map()
  readonly #unsynced = new Set<number>()
  #newSegments = false
  /** Frames are put together here before they are written. */
  #frames: Uint8Array | undefined
  #rebuilding: Promise<void> | undefined

  constructor(
    disk: BlockDisk,
    files: SegmentFiles,
    index: BlockIndex,
    { quarantine, segmentBytes, crypto }: PackedBlocksInit,
  ) {
    this.#segmentBytes = segmentBytes
    this.#crypto = crypto
    this.#disk = disk
    this.#files = files
    this.#index = index
    this.#quarantine = quarantine
  }

  /** Opens the segments and brings the index up to them. */
  async open(): Promise<void> {
    const names = (await this.#files.list()).filter((name) => segmentNumber(name) !== undefined).sort()
    for (const name of names) await this.#openSegment(name, name === names.at(-1))
    const sound = (await this.#index.load()) && this.#matchesSegments()
    if (!sound) await this.#index.clear()
    await this.#catchUp()
  }

  get unflushed(): { rows: number; bytes: number } {
    return { rows: this.#pending.size, bytes: this.#pendingBytes }
  }

  async has(digests: readonly string[]): Promise<boolean[]> {
    return (await this.#places(digests)).map((place) => place !== undefined)
  }

  /**
   * Undefined when it is not here; `damaged` when it is not all there, or a small one's frame is damaged. The bytes of a large one are as they lie there:
   * they are the right ones if they have its name.
   */
  async read(digest: string, into?: Uint8Array): Promise<Uint8Array | 'damaged' | undefined> {
    const [place] = await this.#places([digest])
    if (place === undefined) return undefined
    if (place.length - BLOCK_AT >= SMALL_BELOW) return (await this.#largeBlock(place, into)) ?? 'damaged'
    const frame = await this.#frame(place)
    const record = decodeRecord(frame, 0, place.segment, place.offset)
    return record?.kind === 'block' && toHex(record.digest) === digest ? record.bytes.slice() : 'damaged'
  }

  /** Appends all; on failure none of them is visible. */
  async write(blocks: readonly PackedBlock[]): Promise<void> {
    const places = await this.#append(
      blocks.map(({ digest, bytes }) => ({ kind: 'block', digest: fromHex(digest), bytes })),
    )
    for (const [i, { digest }] of blocks.entries()) {
      const place = places[i] as Place
      this.#pending.set(digest, place)
      this.#pendingBytes += place.length
    }
  }

  /** Returns which of them were here. */
  async remove(digests: readonly string[]): Promise<string[]> {
    const held = await this.has(digests)
    const gone = digests.filter((_, i) => held[i])
    await this.#append(gone.map((digest) => ({ kind: 'tombstone', digest: fromHex(digest) })))
    for (const digest of gone) this.#pending.set(digest, null)
    return gone
  }

  /** Copies the damaged frame into the quarantine, then forgets it. */
  async moveAside(digest: string, to: string): Promise<void> {
    const [place] = await this.#places([digest])
    if (place === undefined) return
    await this.#keepAside(await this.#frame(place), to)
    await this.remove([digest])
  }

  /** Begins a flush. Another may begin when this one has been entered, or has failed for good. */
  beginFlush(): Unflushed {
    const files = [...this.#unsynced].map((number) => (this.#segments.get(number) as Segment).file)
    const ends = [...this.#segments].map(([number, { end }]) => [number, end] as const)
    const indexedTo = new Map(
      ends.filter(([number, end]) => this.#index.summaries.get(number)?.indexedTo !== end),
    )
    const newSegments = this.#newSegments
    this.#unsynced.clear()
    this.#newSegments = false
    // Those of a flush that failed are entered with these.
    this.#entering = new Map([...this.#entering, ...this.#pending])
    this.#pending = new Map()
    this.#pendingBytes = 0
    return { files, indexedTo, newSegments }
  }

  /** Then the data. More may be appended meanwhile. */
  async sync({ files, newSegments }: Unflushed): Promise<void> {
    for (const file of files) await file.datasync()
    if (newSegments) await this.#files.sync()
  }

  /** Then the index. */
  async enter({ indexedTo }: Unflushed): Promise<void> {
    if (this.#entering.size === 0) return
    await this.#repairing(() => this.#index.apply(this.#entering, indexedTo))
    this.#entering = new Map()
  }

  /**
   * Copies what lives in one mostly dead segment to the end, so that it can be dropped. Returns its number: after the next flush
   * call `drop`.
   */
  async compact(): Promise<number | undefined> {
    const active = this.#active()
    for (const [number, segment] of this.#segments) {
      const live = this.#index.summaries.get(number)?.live ?? 0
      if (number === active || live * 2 > segment.end) continue
      await this.#copyLive(number, segment)
      return number
    }
    return undefined
  }

  /** Removes a segment of which nothing lives any more. */
  async drop(number: number): Promise<void> {
    const segment = this.#segments.get(number)
    if (segment === undefined || (this.#index.summaries.get(number)?.rows ?? 0) > 0) return
    this.#segments.delete(number)
    await segment.file.close()
    await this.#files.remove(segmentName(number))
    // In this order: a segment that is there and not in the index would be read again, tombstones and all.
    await this.#index.forget(number)
    this.#newSegments = true
  }

  async *list(): AsyncGenerator<string> {
    const before: Changes = new Map([...this.#entering, ...this.#pending])
    for (const [digest, place] of before) if (place !== null) yield digest
    for await (const digest of this.#index.list()) if (!before.has(digest)) yield digest
  }

  async close(): Promise<void> {
    for (const { file } of this.#segments.values()) await file.close()
    this.#segments.clear()
    await this.#index.close()
  }

  async #openSegment(name: string, last: boolean): Promise<void> {
    const file = await this.#files.open(name, false)
    const end = await file.size()
    // A crash left less than a header: nothing was ever in it.
    if (last && end < SEGMENT_HEADER.length) {
      await file.close()
      await this.#files.remove(name)
      return
    }
    const header = new Uint8Array(SEGMENT_HEADER.length)
    await file.read(header, 0)
    const known = SEGMENT_HEADER.subarray(0, 7).every((byte, i) => byte === header[i])
    if (known && header[7] !== SEGMENT_HEADER[7]) {
      await file.close()
      throw new PeerfoldError('PROTOCOL_UNSUPPORTED', `${name} was written by a later version of Peerfold`)
    }
    this.#segments.set(segmentNumber(name) as number, { file, end })
  }

  /**
   * Whether the index knows a beginning of what the segments hold in order, and nothing else. Were an older segment entered after a newer
   * one, an old tombstone would bury a newer block.
   */
  #matchesSegments(): boolean {
    for (const [number, { rows }] of this.#index.summaries) {
      if (!this.#segments.has(number) && rows > 0) return false
    }
    let behind = false
    for (const [number, { end }] of this.#segments) {
      const indexedTo = this.#index.summaries.get(number)?.indexedTo ?? 0
      if (indexedTo > end || (behind && indexedTo > 0)) return false
      behind ||= indexedTo < end
    }
    return true
  }

  /** Reads what the index does not know yet; cuts a torn tail, and keeps other damage aside. */
  async #catchUp(): Promise<void> {
    for (const [number, segment] of this.#segments) {
      const from = Math.max(SEGMENT_HEADER.length, this.#index.summaries.get(number)?.indexedTo ?? 0)
      let changes = new Map<string, Place | null>()
      for await (const found of scanSegment(segment.file, number, {
        from,
        end: segment.end,
        crypto: this.#crypto,
      })) {
        if (found.type === 'damage') {
          await this.#onDamage(number, segment, found)
          continue
        }
        const { offset, length, record } = found
        changes.set(
          toHex(record.digest),
          record.kind === 'block' ? { segment: number, offset, length } : null,
        )
        if (changes.size < SCAN_BATCH) continue
        await this.#index.apply(changes, new Map([[number, offset + length]]))
        changes = new Map()
      }
      if (segment.end > from) await this.#index.apply(changes, new Map([[number, segment.end]]))
    }
  }

  async #onDamage(
    number: number,
    segment: Segment,
    { offset, length }: { offset: number; length: number },
  ): Promise<void> {
    if (offset + length === segment.end && number === this.#active()) {
      // What a crash left of an append: it was never acknowledged as durable.
      await segment.file.truncate(offset)
      segment.end = offset
      return
    }
    const bytes = new Uint8Array(length)
    await segment.file.read(bytes, offset)
    await this.#keepAside(bytes, `${this.#quarantine}/segment-${number}-${offset}`)
  }

  /** The index built anew when a row turns out to be damaged, and once more. */
  async #repairing<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call()
    } catch (error) {
      if (!(error instanceof DamagedRow)) throw error
      await this.rebuild()
      return call()
    }
  }

  /** Throws the index away and reads all segments. Look-ups wait meanwhile. */
  async rebuild(): Promise<void> {
    const rebuilding = this.#index.clear().then(() => this.#catchUp())
    this.#rebuilding = rebuilding
    try {
      await rebuilding
    } finally {
      this.#rebuilding = undefined
    }
  }

  async #places(digests: readonly string[]): Promise<(Place | undefined)[]> {
    await this.#rebuilding
    const recent = digests.map((digest) => this.#recent(digest))
    const asked = digests.filter((_, i) => recent[i] === undefined)
    const found = (asked.length === 0 ? [] : await this.#index.lookup(asked)).values()
    return recent.map((place) => (place === undefined ? found.next().value : (place ?? undefined)))
  }

  /** Null for what was deleted lately, undefined for what only the index may know. */
  #recent(digest: string): Place | null | undefined {
    const pending = this.#pending.get(digest)
    return pending === undefined ? this.#entering.get(digest) : pending
  }

  async #frame({ segment, offset, length }: Place): Promise<Uint8Array> {
    const file = this.#segments.get(segment)?.file
    const frame = new Uint8Array(length)
    if (file === undefined) return frame
    return frame.subarray(0, await file.read(frame, offset))
  }

  async #largeBlock(
    { segment, offset, length }: Place,
    into: Uint8Array | undefined,
  ): Promise<Uint8Array | undefined> {
    const block = into?.length === length - BLOCK_AT ? into : new Uint8Array(length - BLOCK_AT)
    const count = await this.#segments.get(segment)?.file.read(block, offset + BLOCK_AT)
    return count === block.length ? block : undefined
  }

  #active(): number {
    return Math.max(0, ...this.#segments.keys())
  }

  async #append(records: readonly SegmentRecord[]): Promise<Place[]> {
    const places: Place[] = []
    for (let i = 0; i < records.length; ) {
      const number = await this.#segmentToWrite()
      const segment = this.#segments.get(number) as Segment
      this.#frames ??= new Uint8Array(WRITE_BYTES + FRAME_MAX)
      let bytes = 0
      for (; i < records.length && segment.end + bytes < this.#segmentBytes && bytes < WRITE_BYTES; i++) {
        const record = records[i] as SegmentRecord
        const offset = segment.end + bytes
        encodeRecord(this.#frames, bytes, number, offset, record)
        places.push({ segment: number, offset, length: frameLength(record) })
        bytes += frameLength(record)
      }
      await this.#writeAt(number, segment, this.#frames.subarray(0, bytes))
    }
    return places
  }

  async #writeAt(number: number, segment: Segment, bytes: Uint8Array): Promise<void> {
    try {
      await segment.file.write(bytes, segment.end)
    } catch (error) {
      // A part may lie there now. It is cut off here or, if that fails too, written over by the next append.
      await segment.file.truncate(segment.end).catch(() => {})
      throw error
    }
    segment.end += bytes.length
    this.#unsynced.add(number)
  }

  async #segmentToWrite(): Promise<number> {
    const active = this.#active()
    const segment = this.#segments.get(active)
    if (segment !== undefined && segment.end < this.#segmentBytes) return active
    const number = active + 1
    const file = await this.#files.open(segmentName(number), true)
    try {
      await file.write(SEGMENT_HEADER, 0)
    } catch (error) {
      await file.close()
      await this.#files.remove(segmentName(number))
      throw error
    }
    this.#segments.set(number, { file, end: SEGMENT_HEADER.length })
    this.#unsynced.add(number)
    this.#newSegments = true
    return number
  }

  /** A tombstone is kept while an older segment may hold what it buries. */
  async #copyLive(number: number, segment: Segment): Promise<void> {
    const oldest = number === Math.min(...this.#segments.keys())
    for await (const found of scanSegment(segment.file, number, {
      from: SEGMENT_HEADER.length,
      end: segment.end,
      crypto: this.#crypto,
    })) {
      if (found.type === 'damage') continue
      const { record, offset } = found
      const digest = toHex(record.digest)
      const [place] = await this.#places([digest])
      const live = place?.segment === number && place.offset === offset
      if (record.kind === 'block' && live) await this.write([{ digest, bytes: record.bytes }])
      if (record.kind === 'tombstone' && place === undefined && !oldest) await this.#append([record])
    }
  }

  async #keepAside(bytes: Uint8Array, to: string): Promise<void> {
    if (await this.#disk.exists(to)) await this.#disk.unlink(to)
    const file = await this.#disk.create(to)
    try {
      await file.write(bytes, 0)
    } finally {
      await file.close()
    }
  }
}
