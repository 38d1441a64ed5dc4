import { equalBytes } from '../encoding/bytes.js'
import { FileSystemError, PeerfoldError } from '../errors.js'
import { baseName, joinPath, parentPath } from '../folder/disk-tree.js'
import { DiskChanged, describeFailure, statAbsolute } from '../folder/guard.js'
import { moveFile } from '../folder/move.js'
import { type NameRules, withSuffix } from '../folder/names.js'
import { forEachParallel } from '../folder/parallel.js'
import { readStable } from '../folder/stable-read.js'
import { randomId } from '../folder/state-directory.js'
import { removeQuietly } from '../folder/trash.js'
import { writeVersion } from '../folder/write-version.js'
import type { FileStat, FileSystem } from '../ports/file-system.js'
import type { Random } from '../ports/random.js'
import type { FileVersion } from '../tree/types.js'
import type { ExportFile } from './layout.js'
import type { ExportDirectory } from './state.js'
import type { ExportReport, ExportSource } from './types.js'

export interface ExportWriterInit {
  source: ExportSource
  files: FileSystem
  random: Random
  to: ExportDirectory
  rules: NameRules
  report: ExportReport
  signal: AbortSignal
  /** A file is in place. */
  onDone(bytes: number): void
}

const FREE_NAMES = 1000
/** As coarse as times get on disks that are in use. */
const GRAIN_MS = 2000
/** There is no use in going on with the next file. */
const HOPELESS = new Set(['ENOSPC', 'EDQUOT', 'EROFS', 'EIO'])
const SYNCS = 8

/** Puts files in place: written and synced under a temporary name, then linked to their own, which is never one that is taken. */
export class ExportWriter {
  readonly #init: ExportWriterInit
  readonly #folders = new Map<string, Promise<void>>()

  constructor(init: ExportWriterInit) {
    this.#init = init
  }

  async makeFolder(target: string): Promise<void> {
    try {
      await this.#ensureFolder(target)
    } catch (error) {
      this.#fail({ path: target, target }, error)
    }
  }

  /** False when content is not here. Any other failure is reported. */
  async write(file: ExportFile): Promise<boolean> {
    try {
      await this.#ensureFolder(parentPath(file.target))
      if (await this.#place(file)) this.#init.report.files++
      this.#init.onDone(file.version.content.size)
    } catch (error) {
      if (error instanceof PeerfoldError && error.code === 'BLOCKS_UNAVAILABLE') return false
      this.#fail(file, error)
    }
    return true
  }

  /** Makes the names durable. */
  async sync(): Promise<void> {
    const { files } = this.#init
    await forEachParallel([...this.#folders.keys(), ''], SYNCS, async (target) => {
      const made = await this.#folders.get(target)?.then(
        () => true,
        () => false,
      )
      if (made !== false) await files.syncDirectory(this.#absolute(target))
    })
  }

  #absolute(target: string): string {
    const { files, to } = this.#init
    return target === '' ? to.directory : files.join(to.directory, ...target.split('/'))
  }

  /** Files that share a folder come at the same time. */
  #ensureFolder(target: string): Promise<void> {
    if (target === '') return Promise.resolve()
    let made = this.#folders.get(target)
    if (made === undefined) {
      made = this.#makeFolder(target)
      this.#folders.set(target, made)
    }
    return made
  }

  async #makeFolder(target: string): Promise<void> {
    await this.#ensureFolder(parentPath(target))
    const path = this.#absolute(target)
    try {
      await this.#init.files.mkdir(path)
    } catch (error) {
      if (!(error instanceof FileSystemError) || error.errno !== 'EEXIST') throw error
      if ((await this.#init.files.lstat(path)).type !== 'folder')
        throw new PeerfoldError('ALREADY_EXISTS', `${path} is in the way`)
    }
    this.#init.report.folders++
  }

  async #place(file: ExportFile): Promise<boolean> {
    const { files, source, to, random, report, signal } = this.#init
    let tmp: string | undefined
    try {
      for (const target of this.#candidates(file.target)) {
        const path = this.#absolute(target)
        const there = await statAbsolute({ files }, path)
        const kept = there !== undefined && to.resumed && (await this.#isSame(path, there, file.version))
        if (there !== undefined && !kept) continue
        if (!kept) {
          if (tmp === undefined) {
            tmp = files.join(to.tmp, randomId(random))
            await writeVersion({ files, source, signal }, tmp, file.version)
          }
          if (!(await this.#move(tmp, path))) continue
          report.bytes += file.version.content.size
        }
        if (target !== file.target) report.renamed.push({ path: file.path, as: target })
        if (kept) report.kept++
        return true
      }
    } finally {
      if (tmp !== undefined) await removeQuietly({ files }, tmp)
    }
    throw new PeerfoldError('ALREADY_EXISTS', `no name like ${file.target} is free`)
  }

  *#candidates(target: string): IterableIterator<string> {
    yield target
    for (let n = 2; n <= FREE_NAMES; n++)
      yield joinPath(parentPath(target), withSuffix(baseName(target), ` (${n})`, this.#init.rules.maxBytes))
  }

  /** False when something has taken the name meanwhile. */
  async #move(tmp: string, path: string): Promise<boolean> {
    try {
      await moveFile(this.#init, tmp, path)
      return true
    } catch (error) {
      if (error instanceof DiskChanged) return false
      throw error
    }
  }

  /** Whether an earlier run put it there. Files come whole to their names, so equal times settle it; where the disk rounds them, the bytes do. */
  async #isSame(path: string, there: FileStat, version: FileVersion): Promise<boolean> {
    if (there.type !== version.type) return false
    if (version.type === 'file') {
      if (there.size !== version.content.size) return false
      const apart = Math.abs(Number(there.mtimeNs) / 1e6 - version.mtime)
      if (apart < 1 || apart > GRAIN_MS) return apart < 1
    }
    const { source, files, signal } = this.#init
    const identify = (bytes: AsyncIterable<Uint8Array>) =>
      source.identify(bytes, { signal, base: version.content })
    const { value } = await readStable(files, path, version.type, identify, { signal })
    return equalBytes(value.plain, version.content.plain)
  }

  #fail(
    { path, target, version }: Omit<ExportFile, 'version'> & { version?: FileVersion },
    error: unknown,
  ): void {
    this.#init.signal.throwIfAborted()
    const failure = describeFailure(error)
    if (failure === undefined) throw error
    if (error instanceof FileSystemError && HOPELESS.has(error.errno))
      throw new PeerfoldError('IO_FAILED', failure.message, { cause: error })
    this.#init.report.lacking.push({ path, as: target, ...(version && { version: version.id }), ...failure })
  }
}
