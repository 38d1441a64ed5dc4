import type { CID } from 'multiformats/cid'
import { blockCid, blockDigest } from '../../content/block-cid.js'
import { equalBytes, fromHex, toHex } from '../../encoding/bytes.js'
import { PeerfoldError } from '../../errors.js'
import type { AbortOptions } from '../../ports/abort.js'
import type { Block, BlockStore, GetOptions, PutOptions } from '../../ports/block-store.js'
import type { Crypto } from '../../ports/crypto.js'
import type { KeyValue } from '../../ports/key-value.js'
import type { BlockDisk } from './block-disk.js'
import { BlockIndex, DamagedRow } from './block-index.js'
import { MAX_BLOCK, SEGMENT_BYTES, UNFLUSHED_BYTES, UNFLUSHED_ROWS } from './limits.js'
import { type PackedBlock, PackedBlocks } from './packed-blocks.js'

export interface PackedBlockStoreInit {
  /** Hashes what is put and got. */
  crypto: Pick<Crypto, 'hash'>
  disk: BlockDisk
  /** Opens the index, which may be lost at any time; empty when `fresh`. Its lock is the store's. */
  openIndex: (fresh: boolean) => Promise<KeyValue>
  /** Size at which a new segment is begun. @default 256 MiB */
  segmentBytes?: number
}

const QUARANTINE = 'quarantine'
const SEGMENTS = 'segments'

/**
 * Opens a block store on a disk, making it when it is missing: blocks in append-only segments (PROTOCOL.md §8.5). Platforms bring the disk and
 * the index.
 *
 * @throws {PeerfoldError} `HOME_LOCKED` when it is open elsewhere; `STORE_FULL`, `IO_FAILED`
 */
export async function openPackedBlockStore(init: PackedBlockStoreInit): Promise<BlockStore> {
  const { disk, crypto } = init
  try {
    await disk.makeDirectory(QUARANTINE)
    // The index comes first: its lock is the store's.
    const blocks = await openPackedBlocks(init)
    try {
      await disk.syncDirectory('')
      return new PackedBlockStore(disk, blocks, crypto)
    } catch (error) {
      await blocks.close()
      throw error
    }
  } catch (error) {
    throw disk.toError(`cannot open the block store ${disk.name}`, error)
  }
}

/** An index that cannot be read is as good as none: it is built anew from the segments. */
async function openPackedBlocks(init: PackedBlockStoreInit, fresh = false): Promise<PackedBlocks> {
  const { disk, openIndex, crypto, segmentBytes = SEGMENT_BYTES } = init
  const db = await openIndex(fresh)
  const blocks = new PackedBlocks(disk, await disk.segments(SEGMENTS), new BlockIndex(db), {
    quarantine: QUARANTINE,
    segmentBytes,
    crypto,
  })
  try {
    await blocks.open()
    return blocks
  } catch (error) {
    await blocks.close()
    const unreadable = String((error as { code?: unknown }).code).startsWith('LEVEL_')
    if (unreadable && !fresh) return openPackedBlocks(init, true)
    throw error
  }
}

class PackedBlockStore implements BlockStore {
  readonly #disk: BlockDisk
  readonly #blocks: PackedBlocks
  readonly #crypto: Pick<Crypto, 'hash'>
  readonly #running = new Set<Promise<unknown>>()
  /** Changes of segments and index, one after the other. */
  #turn: Promise<unknown> = Promise.resolve()
  /** Blocks whose turn to be written has not come yet. */
  #waiting: { blocks: PackedBlock[]; written: Promise<void> } | undefined
  #flushing: Promise<void> = Promise.resolve()
  #nextFlush: Promise<void> | undefined
  /** Why nothing can be written any more. */
  #broken: PeerfoldError | undefined
  #closing: Promise<void> | undefined

  constructor(disk: BlockDisk, blocks: PackedBlocks, crypto: Pick<Crypto, 'hash'>) {
    this.#disk = disk
    this.#blocks = blocks
    this.#crypto = crypto
  }

  get(cid: CID, options?: GetOptions): Promise<Uint8Array> {
    return this.#call(options, async () => {
      const read = options?.unchecked === true ? this.#read(cid, options.into) : this.#readSound(cid, options)
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
      checkSizes(blocks)
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
      const digests = [...new Set(cids.map(digestOf))]
      await this.#inTurn(() => this.#blocks.remove(digests))
    })
  }

  async *list(options?: AbortOptions): AsyncGenerator<CID> {
    this.#check(options)
    for await (const digest of this.#blocks.list()) {
      this.#check(options)
      yield blockCid(fromHex(digest))
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
      await this.#flushing.catch(() => {})
      await this.#turn.catch(() => {})
      await this.#blocks.close()
    }
  }

  /** Undefined when it is not here, `damaged` when it is not what its name says. */
  async #readSound(cid: CID, options: AbortOptions | undefined): Promise<Uint8Array | 'damaged' | undefined> {
    const bytes = await this.#read(cid)
    if (bytes === undefined || bytes === 'damaged') return bytes
    return (await this.#mismatch([bytes], [blockDigest(cid)], options)) === undefined ? bytes : 'damaged'
  }

  /** What lies there. */
  #read(cid: CID, into?: Uint8Array): Promise<Uint8Array | 'damaged' | undefined> {
    return this.#indexed(() => this.#blocks.read(digestOf(cid), into))
  }

  /** While nothing changes: what looked damaged may have been moved just then by a compaction. If not, it is moved aside. */
  #readAgain(cid: CID, options: AbortOptions | undefined): Promise<Uint8Array> {
    return this.#inTurn(async () => {
      const bytes = await this.#readSound(cid, options)
      if (bytes === undefined) throw new PeerfoldError('BLOCK_NOT_FOUND', `${cid} is not here`)
      if (bytes !== 'damaged') return bytes
      await this.#blocks.moveAside(digestOf(cid), `${QUARANTINE}/${cid}`)
      throw new PeerfoldError('BLOCK_CORRUPT', `${cid} was damaged on disk and moved to ${QUARANTINE}`)
    })
  }

  #has(cids: readonly CID[]): Promise<boolean[]> {
    return this.#indexed(() => this.#blocks.has(cids.map(digestOf)))
  }

  /** A look-up that meets a damaged row has the index built anew, and asks again. */
  async #indexed<T>(look: () => Promise<T>): Promise<T> {
    try {
      return await look()
    } catch (error) {
      if (!(error instanceof DamagedRow)) throw error
      await this.#inTurn(() => this.#blocks.rebuild())
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
    const wrong = hashes.findIndex((hash, i) => !equalBytes(hash, digests[i] as Uint8Array))
    return wrong < 0 ? undefined : wrong
  }

  /** Blocks that are not here yet, each once. */
  async #unknown(blocks: readonly Block[]): Promise<PackedBlock[]> {
    const unique = new Map(blocks.map(({ cid, bytes }) => [digestOf(cid), bytes]))
    const all = [...unique].map(([digest, bytes]) => ({ digest, bytes }))
    const held = await this.#indexed(() => this.#blocks.has([...unique.keys()]))
    return all.filter((_, i) => !held[i])
  }

  /** What comes from several callers until the turn comes is written together. */
  #write(blocks: readonly PackedBlock[]): Promise<void> {
    if (this.#waiting === undefined) {
      const gathered: PackedBlock[] = []
      const written = this.#inTurn(() => {
        this.#waiting = undefined
        return this.#blocks.write(gathered)
      })
      this.#waiting = { blocks: gathered, written }
    }
    this.#waiting.blocks.push(...blocks)
    return this.#waiting.written
  }

  /** Flushes in good time; waits for it only when the disk falls behind. */
  async #relieve(): Promise<void> {
    const { rows, bytes } = this.#blocks.unflushed
    const fill = Math.max(bytes / UNFLUSHED_BYTES, rows / UNFLUSHED_ROWS)
    if (fill >= 1) await this.#flush()
    // A failure that lasts comes up again at the next call.
    else if (fill >= 0.5 && this.#nextFlush === undefined) this.#flush().catch(() => {})
  }

  /** One flush serves all callers that asked before it began, and begins when the one before has ended. */
  #flush(): Promise<void> {
    if (this.#nextFlush === undefined) {
      const begin = () => {
        this.#nextFlush = undefined
        return this.#flushNow()
      }
      this.#nextFlush = this.#flushing.then(begin, begin)
      this.#flushing = this.#nextFlush
      this.#flushing.catch(() => {})
    }
    return this.#nextFlush
  }

  /** Others put while the disk syncs. */
  async #flushNow(): Promise<void> {
    const unflushed = await this.#inTurn(async () => {
      this.#checkWritable()
      return this.#blocks.beginFlush()
    })
    await this.#orBreak(() => this.#blocks.sync(unflushed))
    await this.#inTurn(async () => {
      await this.#blocks.enter(unflushed)
      await this.#compact()
    })
  }

  async #compact(): Promise<void> {
    const segment = await this.#blocks.compact()
    if (segment === undefined) return
    const unflushed = this.#blocks.beginFlush()
    await this.#orBreak(() => this.#blocks.sync(unflushed))
    await this.#blocks.enter(unflushed)
    await this.#blocks.drop(segment)
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
      throw this.#disk.toError(`the block store in ${this.#disk.name}`, error)
    } finally {
      this.#running.delete(running)
    }
  }
}

function checkSizes(blocks: readonly Block[]): void {
  const large = blocks.find(({ bytes }) => bytes.length > MAX_BLOCK)
  if (large === undefined) return
  throw new PeerfoldError(
    'INVALID_ARGUMENT',
    `${large.cid} has ${large.bytes.length} bytes: more than a block has`,
  )
}

function digestOf(cid: CID): string {
  return toHex(blockDigest(cid))
}
