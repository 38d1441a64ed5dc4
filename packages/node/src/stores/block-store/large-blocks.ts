import type { Block } from '@peerfold/core'
import { blockDigest, isBlockCid } from '@peerfold/core/platform'
import type { CID } from 'multiformats/cid'
import { CID as Cid } from 'multiformats/cid'
import type { SegmentFile } from '../log-store/files.js'
import { type Disk, isMissing } from './disk.js'
import { FILES_AT_ONCE } from './limits.js'

/** Written under a temporary name, readable from there, and not durable yet. */
interface Unflushed {
  cid: CID
  path: string
  bytes: number
  /** Undefined once the data is on disk and only the name is missing. */
  file: Pick<SegmentFile, 'datasync' | 'close'> | undefined
}

const TEMPORARY = 'tmp'
const BLOCKS = 'blocks'

/**
 * One file for each block, `blocks/ab/cd/<cid>`. A block gets its name only when its bytes are on disk: write, fdatasync, rename, and at
 * last the directories, once for all blocks of a flush. So what has a name is whole, whenever the power is cut.
 */
export class LargeBlocks {
  readonly #disk: Disk
  readonly #unflushed = new Map<string, Unflushed>()
  /** Directories whose entries are not durable yet. */
  #dirty = new Set<string>()
  #counter = 0

  private constructor(disk: Disk) {
    this.#disk = disk
  }

  static async open(disk: Disk): Promise<LargeBlocks> {
    for (const directory of [TEMPORARY, BLOCKS]) await disk.makeDirectory(directory)
    for (const name of await disk.list(TEMPORARY)) await disk.unlink(`${TEMPORARY}/${name}`)
    return new LargeBlocks(disk)
  }

  get unflushed(): { files: number; bytes: number } {
    let bytes = 0
    for (const block of this.#unflushed.values()) bytes += block.bytes
    return { files: this.#unflushed.size, bytes }
  }

  async has(cid: CID): Promise<boolean> {
    return this.#unflushed.has(cid.toString()) || this.#disk.exists(pathOf(cid))
  }

  /** Undefined when it is not here. */
  async read(cid: CID): Promise<Uint8Array | undefined> {
    const unflushed = this.#unflushed.get(cid.toString())
    // A flush may give it its name meanwhile.
    if (unflushed !== undefined) {
      const bytes = await this.#readPath(unflushed.path)
      if (bytes !== undefined) return bytes
    }
    return this.#readPath(pathOf(cid))
  }

  /** Writes all or, on failure, none. */
  async write(blocks: readonly Block[]): Promise<void> {
    const written: Unflushed[] = []
    try {
      for (let i = 0; i < blocks.length; i += FILES_AT_ONCE) {
        await settleAll(blocks.slice(i, i + FILES_AT_ONCE), async (block) => {
          written.push(await this.#writeOne(block))
        })
      }
    } catch (error) {
      for (const block of written) await this.#discard(block)
      throw error
    }
    for (const block of written) {
      const name = block.cid.toString()
      // Two callers may have written the same block at once: one copy is enough.
      if (this.#unflushed.has(name)) await this.#discard(block)
      else this.#unflushed.set(name, block)
    }
  }

  async remove(cid: CID): Promise<void> {
    const unflushed = this.#unflushed.get(cid.toString())
    this.#unflushed.delete(cid.toString())
    if (unflushed !== undefined) await this.#discard(unflushed)
    await this.#unlinkFinal(cid)
  }

  /** Takes a damaged block out of the way. */
  async moveAside(cid: CID, to: string): Promise<void> {
    const path = this.#unflushed.get(cid.toString())?.path ?? pathOf(cid)
    await this.#disk.rename(path, to)
    await this.#unflushed.get(cid.toString())?.file?.close()
    this.#unflushed.delete(cid.toString())
    this.#dirty.add(parentOf(pathOf(cid)))
  }

  /** First half of a flush: the data. A failure here is one of the disk's, after which nothing can be promised any more. */
  async sync(): Promise<void> {
    await inGroups([...this.#unflushed.values()], async (block) => {
      await block.file?.datasync()
      await block.file?.close()
      block.file = undefined
    })
  }

  /** Second half: names for what is synced, and durable directories. May be repeated when the disk was full. */
  async publish(): Promise<void> {
    const synced = [...this.#unflushed.entries()].filter(([, block]) => block.file === undefined)
    await inGroups(synced, async ([name, { cid, path }]) => {
      const target = pathOf(cid)
      await this.#prepareDirectory(parentOf(target))
      await this.#disk.rename(path, target)
      this.#unflushed.delete(name)
    })
  }

  /** Third: the directories. Like `sync`, never repeated after a failure. */
  async syncDirectories(): Promise<void> {
    const dirty = [...this.#dirty]
    this.#dirty = new Set()
    await inGroups(dirty, async (path) => {
      try {
        await this.#disk.syncDirectory(path)
      } catch (error) {
        if (!isMissing(error)) throw error
      }
    })
  }

  async *list(): AsyncGenerator<CID> {
    const unflushed = new Map([...this.#unflushed].map(([name, { cid }]) => [name, cid]))
    yield* unflushed.values()
    for (const first of await this.#disk.list(BLOCKS)) {
      for (const second of await this.#disk.list(`${BLOCKS}/${first}`)) {
        for (const name of await this.#disk.list(`${BLOCKS}/${first}/${second}`)) {
          const cid = unflushed.has(name) ? undefined : parseName(name)
          if (cid !== undefined) yield cid
        }
      }
    }
  }

  /** Lets go of what was not flushed. */
  async abandon(): Promise<void> {
    for (const { file } of this.#unflushed.values()) await file?.close().catch(() => {})
    this.#unflushed.clear()
  }

  async #readPath(path: string): Promise<Uint8Array | undefined> {
    try {
      return await this.#disk.read(path)
    } catch (error) {
      if (isMissing(error)) return undefined
      throw error
    }
  }

  async #writeOne({ cid, bytes }: Block): Promise<Unflushed> {
    const path = `${TEMPORARY}/${this.#counter++}`
    const file = await this.#disk.create(path)
    try {
      await file.write(bytes, 0)
    } catch (error) {
      await this.#discard({ cid, path, bytes: 0, file })
      throw error
    }
    return { cid, path, bytes: bytes.length, file }
  }

  /** Best effort: what stays in `tmp` is removed at the next opening. */
  async #discard({ file, path }: Unflushed): Promise<void> {
    await file?.close().catch(() => {})
    await this.#disk.unlink(path).catch(() => {})
  }

  async #unlinkFinal(cid: CID): Promise<void> {
    const path = pathOf(cid)
    try {
      await this.#disk.unlink(path)
      this.#dirty.add(parentOf(path))
    } catch (error) {
      if (!isMissing(error)) throw error
    }
  }

  async #prepareDirectory(path: string): Promise<void> {
    this.#dirty.add(path)
    const made = await this.#disk.makeDirectory(path)
    // Every directory that was made is an entry of the one above it.
    for (let at = path; made !== undefined && at !== BLOCKS && at.length >= made.length; at = parentOf(at)) {
      this.#dirty.add(parentOf(at))
    }
  }
}

/** `blocks/ab/cd/<cid>`, by the first bytes of the digest, since all CIDs begin alike. */
export function pathOf(cid: CID): string {
  const [first, second] = blockDigest(cid)
  return `${BLOCKS}/${hex(first as number)}/${hex(second as number)}/${cid}`
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, '0')
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'))
}

/** Undefined for files that are no blocks. */
function parseName(name: string): CID | undefined {
  try {
    const cid = Cid.parse(name)
    return isBlockCid(cid) ? cid : undefined
  } catch {
    return undefined
  }
}

async function inGroups<T>(items: readonly T[], task: (item: T) => Promise<void>): Promise<void> {
  for (let i = 0; i < items.length; i += FILES_AT_ONCE)
    await settleAll(items.slice(i, i + FILES_AT_ONCE), task)
}

/** Like `Promise.all`, but nothing runs on when it rejects. */
async function settleAll<T>(items: readonly T[], task: (item: T) => Promise<void>): Promise<void> {
  const outcomes = await Promise.allSettled(items.map(task))
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
}
