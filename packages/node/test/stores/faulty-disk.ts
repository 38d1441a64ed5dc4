import { existsSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { BlockDisk, SegmentFile, SegmentFiles } from '@peerfold/core/platform'
import type { SeededRandom } from '@peerfold/core/testing'
import { nodeDisk } from '../../src/stores/block-store/node-disk.js'
import { diskError } from '../../src/stores/log-store/files.js'

export type Fault = 'crash' | 'EIO' | 'ENOSPC'

/** Calls that need space. */
const GROWING = new Set(['write', 'create', 'makeDirectory'])

/**
 * A real disk on which the Nth call fails, once or (a crash) with all that follow. It also notes what was synced, so that `cutPower` can take
 * away the rest: unsynced bytes, and names in directories that were not synced.
 */
export class FaultyDisk implements BlockDisk {
  readonly name = 'a faulty disk'
  readonly toError = diskError
  calls = 0
  dead = false
  #happened = false
  readonly #root: string
  readonly #disk: BlockDisk
  readonly #fault: { kind: Fault; at: number } | undefined
  /** Bytes of each file that are on the platter. */
  readonly #synced = new Map<string, number>()
  /** What undoes each change of a directory that was not synced. */
  #names: { directory: string; undo: () => void }[] = []

  constructor(root: string, fault?: { kind: Fault; at: number }) {
    this.#root = root
    this.#disk = nodeDisk(root)
    this.#fault = fault
  }

  /** What a power cut leaves: of each unsynced thing some, all or nothing. */
  cutPower(random: SeededRandom): void {
    this.dead = true
    for (const { undo } of this.#names.reverse()) if (random.float() < 0.5) undo()
    for (const [path, synced] of this.#synced) {
      if (!existsSync(this.#at(path))) continue
      const { size } = statSync(this.#at(path))
      if (size <= synced) continue
      const kept = synced + random.integer(size - synced + 1)
      truncateSync(this.#at(path), kept)
      // Blocks that were allocated and never written read as zeros.
      if (random.float() < 0.3) truncateSync(this.#at(path), size)
    }
  }

  async makeDirectory(path: string): Promise<void> {
    await this.#step('makeDirectory')
    const made = !existsSync(this.#at(path))
    await this.#disk.makeDirectory(path)
    if (made) this.#note(parentOf(path), () => rmSync(this.#at(path), { recursive: true, force: true }))
  }

  async create(path: string) {
    await this.#step('create')
    const file = await this.#disk.create(path)
    this.#synced.set(path, 0)
    return {
      write: async (bytes: Uint8Array, offset: number) => {
        await this.#step('write', () => file.write(bytes.subarray(0, bytes.length / 2), offset))
        await file.write(bytes, offset)
      },
      close: () => file.close(),
    }
  }

  async exists(path: string) {
    await this.#step('exists')
    return this.#disk.exists(path)
  }

  async unlink(path: string) {
    await this.#step('unlink')
    const content = existsSync(this.#at(path)) ? readFileSync(this.#at(path)) : undefined
    await this.#disk.unlink(path)
    this.#note(parentOf(path), () => {
      if (content !== undefined && existsSync(this.#at(parentOf(path))))
        writeFileSync(this.#at(path), content)
    })
  }

  async syncDirectory(path: string) {
    await this.#step('syncDirectory')
    await this.#disk.syncDirectory(path)
    this.#names = this.#names.filter(({ directory }) => directory !== path)
  }

  async segments(path: string): Promise<SegmentFiles> {
    const files = await this.#disk.segments(path)
    return {
      list: async () => {
        await this.#step('list')
        return files.list()
      },
      open: async (name, create) => {
        await this.#step(create ? 'create' : 'open')
        const file = await files.open(name, create)
        if (create) this.#note(path, () => rmSync(this.#at(`${path}/${name}`), { force: true }))
        return this.#segment(`${path}/${name}`, file, create)
      },
      remove: async (name) => {
        await this.#step('unlink')
        const content = readFileSync(this.#at(`${path}/${name}`))
        await files.remove(name)
        this.#note(path, () => writeFileSync(this.#at(`${path}/${name}`), content))
      },
      sync: async () => {
        await this.#step('syncDirectory')
        await files.sync()
        this.#names = this.#names.filter(({ directory }) => directory !== path)
      },
    }
  }

  #segment(path: string, file: SegmentFile, fresh: boolean): SegmentFile {
    if (fresh) this.#synced.set(path, 0)
    return {
      size: () => file.size(),
      read: async (buffer, offset) => {
        await this.#step('read')
        return file.read(buffer, offset)
      },
      write: async (bytes, offset) => {
        await this.#step('write', () => file.write(bytes.subarray(0, bytes.length / 2), offset))
        // What is not synced before this write stays unsynced up to its end.
        if (!this.#synced.has(path)) this.#synced.set(path, await file.size())
        await file.write(bytes, offset)
      },
      truncate: async (size) => {
        await this.#step('truncate')
        await file.truncate(size)
        this.#synced.set(path, Math.min(size, this.#synced.get(path) ?? size))
      },
      datasync: async () => {
        await this.#step('datasync')
        await file.datasync()
        this.#synced.set(path, await file.size())
      },
      close: () => file.close(),
    }
  }

  /** Counts a call and lets it fail if its turn has come. A write may have happened in part. */
  async #step(call: string, inPart?: () => Promise<void>): Promise<void> {
    if (this.dead) throw failure('crashed')
    const fault = this.#fault
    const due = fault !== undefined && !this.#happened && this.calls >= fault.at
    this.calls++
    if (!due || (fault.kind === 'ENOSPC' && !GROWING.has(call))) return
    this.#happened = true
    if (fault.kind === 'crash') this.dead = true
    await inPart?.()
    throw failure(fault.kind === 'crash' ? 'crashed' : fault.kind)
  }

  #note(directory: string, undo: () => void): void {
    this.#names.push({ directory, undo })
  }

  #at(path: string): string {
    return join(this.#root, path)
  }
}

function failure(code: string): Error {
  return Object.assign(new Error(`injected ${code}`), { code })
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')))
}
