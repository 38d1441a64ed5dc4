import { createHash } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import {
  type AbortOptions,
  type Block,
  type BlockStore,
  type Crypto,
  type GetOptions,
  type KeyValue,
  PeerfoldError,
  type PutOptions,
} from '@peerfold/core'
import { blockCid, blockDigest } from '@peerfold/core/platform'
import { ClassicLevel } from 'classic-level'
import type { CID } from 'multiformats/cid'
import { diskError } from '../log-store/files.js'
import { type Disk, nodeDisk } from './disk.js'
import { LargeBlocks } from './large-blocks.js'
import { SEGMENT_BYTES, SMALL_BELOW, UNFLUSHED_BYTES, UNFLUSHED_FILES, UNFLUSHED_ROWS } from './limits.js'
import { SmallBlocks } from './small-blocks.js'
import { DamagedRow, SmallIndex } from './small-index.js'

export interface FileBlockStoreInit {
  /** Hashes what is put and got. @default on the calling thread */
  crypto?: Pick<Crypto, 'hash'>
  /** @default node:fs below the store's directory */
  disk?: Disk
  /**
   * Opens the index, which may be lost at any time; empty when `fresh`.
   * @default classic-level in `index` below the store's directory
   */
  openIndex?: (fresh: boolean) => Promise<KeyValue>
  /** Size at which a new segment is begun. @default 64 MiB */
  segmentBytes?: number
}

const QUARANTINE = 'quarantine'
const SEGMENTS = 'segments'

/**
 * Opens the block store that lies in a directory, making it when it is missing: large blocks as files, small ones in segments
 * (PROTOCOL.md §8.5). One process at a time.
 *
 * @throws {PeerfoldError} `HOME_LOCKED` when another process has it open; `STORE_FULL`, `IO_FAILED`
 *
 * @example
 * ```ts
 * const store = await openFileBlockStore('/home/me/.peerfold/blocks', { crypto })
 * await store.put([block])
 * await store.flush()
 * await store.close()
 * ```
 */
export async function openFileBlockStore(
  directory: string,
  init: FileBlockStoreInit = {},
): Promise<FileBlockStore> {
  const disk = init.disk ?? nodeDisk(directory)
  const openIndex = init.openIndex ?? ((fresh) => openLevel(join(directory, 'index'), fresh))
  try {
    await disk.makeDirectory(QUARANTINE)
    // The index comes first: its lock is the store's.
    const small = await openSmallBlocks(disk, openIndex, init.segmentBytes ?? SEGMENT_BYTES)
    try {
      const large = await LargeBlocks.open(disk)
      await disk.syncDirectory('')
      return new FileBlockStore(disk, large, small, init.crypto ?? hashHere)
    } catch (error) {
      await small.close()
      throw error
    }
  } catch (error) {
    throw diskError(`cannot open the block store ${directory}`, error)
  }
}

/** An index that cannot be read is as good as none: it is built anew from the segments. */
async function openSmallBlocks(
  disk: Disk,
  openIndex: (fresh: boolean) => Promise<KeyValue>,
  segmentBytes: number,
  fresh = false,
): Promise<SmallBlocks> {
  const db = await openIndex(fresh)
  const small = new SmallBlocks(disk, await disk.segments(SEGMENTS), new SmallIndex(db), {
    quarantine: QUARANTINE,
    segmentBytes,
  })
  try {
    await small.open()
    return small
  } catch (error) {
    await small.close()
    const unreadable = String((error as { code?: unknown }).code).startsWith('LEVEL_')
    if (unreadable && !fresh) return openSmallBlocks(disk, openIndex, segmentBytes, true)
    throw error
  }
}

export class FileBlockStore implements BlockStore {
  readonly #disk: Disk
  readonly #large: LargeBlocks
  readonly #small: SmallBlocks
  readonly #crypto: Pick<Crypto, 'hash'>
  readonly #running = new Set<Promise<unknown>>()
  /** Changes of segments, names and index, one after the other. */
  #turn: Promise<unknown> = Promise.resolve()
  #nextFlush: Promise<void> | undefined
  /** Why nothing can be written any more. */
  #broken: PeerfoldError | undefined
  #closing: Promise<void> | undefined

  constructor(disk: Disk, large: LargeBlocks, small: SmallBlocks, crypto: Pick<Crypto, 'hash'>) {
    this.#disk = disk
    this.#large = large
    this.#small = small
    this.#crypto = crypto
  }

  get(cid: CID, options?: GetOptions): Promise<Uint8Array> {
    return this.#call(options, async () => {
      const read = options?.unchecked === true ? this.#read(cid) : this.#readSound(cid, options)
      const bytes = await read.catch(() => 'damaged' as const)
      if (bytes === undefined) throw new PeerfoldError('BLOCK_NOT_FOUND', `${cid} is not here`)
      return bytes === 'damaged' ? this.#readAgain(cid, options) : bytes
    })
  }

  has(cids: readonly CID[], options?: AbortOptions): Promise<boolean[]> {
    return this.#call(options, () => this.#has(cids))
  }

  put(blocks: readonly Block[], options?: PutOptions): Promise<void> {
    return this.#call(options, async () => {
      this.#checkWritable()
      if (options?.named !== true) await this.#checkHashes(blocks, options)
      const fresh = await this.#unknown(blocks)
      options?.signal?.throwIfAborted()
      if (fresh.length > 0) await this.#write(fresh)
      await this.#relieve()
    })
  }

  flush(options?: AbortOptions): Promise<void> {
    return this.#call(options, () => this.#flush())
  }

  delete(cids: readonly CID[], options?: AbortOptions): Promise<void> {
    return this.#call(options, async () => {
      this.#checkWritable()
      const names = new Map(cids.map((cid) => [hex(blockDigest(cid)), cid]))
      await this.#inTurn(async () => {
        for (const digest of await this.#small.remove([...names.keys()])) names.delete(digest)
        for (const cid of names.values()) await this.#large.remove(cid)
      })
    })
  }

  async *list(options?: AbortOptions): AsyncGenerator<CID> {
    this.#check(options)
    for await (const digest of this.#small.list()) {
      this.#check(options)
      yield blockCid(new Uint8Array(Buffer.from(digest, 'hex')))
    }
    for await (const cid of this.#large.list()) {
      this.#check(options)
      yield cid
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    await Promise.allSettled(this.#running)
    try {
      if (this.#broken === undefined) await this.#flush()
    } finally {
      await this.#turn.catch(() => {})
      await this.#large.abandon()
      await this.#small.close()
    }
  }

  /** Undefined when it is not here, `damaged` when it is not what its name says. */
  async #readSound(cid: CID, options: AbortOptions | undefined): Promise<Uint8Array | 'damaged' | undefined> {
    const bytes = await this.#read(cid)
    if (bytes === undefined || bytes === 'damaged') return bytes
    return (await this.#mismatch([bytes], [blockDigest(cid)], options)) === undefined ? bytes : 'damaged'
  }

  /** What lies there. */
  async #read(cid: CID): Promise<Uint8Array | 'damaged' | undefined> {
    const digest = hex(blockDigest(cid))
    return (await this.#indexed(() => this.#small.read(digest))) ?? (await this.#large.read(cid))
  }

  /** While nothing changes: what looked damaged may have been moved just then by a compaction. If not, it is moved aside. */
  #readAgain(cid: CID, options: AbortOptions | undefined): Promise<Uint8Array> {
    return this.#inTurn(async () => {
      const bytes = await this.#readSound(cid, options)
      if (bytes === undefined) throw new PeerfoldError('BLOCK_NOT_FOUND', `${cid} is not here`)
      if (bytes !== 'damaged') return bytes
      const digest = hex(blockDigest(cid))
      const [small] = await this.#small.has([digest])
      const to = `${QUARANTINE}/${cid}`
      await (small ? this.#small.moveAside(digest, to) : this.#large.moveAside(cid, to))
      throw new PeerfoldError('BLOCK_CORRUPT', `${cid} was damaged on disk and moved to ${QUARANTINE}`)
    })
  }

  async #has(cids: readonly CID[]): Promise<boolean[]> {
    const digests = cids.map((cid) => hex(blockDigest(cid)))
    const small = await this.#indexed(() => this.#small.has(digests))
    return Promise.all(cids.map(async (cid, i) => small[i] === true || (await this.#large.has(cid))))
  }

  /** A look-up that meets a damaged row has the index built anew, and asks again. */
  async #indexed<T>(look: () => Promise<T>): Promise<T> {
    try {
      return await look()
    } catch (error) {
      if (!(error instanceof DamagedRow)) throw error
      await this.#inTurn(() => this.#small.rebuild())
      return look()
    }
  }

  async #checkHashes(blocks: readonly Block[], options: AbortOptions | undefined): Promise<void> {
    const digests = blocks.map((block) => blockDigest(block.cid))
    const bytes = blocks.map((block) => block.bytes)
    const wrong = await this.#mismatch(bytes, digests, options)
    if (wrong === undefined) return
    throw new PeerfoldError(
      'BLOCK_CORRUPT',
      `the bytes put for ${blocks[wrong]?.cid} do not match their name`,
    )
  }

  /** The first input that does not hash to its digest. */
  async #mismatch(
    inputs: readonly Uint8Array[],
    digests: readonly Uint8Array[],
    options: AbortOptions | undefined,
  ): Promise<number | undefined> {
    const hashes = await this.#crypto.hash(inputs, options)
    const wrong = hashes.findIndex((hash, i) => Buffer.compare(hash, digests[i] as Uint8Array) !== 0)
    return wrong < 0 ? undefined : wrong
  }

  /** Blocks that are not here yet, each once. Its size tells where a block can lie. */
  async #unknown(blocks: readonly Block[]): Promise<Block[]> {
    const unique = [...new Map(blocks.map((block) => [block.cid.toString(), block])).values()]
    const small = unique.filter(isSmall)
    const held = await this.#indexed(() => this.#small.has(small.map(digestOf)))
    const large = unique.filter((block) => !isSmall(block))
    const heldLarge = await Promise.all(large.map(({ cid }) => this.#large.has(cid)))
    return [...small.filter((_, i) => !held[i]), ...large.filter((_, i) => !heldLarge[i])]
  }

  /** All of them or none. */
  async #write(blocks: readonly Block[]): Promise<void> {
    const large = blocks.filter((block) => !isSmall(block))
    const small = blocks.filter(isSmall)
    await this.#large.write(large)
    if (small.length === 0) return
    const records = small.map((block) => ({ digest: digestOf(block), bytes: block.bytes }))
    try {
      await this.#inTurn(() => this.#small.write(records))
    } catch (error) {
      await this.#inTurn(async () => {
        for (const { cid } of large) await this.#large.remove(cid)
      })
      throw error
    }
  }

  /** Flushes in good time; waits for it only when the disk falls behind. */
  async #relieve(): Promise<void> {
    const { files, bytes } = this.#large.unflushed
    const rows = this.#small.unflushedRows
    const fill = Math.max(files / UNFLUSHED_FILES, bytes / UNFLUSHED_BYTES, rows / UNFLUSHED_ROWS)
    if (fill >= 1) await this.#flush()
    // A failure that lasts comes up again at the next call.
    else if (fill >= 0.5 && this.#nextFlush === undefined) this.#flush().catch(() => {})
  }

  /** One flush serves all callers that asked before it began. */
  #flush(): Promise<void> {
    this.#nextFlush ??= this.#inTurn(async () => {
      this.#nextFlush = undefined
      this.#checkWritable()
      await this.#flushNow()
    })
    return this.#nextFlush
  }

  async #flushNow(): Promise<void> {
    await this.#orBreak(async () => {
      await this.#large.sync()
      await this.#small.sync()
    })
    await this.#large.publish()
    await this.#orBreak(() => this.#large.syncDirectories())
    await this.#small.commit()
    await this.#compact()
  }

  async #compact(): Promise<void> {
    const segment = await this.#small.compact()
    if (segment === undefined) return
    await this.#orBreak(() => this.#small.sync())
    await this.#small.commit()
    await this.#small.drop(segment)
  }

  /**
   * After a failed fsync the kernel may have dropped the pages and call them clean: a second fsync that succeeds would prove nothing. So the
   * store stops taking anything until it is opened again, and then looks at what is really there.
   */
  async #orBreak(sync: () => Promise<void>): Promise<void> {
    try {
      await sync()
    } catch (cause) {
      this.#broken = new PeerfoldError('IO_FAILED', 'the disk failed to make blocks durable', {
        cause,
        hint: 'Check the disk, then start Peerfold again; until then this store is read-only.',
      })
      throw this.#broken
    }
  }

  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(task, task)
    this.#turn = result.catch(() => {})
    return result
  }

  #checkWritable(): void {
    if (this.#broken !== undefined) throw this.#broken
  }

  #check(options: AbortOptions | undefined): void {
    if (this.#closing !== undefined) throw new PeerfoldError('CLOSED', 'the block store is closed')
    options?.signal?.throwIfAborted()
  }

  async #call<T>(options: AbortOptions | undefined, task: () => Promise<T>): Promise<T> {
    this.#check(options)
    const running = task()
    this.#running.add(running)
    try {
      return await running
    } catch (error) {
      options?.signal?.throwIfAborted()
      throw diskError(`the block store in ${this.#disk.name}`, error)
    } finally {
      this.#running.delete(running)
    }
  }
}

const hashHere: Pick<Crypto, 'hash'> = {
  async hash(inputs, options) {
    options?.signal?.throwIfAborted()
    return inputs.map((input) => new Uint8Array(createHash('sha256').update(input).digest()))
  },
}

async function openLevel(path: string, fresh: boolean): Promise<KeyValue> {
  if (fresh) await rm(path, { recursive: true, force: true })
  const db = new ClassicLevel<string, Uint8Array>(path, {
    keyEncoding: 'utf8',
    valueEncoding: 'view',
    cacheSize: 2 << 20,
    writeBufferSize: 1 << 20,
  })
  try {
    await db.open()
    return db
  } catch (error) {
    const locked = (error as { cause?: { code?: string } }).cause?.code === 'LEVEL_LOCKED'
    if (locked) throw new PeerfoldError('HOME_LOCKED', `${path} is open in another process`, { cause: error })
    if (fresh) throw error
    return openLevel(path, true)
  }
}

function isSmall({ bytes }: Block): boolean {
  return bytes.length < SMALL_BELOW
}

function digestOf({ cid }: Block): string {
  return hex(blockDigest(cid))
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')
}
